"""From journalled bytes to messages, and from payload bytes to named values."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

import cbor2

from edge.codecs.port import BatchCodec, Codec, CodecError, Decoded
from edge.lorawan.frame import FrameError, parse_data_up
from edge.lorawan.keyring import Keyring, Unresolved
from edge.wire import cbor
from edge.wire.instants import instant
from edge.wire.messages import Command, CommandResult, Frame, Record, Uplink
from ingest.heard import EMPTY_PORTS, Empty, Heard, Noted, Unusable
from ingest.journal import ERASED, Entry
from ingest.mapping import WAY, ForeignMapping, name_of
from ingest.sources import chirpstack, edge, things_stack
from udp.citizens.offer import FORMATTER_CODEC
from udp.ledger.port import SequenceRun
from udp.registry.port import Device

_READERS = {"chirpstack": chirpstack.read, "things_stack": things_stack.read}


class Item(NamedTuple):
    """One message of one delivery; `position` counts within its envelope."""

    heard: Heard
    way: str
    agent: str
    entry: Entry
    position: int
    octets: bytes | None = None
    """The message's own bytes where they are only a part of the entry's."""


class Spoilt(NamedTuple):
    """One message nobody can read, beside neighbours that are fine."""

    octets: bytes
    problem: Unusable


def open_entry(
    entry: Entry, foreign: Mapping[str, ForeignMapping] = MappingProxyType({})
) -> tuple[list[Item], SequenceRun | None, list[Spoilt]]:
    """Everything one delivery says; Unusable if it says nothing anybody can read."""
    if entry.way == WAY:
        return _open_foreign(entry, foreign)
    if entry.way == "edge":
        return _open_edge(entry)
    if entry.way == ERASED:
        return [], None, []
    reader = _READERS.get(entry.way)
    if reader is None:
        raise Unusable(
            f"nobody reads the topic {entry.origin!r}",
            "take the topic out of ingest's [[mqtt]] topics, or let its sender use a known one",
        )
    return [Item(reader(entry.origin, entry.octets), entry.way, "", entry, 0)], None, []


def _open_foreign(
    entry: Entry, foreign: Mapping[str, ForeignMapping]
) -> tuple[list[Item], SequenceRun | None, list[Spoilt]]:
    name = name_of(entry.origin)
    mapping = foreign.get(name)
    if mapping is None:
        raise Unusable(
            f"no mapping file is named {name!r}", "name it in ingest's settings ([[foreign]]), then replay"
        )
    items: list[Item] = []
    spoilt: list[Spoilt] = []
    for position, one in enumerate(mapping.draw(entry.octets, instant(entry.received_at))):
        if one.problem is not None:
            spoilt.append(Spoilt(one.octets, one.problem))
        elif one.reading is not None:
            items.append(Item(one.reading, WAY, name, entry, position, one.octets))
    return items, None, spoilt


def _open_edge(entry: Entry) -> tuple[list[Item], SequenceRun | None, list[Spoilt]]:
    envelope = edge.open_envelope(entry.origin, entry.octets)
    items: list[Item] = []
    spoilt: list[Spoilt] = []
    for position, content in enumerate(envelope.contents):
        try:
            items.append(Item(_heard(cbor.message(content)), "edge", envelope.agent, entry, position))
        except (ValueError, TypeError, KeyError, OverflowError) as error:
            problem = Unusable(
                f"agent {envelope.agent}, message {envelope.sequence + position}: {error}",
                "compare the versions of agent and ingest; replay after the update",
            )
            spoilt.append(Spoilt(cbor2.dumps(content), problem))
    run = None
    if envelope.contents:
        run = SequenceRun(
            agent=envelope.agent,
            spool=envelope.spool,
            first=envelope.sequence,
            last=envelope.sequence + len(envelope.contents) - 1,
            floor=envelope.floor,
            sent_at=envelope.sent_at,
            journalled_at=instant(entry.received_at),
        )
    return items, run, spoilt


def _heard(message: object) -> Heard:
    if isinstance(message, Command):
        raise ValueError("agents do not send commands")  # noqa: TRY004  # the bytes are wrong, not our types
    if isinstance(message, CommandResult):
        return Noted(f"command_{message.state.value}")
    return message  # type: ignore[return-value]  # what is left of cbor.message is Heard


def message_octets(item: Item) -> bytes:
    """The bytes of one message: the delivery's own, or its part of an envelope."""
    if item.octets is not None:
        return item.octets
    if item.way != "edge":
        return item.entry.octets
    contents = cbor.open_envelope(item.entry.octets).contents
    return cbor2.dumps(contents[item.position])


class Stranger(Unusable):
    """No session vouches for a frame; `address` is the DevAddr it claims."""

    def __init__(self, address: bytes, error: Unresolved) -> None:
        remedy = "if the device is ours, put its session into ingest's sessions file, then replay"
        super().__init__(f"frame: {error}", remedy)
        self.address = address


def address_of(frame: Frame) -> bytes:
    """The DevAddr a data frame claims; nothing for other frames."""
    try:
        return parse_data_up(frame.phy_payload).dev_addr
    except FrameError:
        return b""


def resolve(frame: Frame, keyring: Keyring) -> Uplink | Empty:
    """The uplink in a frame the edge had no key for; Unusable (Stranger) if we have none either."""
    try:
        data_up = parse_data_up(frame.phy_payload)
    except FrameError as error:
        raise Unusable(f"frame: {error}", "look at the packet forwarder of its gateway") from error
    try:
        opened = keyring.open(data_up)
    except Unresolved as error:
        raise Stranger(data_up.dev_addr, error) from error
    session = opened.session
    if opened.f_port is None or opened.f_port in EMPTY_PORTS:
        return Empty(session.dev_eui, session.dev_addr, opened.f_cnt, frame.received_at, frame.receptions)
    return Uplink(
        dev_eui=session.dev_eui,
        session=session.dev_addr,
        f_cnt=opened.f_cnt,
        f_port=opened.f_port,
        payload=opened.payload,
        received_at=frame.received_at,
        clock=frame.clock,
        receptions=frame.receptions,
        data_rate=frame.data_rate,
        frequency_hz=frame.frequency_hz,
    )


class PayloadDecoder:
    """Payload to records by the codec the register names for the device."""

    def __init__(self, codec_named: Callable[[str], Codec], *, trust_edge: bool = True) -> None:
        """`trust_edge`: take records made at the edge by the same codec; a replay decodes anew."""
        self._codec_named = codec_named
        self._trust_edge = trust_edge
        self._ready: dict[int, Decoded | CodecError] = {}

    def ahead(self, uplinks: Sequence[tuple[Uplink, Device]]) -> None:
        """Decode at once what goes to another process; asked for each, `__call__` then has the answer."""
        self._ready.clear()
        groups: dict[str, list[Uplink]] = {}
        for uplink, device in uplinks:
            if self._from_edge(uplink, device) is None or not self._trust_edge:
                groups.setdefault(device.codec, []).append(uplink)
        for name, several in groups.items():
            with contextlib.suppress(LookupError, ValueError):  # said with each of its messages
                codec = self._codec_named(name)
                if isinstance(codec, BatchCodec):
                    answers = codec.many([(one.payload, one.f_port, one.received_at) for one in several])
                    self._ready.update(zip(map(id, several), answers, strict=True))

    def __call__(self, uplink: Uplink, device: Device) -> Sequence[Record]:
        """The uplink's records; Unusable if the codec is unknown or cannot read the payload."""
        from_edge = self._from_edge(uplink, device)
        if device.codec == FORMATTER_CODEC and not from_edge:
            raise Unusable(
                f"device {uplink.dev_eui}, FPort {uplink.f_port}: the message has no decoded_payload",
                "set up an uplink payload formatter for the device in the console of The Things Network",
            )
        if self._trust_edge and from_edge is not None:
            return from_edge
        try:
            codec = self._codec_named(device.codec)
        except (LookupError, ValueError) as error:
            if from_edge is not None:
                return from_edge  # a codec that only the edge has
            raise Unusable(
                f"device {uplink.dev_eui}: no codec named {device.codec!r} ({error})",
                f"correct `codec` in the profile {device.profile}, import the city again, then replay",
            ) from error
        try:
            answer = self._ready.pop(id(uplink), None)
            if isinstance(answer, CodecError):
                raise answer
            if answer is None:
                answer = codec(uplink.payload, uplink.f_port, uplink.received_at)
        except CodecError as error:
            raise Unusable(
                f"device {uplink.dev_eui}, codec {device.codec}, FPort {uplink.f_port}: {error}",
                f"check the device's profile ({device.profile}) and firmware; replay after the correction",
            ) from error
        return answer.records

    @staticmethod
    def _from_edge(uplink: Uplink, device: Device) -> Sequence[Record] | None:
        return uplink.records if uplink.codec == device.codec else None
