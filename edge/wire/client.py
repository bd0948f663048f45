"""paho's MQTT client, reading and acknowledging many messages per system call instead of five calls each.

A receiver of small messages spends most of its time in paho's reading byte by byte, in the objects it
makes of each PUBLISH, and in one write per PUBACK. Here the socket is read in large pieces, and a QoS 0
or 1 PUBLISH that lies whole in a piece is cut out of it. All else, and all that is odd, paho reads as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, Final

import paho.mqtt.client as mqtt
from paho.mqtt.enums import MessageType, MQTTErrorCode, MQTTProtocolVersion

_PIECE: Final = 65_536
_CUT_TYPES: Final = frozenset(
    MessageType.PUBLISH | repeated | qos | retained
    for repeated in (0, 0x08)
    for qos in (0, 0x02)
    for retained in (0, 0x01)
)

Heard = Callable[[bytes, bytes, int | None], None]
"""Told of a message: topic, payload, packet identifier (None for QoS 0)."""


class Client(mqtt.Client):
    """A paho client with `manual_ack`; `heard` is called from the network thread instead of `on_message`."""

    def __init__(self, heard: Heard, *, protocol: MQTTProtocolVersion, **more: Any) -> None:
        super().__init__(protocol=protocol, manual_ack=True, **more)
        self._heard = heard
        self._has_properties = protocol == MQTTProtocolVersion.MQTTv5
        self._piece = b""
        self._read = 0  # octets of the piece that are done
        self.on_message = lambda _client, _userdata, one: self._tell(one)

    def acknowledge(self, packets: Iterable[int]) -> None:
        """All PUBACKs in one write (MQTT 5, 3.4: without a reason code they mean success)."""
        octets = b"".join(b"\x40\x02" + packet.to_bytes(2, "big") for packet in packets)
        if octets:
            self._packet_queue(MessageType.PUBACK, octets, 0, 1)

    def reconnect(self) -> MQTTErrorCode:
        """What was read of the former connection says nothing about this one."""
        self._piece, self._read = b"", 0
        return super().reconnect()

    def _tell(self, message: mqtt.MQTTMessage) -> None:
        self._heard(message._topic, bytes(message.payload), message.mid if message.qos else None)

    def _sock_recv(self, bufsize: int) -> bytes:
        if self._read == len(self._piece):
            self._piece, self._read = super()._sock_recv(max(bufsize, _PIECE)), 0
        part = self._piece[self._read : self._read + bufsize]
        self._read += len(part)
        return part

    def _packet_read(self) -> MQTTErrorCode:
        if self._read == len(self._piece):
            with suppress(OSError):  # paho meets it again at once, and knows what to do
                self._piece, self._read = super()._sock_recv(_PIECE), 0
        outcome = MQTTErrorCode.MQTT_ERR_SUCCESS
        begun = self._in_packet["command"] != 0
        while outcome == MQTTErrorCode.MQTT_ERR_SUCCESS:
            if begun or not self._cut():
                outcome, begun = super()._packet_read(), False
            if self._read == len(self._piece) or self._sock is None:
                break
        return outcome

    def _cut(self) -> bool:
        """Tell of the packet that comes next, if it is a PUBLISH, sound, and here to its end."""
        piece, at = self._piece, self._read
        try:
            kind = piece[at]
            if kind not in _CUT_TYPES:
                return False
            length, at = _variable(piece, at + 1)
            end = at + length
            topic_at = at + 2
            at = topic_at + int.from_bytes(piece[at:topic_at], "big")
            topic = piece[topic_at:at]
            packet = None
            if kind & 0x02:
                packet, at = int.from_bytes(piece[at : at + 2], "big"), at + 2
            if self._has_properties:
                length, at = _variable(piece, at)
                at += length
        except IndexError:
            return False
        if not at <= end <= len(piece) or not topic:
            return False
        self._read = end
        self._heard(topic, piece[at:end], packet)
        return True


def _variable(octets: bytes, at: int) -> tuple[int, int]:
    """A variable byte integer (MQTT 5, 1.5.5) and where it ends."""
    number = octets[at]
    if number < 0x80:
        return number, at + 1
    number &= 0x7F
    for place in (1, 2, 3):
        octet = octets[at + place]
        number |= (octet & 0x7F) << 7 * place
        if octet < 0x80:
            return number, at + place + 1
    raise IndexError("no variable byte integer has more than four octets")
