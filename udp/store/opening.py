"""The one place that names store engines: settings in, an ObservationStore out.

Each engine is loaded when it is opened: together they cost seconds, and many commands open none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from udp.store.embedded.settings import EmbeddedSettings
from udp.store.server_settings import InfluxDBSettings, VictoriaMetricsSettings

if TYPE_CHECKING:
    from udp.store.port import ObservationStore

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
        from udp.store.influxdb import InfluxDBStore  # noqa: PLC0415 - see above

        return InfluxDBStore(settings.influxdb, now, read_only=read_only)
    if settings.kind == "victoriametrics":
        from udp.store.victoriametrics import VictoriaMetricsStore  # noqa: PLC0415

        return VictoriaMetricsStore(settings.victoriametrics, now, read_only=read_only)
    from udp.store.embedded.store import EmbeddedStore  # noqa: PLC0415

    return EmbeddedStore(settings.embedded, now, read_only=read_only)


def maintain(store: ObservationStore, now: datetime) -> bool:
    """One step of the engine's housekeeping, True when another is due; servers keep their own house."""
    from udp.store.embedded.store import EmbeddedStore  # noqa: PLC0415

    return store.maintain(now) if isinstance(store, EmbeddedStore) else False
