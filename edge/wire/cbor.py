"""Envelopes and receipts as CBOR (RFC 8949): small integer keys, version first.

Unknown keys are ignored, so fields can be added; an unknown version is refused, so meanings
cannot change in silence. Absent optional values are left out. Times are integer microseconds
since the Unix epoch. The key tables are the protocol: numbers are never used again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

import cbor2

from edge.wire.instants import microseconds
from edge.wire.message_map import integer, message, message_map, moment, octets_of
from edge.wire.messages import Envelope, Message, Receipt
from edge.wire.topics import agent_name

VERSION: Final = 1
MAX_BYTES: Final = 1_000_000
# Both sides keep sequence numbers in SQLite, whose integers end there.
_SEQUENCE_END: Final = 2**63

# Envelope keys.
_VERSION, _AGENT, _SPOOL, _SEQUENCE, _SENT_AT, _MESSAGES, _FLOOR, _RANGES = range(8)
# Small unsigned integers are their own encoding (RFC 8949, 3); an envelope is a map of seven entries.
_KEY: Final = [bytes([number]) for number in range(24)]
_ENVELOPE_HEAD: Final = bytes([0xA7]) + _KEY[_VERSION] + bytes([VERSION]) + _KEY[_AGENT]


__all__ = [
    "MAX_BYTES", "VERSION", "OpenedEnvelope", "UnknownVersion", "WireError", "assemble", "decode",
    "decode_receipt", "encode", "encode_message", "encode_receipt", "is_message", "message", "message_map",
    "open_envelope",
]  # fmt: skip


class WireError(ValueError):
    """The bytes are not an envelope of this protocol; the text says what is wrong with them."""


class UnknownVersion(WireError):
    """A newer agent speaks: update the receiver before the agents."""


def encode(envelope: Envelope) -> bytes:
    """The bytes of an envelope."""
    return assemble(
        agent=envelope.agent,
        spool=envelope.spool,
        sequence=envelope.sequence,
        floor=envelope.floor,
        sent_at=envelope.sent_at,
        messages=[encode_message(item) for item in envelope.messages],
    )


def assemble(
    *, agent: str, spool: bytes, sequence: int, floor: int, sent_at: datetime, messages: Sequence[bytes]
) -> bytes:
    """The bytes of an envelope around messages that are bytes already, as a spool keeps them.

    The same bytes as `encode`; CBOR lets encoded items be put into an array as they are.
    """
    return b"".join(
        (
            _ENVELOPE_HEAD, cbor2.dumps(agent), _KEY[_SPOOL], cbor2.dumps(spool),
            _KEY[_SEQUENCE], cbor2.dumps(sequence), _KEY[_SENT_AT], cbor2.dumps(microseconds(sent_at)),
            _KEY[_MESSAGES], _array_head(len(messages)), *messages, _KEY[_FLOOR], cbor2.dumps(floor),
        )
    )  # fmt: skip


def encode_message(item: Message) -> bytes:
    """One message as it stands in an envelope, and as a spool keeps it."""
    return cbor2.dumps(message_map(item))


def is_message(octets: bytes) -> bool:
    """Whether these are the bytes of one message, whole: anything else would spoil its envelope."""
    try:
        return encode_message(message(cbor2.loads(octets))) == octets
    except (cbor2.CBORError, LookupError, TypeError, ValueError, AttributeError, RecursionError, MemoryError,
            OverflowError):  # fmt: skip
        return False


def decode(octets: bytes) -> Envelope:
    """The envelope in `octets`; WireError (UnknownVersion) if there is none."""
    opened = open_envelope(octets)
    try:
        return Envelope(
            agent=opened.agent,
            spool=opened.spool,
            sequence=opened.sequence,
            floor=opened.floor,
            sent_at=opened.sent_at,
            messages=tuple(map(message, opened.contents)),
        )
    except KeyError as error:
        raise WireError(f"envelope lacks key {error}") from error
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise WireError(f"envelope: {error}") from error


class OpenedEnvelope(NamedTuple):
    """An envelope whose messages are still maps, each to be read by `message` on its own: one bad
    message does not spoil its neighbours, and whoever only confirms need not read them at all."""

    agent: str
    spool: bytes
    sequence: int
    floor: int
    sent_at: datetime
    contents: list[Any]


def open_envelope(octets: bytes) -> OpenedEnvelope:
    """The envelope in `octets` with its messages unread; WireError (UnknownVersion) if there is none."""
    content = _versioned_map(octets)
    try:
        return OpenedEnvelope(
            agent=agent_name(content[_AGENT]),
            spool=octets_of(content[_SPOOL]),
            sequence=_sequence_number(content[_SEQUENCE]),
            floor=_sequence_number(content[_FLOOR]),
            sent_at=moment(content[_SENT_AT]),
            contents=_list(content[_MESSAGES]),
        )
    except KeyError as error:
        raise WireError(f"envelope lacks key {error}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise WireError(f"envelope: {error}") from error


def encode_receipt(receipt: Receipt) -> bytes:
    """The bytes of a receipt."""
    ranges = [list(pair) for pair in receipt.ranges]
    return cbor2.dumps({_VERSION: VERSION, _SPOOL: receipt.spool, _RANGES: ranges})


def decode_receipt(octets: bytes) -> Receipt:
    """The receipt in `octets`; WireError if there is none."""
    content = _versioned_map(octets)
    try:
        ranges = tuple((_sequence_number(first), _sequence_number(last)) for first, last in content[_RANGES])
        return Receipt(spool=octets_of(content[_SPOOL]), ranges=ranges)
    except (KeyError, TypeError, ValueError) as error:
        raise WireError(f"receipt: {error!r}") from error


def _versioned_map(octets: bytes) -> dict[int, Any]:
    if len(octets) > MAX_BYTES:
        raise WireError(f"{len(octets)} bytes; an envelope has at most {MAX_BYTES}")
    try:
        content = cbor2.loads(octets)
    except (cbor2.CBORError, ValueError, RecursionError, MemoryError, OverflowError) as error:
        raise WireError(f"not CBOR: {error}") from error
    if not isinstance(content, dict):
        raise WireError(f"CBOR {type(content).__name__} instead of a map")
    version = content.get(_VERSION)
    if version != VERSION or not isinstance(version, int) or isinstance(version, bool):
        raise UnknownVersion(f"version {version!r}; this side speaks version {VERSION}")
    return content


def _array_head(length: int) -> bytes:
    if length < 24:
        return bytes([0x80 | length])
    if length < 0x100:
        return bytes([0x98, length])
    return b"\x99" + length.to_bytes(2, "big") if length < 0x1_0000 else b"\x9a" + length.to_bytes(4, "big")


def _sequence_number(value: Any) -> int:
    number = integer(value)
    if not 1 <= number < _SEQUENCE_END:
        raise ValueError(f"sequence number {number} is not in 1 to 2**63 - 1")
    return number


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError(f"messages are a list, not {type(value).__name__}")
    return value
