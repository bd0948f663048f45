"""A device type as somebody else describes it, whatever the format of their files."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Example:
    """One published payload and what comes out of it; `data` None where decoding must fail."""

    description: str
    f_port: int
    payload: bytes
    data: Any
    received_at: str = ""


@dataclass(frozen=True, slots=True)
class ForeignType:
    """`script`: the codec as published, unmodified; `interval_s` None where nobody says.

    `labels`: field -> what the source calls it. `origin` names the source for the file's first line.
    """

    vendor: str
    device: str
    title: str
    origin: str
    script: str
    examples: tuple[Example, ...] = ()
    interval_s: float | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    path: Path | None = None

    @property
    def name(self) -> str:
        """The name its profile gets unless somebody chooses another."""
        return slug(f"{self.vendor}-{self.device}" if self.vendor else self.device)


def slug(text: str) -> str:
    """Small letters, digits and single dashes, at most 63 of them."""
    plain = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:63]


def payload_of(given: Mapping[str, Any]) -> bytes | None:
    """The octets of an example's input: a list of numbers or hexadecimal digits; None if it has none."""
    octets = given.get("bytes", given.get("hex"))
    try:
        if isinstance(octets, list):
            return bytes(octets)
        if isinstance(octets, str):
            return bytes.fromhex(octets)
    except (ValueError, TypeError):
        return None
    return None


def port_of(given: Mapping[str, Any]) -> int:
    """The example's FPort; 1 where it names none."""
    port = given.get("fPort", 1)
    return port if isinstance(port, int) and not isinstance(port, bool) else 1
