"""What every payload codec promises, native or JavaScript."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, runtime_checkable

from edge.wire.messages import Record


class CodecError(ValueError):
    """The payload is not what this codec understands; the text says what and where."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """What a codec made of one payload: usually one record, several where the device sends history."""

    records: tuple[Record, ...]
    warnings: tuple[str, ...] = ()


class Codec(Protocol):
    """Bytes to named values: pure, without input or output, and never holding state."""

    def __call__(self, payload: bytes, f_port: int, received_at: datetime) -> Decoded:
        """Decode one application payload.

        Field names are the vendor codec's, flat (dots where it nests), units as the vendor gives
        them, numbers as numbers. A value the device marks as invalid is absent, never 0.
        `received_at` (aware UTC) serves devices that send relative times only.
        Raises CodecError for anything it cannot read completely.
        """


@runtime_checkable
class BatchCodec(Codec, Protocol):
    """A codec with a way to go: asked for many payloads at once, it goes only once."""

    def many(self, uplinks: Sequence[tuple[bytes, int, datetime]]) -> list[Decoded | CodecError]:
        """Each (payload, FPort, received_at) decoded, or why not, in their order.

        Raises CodecError if there is nothing to decode any of them with.
        """
