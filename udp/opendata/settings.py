"""Where dumps lie and how the city calls itself in its catalogue."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class OpenDataSettings:
    """`public_url`: the address everybody reaches the platform by, without a slash at the end; empty: the one
    that was asked. `regional_key`: Amtlicher Regionalschlüssel, 12 digits. `high_value`: datasets that the
    city holds to be high-value data (Regulation (EU) 2023/138). `daily_files`: days kept as single files.
    `every_s`: pause between two rounds of `udp dumps run --follow`."""

    folder: Path = Path("var/opendata")
    public_url: str = ""
    city: str = "Castrop-Rauxel"
    publisher: str = "Stadt Castrop-Rauxel"
    homepage: str = "https://www.castrop-rauxel.de/"
    contact_email: str = ""
    regional_key: str = "055620004004"
    high_value: tuple[str, ...] = ()
    daily_files: int = 31
    every_s: float = 3600.0

    def __post_init__(self) -> None:
        if len(self.regional_key) != 12 or not self.regional_key.isdigit():
            raise ValueError(f"regional_key {self.regional_key!r} has not 12 digits")
        if self.public_url and not self.public_url.startswith(("http://", "https://")):
            raise ValueError(f"public_url {self.public_url!r} does not begin with https://")
        if self.every_s < 1 or self.daily_files < 0:
            raise ValueError("every_s must be at least 1, daily_files at least 0")
