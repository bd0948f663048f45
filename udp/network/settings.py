"""What we can be told about the network server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from edge.wire.settings import Secret

_MAC_VERSIONS = ("1.0.0", "1.0.1", "1.0.2", "1.0.3", "1.0.4")
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


@dataclass(frozen=True, slots=True)
class ChirpStackSettings:
    """One ChirpStack v4 and our part of it.

    `server`: host:port of its API. `tls`: ChirpStack itself speaks none, a proxy before it does; `ca` (PEM)
    where its certificate comes from an own authority. `token`: an API key. A key of a tenant needs that
    tenant's `tenant_id`; a global key finds or makes `tenant` by name. `mark`: the value of our tag `udp`;
    two platforms on one ChirpStack need two. `mac_version` (LoRaWAN 1.0.x) is set when a device profile is
    made and never changed afterwards. `parallel`: requests under way at once.
    """

    server: str
    token: Secret
    tls: bool = True
    ca: Path | None = None
    tenant: str = "Stadt"
    tenant_id: str = ""
    application: str = "Urban Data Platform"
    mark: str = "urban-data-platform"
    region: str = "EU868"
    mac_version: str = "1.0.3"
    timeout: timedelta = timedelta(seconds=10)
    parallel: int = 8

    def __post_init__(self) -> None:
        host, _, port = self.server.rpartition(":")
        if not host or "/" in self.server or not port.isdigit() or not 1 <= int(port) <= 65535:
            raise ValueError(
                f"server {self.server!r} is no address; write host:port, e.g. chirpstack.example.org:443"
            )
        if self.tenant_id and not re.fullmatch(_UUID, self.tenant_id):
            raise ValueError(f"tenant_id {self.tenant_id!r} is no UUID; copy it from the tenant's page")
        if not (self.tenant and self.application and self.mark):
            raise ValueError("tenant, application and mark must not be empty")
        if self.mac_version not in _MAC_VERSIONS:
            raise ValueError(f"mac_version {self.mac_version!r} is none of {', '.join(_MAC_VERSIONS)}")
        if self.timeout <= timedelta(0) or not 1 <= self.parallel <= 64:
            raise ValueError("timeout must be positive, parallel between 1 and 64")
