"""The one place that names store engines: settings in, an ObservationStore out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from udp.store.embedded.store import EmbeddedSettings, EmbeddedStore
from udp.store.influxdb import InfluxDBSettings, InfluxDBStore
from udp.store.port import ObservationStore
from udp.store.victoriametrics import VictoriaMetricsSettings, VictoriaMetricsStore

KINDS = ("embedded", "influxdb", "victoriametrics")


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """Which engine, and the settings of each; only those of `kind` are used."""

    kind: str = "embedded"
    embedded: EmbeddedSettings = field(default_factory=EmbeddedSettings)
    influxdb: InfluxDBSettings = field(default_factory=InfluxDBSettings)
    victoriametrics: VictoriaMetricsSettings = field(default_factory=VictoriaMetricsSettings)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind {self.kind!r} is no store; known are {', '.join(KINDS)}")


def open_store(
    settings: StoreSettings, now: Callable[[], datetime], *, read_only: bool = False
) -> ObservationStore:
    """Ready to use; the caller closes it. StoreUnavailable when the engine cannot be reached or opened.

    read_only: for processes that only read (API, pages); `append` then raises StoreUnavailable.
    """
    if settings.kind == "influxdb":
        return InfluxDBStore(settings.influxdb, now, read_only=read_only)
    if settings.kind == "victoriametrics":
        return VictoriaMetricsStore(settings.victoriametrics, now, read_only=read_only)
    return EmbeddedStore(settings.embedded, now, read_only=read_only)


def maintain(store: ObservationStore, now: datetime) -> bool:
    """One step of the engine's housekeeping, True when another is due; servers keep their own house."""
    return store.maintain(now) if isinstance(store, EmbeddedStore) else False
