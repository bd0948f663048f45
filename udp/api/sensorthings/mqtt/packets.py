"""MQTT 3.1.1 and 5.0 as a server reads and writes it (OASIS standards), from octets to values and back.

Only what a server needs; nothing here waits, reads a socket or knows what a topic means.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, TypeAlias

from udp.api.sensorthings.mqtt import octets
from udp.api.sensorthings.mqtt.octets import PROTOCOL_ERROR, Malformed, Octets

MQTT_3, MQTT_5 = 4, 5
REASON_TEXT = 0x1F


class Kind(IntEnum):
    """The first four bits of a packet."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


# The lower four bits that these must have (clause 2.1.3); all others have none.
_FLAGS = {Kind.PUBREL: 2, Kind.SUBSCRIBE: 2, Kind.UNSUBSCRIBE: 2}
_SHORT_ANSWERS = (Kind.PUBACK, Kind.PUBREC, Kind.PUBREL, Kind.PUBCOMP)


@dataclass(frozen=True, slots=True)
class Publish:
    """A message, either way. `number` 0 with QoS 0."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    number: int = 0
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """Who connects, and what is to be published when it is lost. `keep_alive_s` 0: it promises nothing."""

    version: int
    client: str
    keep_alive_s: int
    username: str | None
    password: str | None = field(repr=False)
    will: Publish | None
    clean: bool
    receive_maximum: int = 65_535
    most_packet: int | None = None
    authentication: bool = False
    reasons_wanted: bool = True


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Filters with the QoS wanted for each."""

    number: int
    filters: Sequence[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """Filters no longer wanted."""

    number: int
    filters: Sequence[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""

    kind: Kind
    number: int
    reason: int = 0


@dataclass(frozen=True, slots=True)
class Sign:
    """PINGREQ or DISCONNECT (`reason` 4: with its will)."""

    kind: Kind
    reason: int = 0


Packet: TypeAlias = Connect | Publish | Subscribe | Unsubscribe | Answer | Sign


class Unsupported(Malformed):
    """Another version of MQTT."""


class Decoder:
    """Takes octets as they come and gives whole packets. Malformed ends it."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting = bytearray()
        self.version = 0

    def feed(self, part: bytes) -> Iterator[Packet]:
        """All packets that are complete now."""
        self._waiting += part
        while (packet := self._next()) is not None:
            yield packet

    def _next(self) -> Packet | None:
        if self._waiting and (self._waiting[0] == Kind.CONNECT << 4) != (self.version == 0):
            # Also what speaks another protocol altogether need not be waited for.
            raise Malformed("CONNECT comes first and once", PROTOCOL_ERROR)
        size, head = 0, 1
        while True:
            if head >= len(self._waiting):
                return None
            octet = self._waiting[head]
            size |= (octet & 0x7F) << 7 * (head - 1)
            head += 1
            if octet < 0x80:
                break
            if head > 4:
                raise Malformed("a packet's length has more than four octets")
        if head + size > self._most:
            raise Malformed(f"a packet has {self._most} octets at most", 0x95)
        if len(self._waiting) < head + size:
            return None
        first, content = self._waiting[0], bytes(self._waiting[head : head + size])
        del self._waiting[: head + size]
        return self._packet(first, content)

    def _packet(self, first: int, content: bytes) -> Packet:
        if not first >> 4:
            raise Malformed("packet type 0 is reserved")
        kind, flags, read = Kind(first >> 4), first & 15, Octets(content)
        if kind is Kind.PUBLISH:
            return self._publish(flags, read)
        if flags != _FLAGS.get(kind, 0):
            raise Malformed(f"{kind.name}: the flags {flags:#x} are reserved")
        if kind is Kind.CONNECT:
            found = _connect(read)
            self.version = found.version
            return found
        if kind in _SHORT_ANSWERS:
            number = _packet_number(read)
            return Answer(kind, number, read.integer(1) if read.left else 0)
        if kind is Kind.SUBSCRIBE:
            return self._subscribe(read)
        if kind is Kind.UNSUBSCRIBE:
            return self._unsubscribe(read)
        if kind in (Kind.PINGREQ, Kind.DISCONNECT):
            return Sign(kind, read.integer(1) if read.left else 0)
        raise Malformed(f"{kind.name} is not for servers", PROTOCOL_ERROR)

    def _publish(self, flags: int, read: Octets) -> Publish:
        qos = flags >> 1 & 3
        if qos == 3:
            raise Malformed("PUBLISH: QoS 3 does not exist")
        topic = read.text()
        number = _packet_number(read) if qos else 0
        if self.version == MQTT_5 and 0x23 in read.properties():
            raise Malformed("PUBLISH: topic aliases are not offered", 0x94)
        if not topic or "+" in topic or "#" in topic:
            raise Malformed("PUBLISH: the topic is empty or holds a wildcard", 0x90)
        return Publish(topic, read.rest(), qos, bool(flags & 1), number, bool(flags & 8))

    def _subscribe(self, read: Octets) -> Subscribe:
        number = _packet_number(read)
        if self.version == MQTT_5 and 0x0B in read.properties():
            raise Malformed("SUBSCRIBE: subscription identifiers are not offered", 0xA1)
        filters = []
        while read.left:
            name, options = read.text(), read.integer(1)
            if options & 3 == 3 or options & (0xC0 if self.version == MQTT_5 else 0xFC):
                raise Malformed("SUBSCRIBE: reserved bits are set")
            filters.append((name, options & 3))
        if not filters:
            raise Malformed("SUBSCRIBE: without any filter", PROTOCOL_ERROR)
        return Subscribe(number, filters)

    def _unsubscribe(self, read: Octets) -> Unsubscribe:
        number = _packet_number(read)
        if self.version == MQTT_5:
            read.properties()
        filters = []
        while read.left:
            filters.append(read.text())
        if not filters:
            raise Malformed("UNSUBSCRIBE: without any filter", PROTOCOL_ERROR)
        return Unsubscribe(number, filters)


def _packet_number(read: Octets) -> int:
    found = read.integer(2)
    if not found:
        raise Malformed("packet identifier 0 is reserved", PROTOCOL_ERROR)
    return found


def _connect(read: Octets) -> Connect:
    name, version = read.text(), read.integer(1)
    if name != "MQTT" or version not in (MQTT_3, MQTT_5):
        raise Unsupported(f"{name[:10]!r} level {version}: MQTT 3.1.1 and 5.0 are spoken here", 0x84)
    flags, keep_alive = read.integer(1), read.integer(2)
    has_will, will_qos = bool(flags & 4), flags >> 3 & 3
    if flags & 1 or will_qos == 3 or (not has_will and flags & 0x38):
        raise Malformed("CONNECT: reserved flags are set")
    told = read.properties() if version == MQTT_5 else {}
    client = read.text()
    will = None
    if has_will:
        if version == MQTT_5:
            read.properties()
        will = Publish(read.text(), read.binary(), will_qos, bool(flags & 32))
    username = read.text() if flags & 128 else None
    password = read.binary() if flags & 64 else None
    if read.left:
        raise Malformed("CONNECT: octets follow its end")
    if told.get(0x21) == 0 or told.get(0x27) == 0:
        raise Malformed("CONNECT: receive maximum and maximum packet size are not 0", PROTOCOL_ERROR)
    return Connect(
        version, client, keep_alive, username,
        None if password is None else password.decode("utf-8", "replace"),
        will, bool(flags & 2), told.get(0x21, 65_535), told.get(0x27), 0x15 in told, bool(told.get(0x17, 1)),
    )  # fmt: skip


def packet(kind: Kind, content: bytes, flags: int = 0) -> bytes:
    """With its fixed header."""
    return bytes([kind << 4 | flags]) + octets.number(len(content)) + content


def connack(version: int, reason: int, told: Mapping[int, Any]) -> bytes:
    """No session is ever present: none is kept. `told`: properties, for MQTT 5."""
    tail = octets.properties(told) if version == MQTT_5 else b""
    return packet(Kind.CONNACK, bytes([0, reason]) + tail)


def publish(version: int, one: Publish) -> bytes:
    """A message to a client, as JSON in UTF-8 where that can be said."""
    number = one.number.to_bytes(2) if one.qos else b""
    told = octets.properties({0x01: 1, 0x03: "application/json"}) if version == MQTT_5 else b""
    return packet(
        Kind.PUBLISH, octets.text(one.topic) + number + told + one.payload, one.qos << 1 | one.duplicate << 3
    )


def answer(version: int, one: Answer, why: str = "") -> bytes:
    """`why` reaches clients of MQTT 5 only."""
    content = one.number.to_bytes(2)
    if version == MQTT_5 and one.reason:
        content += bytes([one.reason]) + octets.properties({REASON_TEXT: why or None})
    return packet(one.kind, content, _FLAGS.get(one.kind, 0))


def suback(version: int, number: int, reasons: Sequence[int], why: str = "") -> bytes:
    """One reason per filter; MQTT 3.1.1 knows only the one failure."""
    content = number.to_bytes(2)
    if version == MQTT_5:
        return packet(Kind.SUBACK, content + octets.properties({REASON_TEXT: why or None}) + bytes(reasons))
    return packet(Kind.SUBACK, content + bytes(min(one, 0x80) for one in reasons))


def unsuback(version: int, number: int, reasons: Sequence[int]) -> bytes:
    """One reason per filter in MQTT 5."""
    tail = octets.properties({}) + bytes(reasons) if version == MQTT_5 else b""
    return packet(Kind.UNSUBACK, number.to_bytes(2) + tail)


def disconnect(version: int, reason: int, why: str = "") -> bytes:
    """Only MQTT 5 lets a server say why it hangs up; empty for others."""
    if version != MQTT_5:
        return b""
    return packet(Kind.DISCONNECT, bytes([reason]) + octets.properties({REASON_TEXT: why or None}))


PINGRESP = packet(Kind.PINGRESP, b"")
