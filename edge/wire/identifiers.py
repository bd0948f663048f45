"""The identifiers LoRaWAN knows, as types that cannot hold an impossible value."""

from __future__ import annotations

from typing import Self


class Octets(bytes):
    """A fixed number of octets, most significant first, written as upper-case hexadecimal."""

    size = 0

    def __new__(cls, octets: bytes) -> Self:
        if len(octets) != cls.size:
            raise ValueError(
                f"{cls.__name__} has {cls.size} octets, not {len(octets)} ({bytes(octets).hex()})"
            )
        return super().__new__(cls, octets)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read hexadecimal digits; dashes, colons and blanks between them are allowed."""
        digits = text.translate(_SEPARATORS)
        try:
            return cls(bytes.fromhex(digits))
        except ValueError as error:
            raise ValueError(
                f"{text!r} is not a {cls.__name__}: expected {2 * cls.size} hex digits"
            ) from error

    def __str__(self) -> str:
        return self.hex().upper()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


_SEPARATORS = str.maketrans("", "", "-: ")


class DevEUI(Octets):
    """Globally unique identifier of an end device; never sent in a data frame."""

    size = 8


class GatewayEUI(Octets):
    """Identifier of a gateway (concentrator)."""

    size = 8


class DevAddr(Octets):
    """Address of a device within its session; sent in every data frame, not unique."""

    size = 4


def f_port(number: int) -> int:
    """Return `number` if it is an application port; 0 is the MAC layer, 224 the test protocol."""
    if not 1 <= number <= 223:
        raise ValueError(f"FPort {number} is not an application port (1-223)")
    return number


def f_cnt(number: int) -> int:
    """Return `number` if it is a 32-bit frame counter."""
    if not 0 <= number <= 0xFFFF_FFFF:
        raise ValueError(f"FCnt {number} does not fit in 32 bits")
    return number
