"""What the device register can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from edge.wire.settings import Secret


@dataclass(frozen=True, slots=True)
class DeviceSettings:
    """`key` seals the devices' keys. `sessions`: the file ingest reads sessions from, kept up to date
    after every import. `south`..`east` (degrees): places outside are taken for slips of the pen.
    """

    key: Secret | None = None
    sessions: Path | None = None
    south: float = 51.0
    north: float = 52.1
    west: float = 6.5
    east: float = 8.1

    def __post_init__(self) -> None:
        if not (-90 <= self.south < self.north <= 90 and -180 <= self.west < self.east <= 180):
            raise ValueError("south, north, west, east do not enclose an area; south < north and west < east")
