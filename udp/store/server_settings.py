"""What the adapters of time-series servers can be told; apart from them, so that it loads no engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from edge.wire.settings import Secret
from udp.store.web import require_address


@dataclass(frozen=True, slots=True)
class InfluxDBSettings:
    """Where InfluxDB is. token: of 2.x and 3.x; for 1.x with accounts `user:password`; none without.

    write_api: "v2" (/api/v2/write) or "v1" (/write, for servers older than 1.8).
    """

    url: str = "http://127.0.0.1:8086"
    database: str = "udp"
    org: str = ""
    token: Secret = field(default_factory=lambda: Secret(""))
    measurement: str = "observation"
    write_api: str = "v2"
    timeout: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        require_address(self.url)
        if self.write_api not in {"v1", "v2"}:
            raise ValueError(f'write_api {self.write_api!r} is unknown; write "v2", or "v1" before 1.8')
        if not self.measurement.isidentifier():
            raise ValueError(f"measurement {self.measurement!r} must be letters, digits and underscores")


@dataclass(frozen=True, slots=True)
class VictoriaMetricsSettings:
    """Where VictoriaMetrics is; write_url only for a cluster (see above).

    durable: an append returns when the values are on disk (20 to 60 ms more); if false, a server that is
    killed loses up to five seconds of what it acknowledged. storage_urls: of a cluster, every vmstorage
    (http://vmstorage:8482), which are asked for it. snapshot_key: its `-snapshotAuthKey`, if it has one.
    deduplicated: the server runs with `-dedup.minScrapeInterval=1ms`. If not, say false: aggregates
    are then made here from all values, correct but slow.
    """

    url: str = "http://127.0.0.1:8428"
    write_url: str = ""
    token: Secret = field(default_factory=lambda: Secret(""))
    measurement: str = "observation"
    durable: bool = True
    storage_urls: tuple[str, ...] = ()
    snapshot_key: Secret = field(default_factory=lambda: Secret(""))
    deduplicated: bool = True
    timeout: timedelta = timedelta(seconds=30)

    def __post_init__(self) -> None:
        require_address(self.url)
        for url in (self.write_url or self.url, *self.storage_urls):
            require_address(url)
        if self.durable and self.write_url and not self.storage_urls:
            raise ValueError(
                "storage_urls is missing: name every vmstorage of the cluster (http://vmstorage:8482), or "
                "write durable = false, and a killed one loses up to five seconds of values"
            )
        if not self.measurement.isidentifier():
            raise ValueError(f"measurement {self.measurement!r} must be letters, digits and underscores")
