"""The small pieces MQTT packets are made of: numbers, texts and the properties of MQTT 5 (clause 2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from udp.errors import PlatformError

PROTOCOL_ERROR, MALFORMED = 0x82, 0x81
_LONGEST_NUMBER = 4
# Property -> how its value is written (MQTT 5.0, table 2-4).
_TYPES: Mapping[int, str] = {
    0x01: "byte", 0x02: "four", 0x03: "text", 0x08: "text", 0x09: "bytes", 0x0B: "number", 0x11: "four",
    0x12: "text", 0x13: "two", 0x15: "text", 0x16: "bytes", 0x17: "byte", 0x18: "four", 0x19: "byte",
    0x1A: "text", 0x1C: "text", 0x1F: "text", 0x21: "two", 0x22: "two", 0x23: "two", 0x24: "byte",
    0x25: "byte", 0x26: "pair", 0x27: "four", 0x28: "byte", 0x29: "byte", 0x2A: "byte",
}  # fmt: skip
_USER = 0x26
_SIZES = {"byte": 1, "two": 2, "four": 4}


class Malformed(PlatformError):
    """What a client sent is no MQTT; `reason` is the code MQTT 5 has for it."""

    def __init__(self, text: str, reason: int = MALFORMED) -> None:
        super().__init__(text)
        self.reason = reason


class Octets:
    """Reads one packet from front to end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def left(self) -> int:
        """How many octets follow."""
        return len(self._content) - self._at

    def take(self, count: int) -> bytes:
        """So many octets. Malformed when they are not there."""
        if count > self.left:
            raise Malformed("the packet ends before its fields do")
        part = self._content[self._at : self._at + count]
        self._at += count
        return part

    def rest(self) -> bytes:
        """All that follows."""
        return self.take(self.left)

    def integer(self, size: int) -> int:
        """Big-endian."""
        return int.from_bytes(self.take(size))

    def number(self) -> int:
        """Seven bits per octet, at most four octets (clause 1.5.5)."""
        value = 0
        for place in range(_LONGEST_NUMBER):
            octet = self.integer(1)
            value |= (octet & 0x7F) << 7 * place
            if octet < 0x80:
                return value
        raise Malformed("a number has more than four octets")

    def binary(self) -> bytes:
        """With its length in front."""
        return self.take(self.integer(2))

    def text(self) -> str:
        """UTF-8 without U+0000 (clause 1.5.4)."""
        try:
            found = self.binary().decode("utf-8")
        except UnicodeDecodeError as error:
            raise Malformed("a text is no UTF-8") from error
        if "\0" in found:
            raise Malformed("a text holds U+0000")
        return found

    def properties(self) -> dict[int, Any]:
        """Of MQTT 5, user properties left out; each may stand once."""
        inner = Octets(self.take(self.number()))
        found: dict[int, Any] = {}
        while inner.left:
            name = inner.number()
            kind = _TYPES.get(name)
            if kind is None:
                raise Malformed(f"property {name:#x} is not known")
            value = inner.value(kind)
            if name == _USER:
                continue
            if name in found:
                raise Malformed(f"property {name:#x} stands twice", PROTOCOL_ERROR)
            found[name] = value
        return found

    def value(self, kind: str) -> Any:
        """Of one property."""
        if kind in _SIZES:
            return self.integer(_SIZES[kind])
        if kind == "pair":
            return self.text(), self.text()
        return {"text": self.text, "bytes": self.binary, "number": self.number}[kind]()


def number(value: int) -> bytes:
    """As `Octets.number` reads it."""
    made = bytearray()
    while True:
        value, low = divmod(value, 128)
        made.append(low | (0x80 if value else 0))
        if not value:
            return bytes(made)


def text(value: str) -> bytes:
    """With its length in front."""
    octets = value.encode("utf-8")[:65_535]
    return len(octets).to_bytes(2) + octets


def properties(values: Mapping[int, Any]) -> bytes:
    """With their length in front; None is left out."""
    made = bytearray()
    for name, value in values.items():
        if value is None:
            continue
        kind = _TYPES[name]
        made += bytes([name]) + (text(value) if kind == "text" else int(value).to_bytes(_SIZES[kind]))
    return number(len(made)) + bytes(made)
