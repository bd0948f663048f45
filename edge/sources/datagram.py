"""Hear gateways through the Semtech UDP packet-forwarder protocol, and let other servers hear them too.

A PUSH_DATA is acknowledged only when what it carried is in the spool, so a forwarder that repeats
unacknowledged datagrams loses nothing; what is repeated is recognised further up.
"""

from __future__ import annotations

import contextlib
import logging
import socket
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from edge.sources import semtech
from edge.sources.relay import Relay, host_and_port
from edge.sources.semtech import Datagram, DatagramError, Kind, RxPacket, Statistics
from edge.wire.identifiers import GatewayEUI
from edge.wire.messages import Clock, Frame, GatewayStatus, Message, Reception, Uplink

log = logging.getLogger(__name__)

_LONGEST_DATAGRAM: Final = 65_535
_AT_ONCE: Final = 500  # datagrams per commit: bounds memory and the time to the first acknowledgement
_RECEIVE_BUFFER: Final = 4_000_000
_GATEWAYS: Final = 256
_REPORT_EVERY: Final = timedelta(minutes=1)
_CLOCKS: Final = {"gps": Clock.GPS, "ntp": Clock.NTP, "server": Clock.SERVER}
Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class GatewayName:
    """How a gateway is called; its EUI in hexadecimal."""

    eui: str
    name: str

    def __post_init__(self) -> None:
        GatewayEUI.parse(self.eui)


@dataclass(frozen=True, slots=True)
class DatagramSettings:
    """Where to listen, whom to believe, whom to pass everything on to."""

    listen_host: str = "127.0.0.1"
    listen_port: int = 1700
    gateway_clock: str = "ntp"  # gps: rxpk time where there is one; ntp, server: the agent's own clock
    forward_to: tuple[str, ...] = ()
    gateway: tuple[GatewayName, ...] = ()  # if any is named, others are not heard

    def __post_init__(self) -> None:
        if self.gateway_clock not in _CLOCKS:
            raise ValueError(f"gateway_clock {self.gateway_clock!r} is not one of gps, ntp, server")
        for target in self.forward_to:
            host_and_port(target)


class DatagramSource:
    """One UDP port for any number of gateways."""

    def __init__(
        self,
        settings: DatagramSettings,
        *,
        agent: str,
        open_frame: Callable[[Frame], Uplink | Frame],
        now: Callable[[], datetime],
    ) -> None:
        """Listens from here on; OSError if the port is taken."""
        self._settings = settings
        self._agent = agent
        self._open_frame = open_frame
        self._now = now
        self._names = {GatewayEUI.parse(item.eui): item.name for item in settings.gateway}
        self._unacknowledged: list[tuple[bytes, Address]] = []
        self._pull_addresses: OrderedDict[GatewayEUI, Address] = OrderedDict()
        self._reported_at = now() - _REPORT_EVERY
        self.counts: Counter[str] = Counter()
        self.clock_offset: timedelta | None = None  # our clock minus the last GPS time heard
        self._socket = _listen(settings.listen_host, settings.listen_port)
        self._relays = [Relay(target, self._send_down) for target in settings.forward_to]

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """The one we listen on."""
        return (self._socket,)

    @property
    def port(self) -> int:
        """The port we listen on, also when the settings left the choice to the system."""
        return int(self._socket.getsockname()[1])

    def hear(self) -> list[Message]:
        """Messages of all datagrams that wait, at most some hundred datagrams."""
        messages: list[Message] = []
        for _ in range(_AT_ONCE):
            try:
                octets, address = self._socket.recvfrom(_LONGEST_DATAGRAM)
            except BlockingIOError:
                break
            except OSError as error:  # an earlier answer of ours met a closed port
                log.debug("datagram socket: %s", error)
                continue
            try:
                messages += self._heard(octets, address)
            except DatagramError as error:
                self._complain("malformed", f"datagram from {address[0]}:{address[1]}: {error}")
        return messages

    def settle(self, *, stored: bool) -> None:
        """Acknowledge what was stored; without room for it, let the forwarder send it again."""
        if stored:
            for acknowledgement, address in self._unacknowledged:
                self._send(acknowledgement, address)
        else:
            self.counts["refused"] += len(self._unacknowledged)
        self._unacknowledged.clear()

    def close(self) -> None:
        """Stop listening and relaying."""
        for relay in self._relays:
            relay.close()
        self._socket.close()

    def _heard(self, octets: bytes, address: Address) -> list[Message]:
        datagram = semtech.parse(octets)
        if self._names and datagram.gateway not in self._names:
            self._complain(
                "unknown gateway", f"gateway {datagram.gateway} is not among the [[gateway]] tables"
            )
            return []
        self.counts[datagram.kind.name] += 1
        for relay in self._relays:
            relay.forward(datagram, octets)
        if datagram.kind is Kind.PULL_DATA:
            self._remember(datagram.gateway, address)
            self._send(semtech.acknowledgement(datagram), address)
        if datagram.kind is not Kind.PUSH_DATA:
            return []
        messages = self._content(datagram)
        self._unacknowledged.append((semtech.acknowledgement(datagram), address))
        return messages

    def _content(self, datagram: Datagram) -> list[Message]:
        packets, statistics, bad = semtech.content(datagram)
        for what in bad:
            self._complain("malformed", f"gateway {datagram.gateway}: {what}")
        good = [packet for packet in packets if packet.crc == 1]
        self.counts["bad crc"] += len(packets) - len(good)
        self.counts["frames"] += len(good)
        messages: list[Message] = [self._message(packet, datagram.gateway) for packet in good]
        if statistics is not None:
            messages.append(self._status(statistics, datagram.gateway))
        return messages

    def _message(self, packet: RxPacket, gateway: GatewayEUI) -> Message:
        moment, clock = self._stamp(packet.time)
        if clock is Clock.GPS:
            self.clock_offset = self._now() - moment
        reception = Reception(
            gateway=gateway,
            gateway_name=self._names.get(gateway, self._agent),
            received_at=moment,
            rssi_dbm=packet.rssi_dbm,
            snr_db=packet.snr_db,
        )
        frame = Frame(
            phy_payload=packet.phy_payload,
            received_at=moment,
            clock=clock,
            receptions=(reception,),
            data_rate=packet.data_rate,
            frequency_hz=packet.frequency_hz,
        )
        return self._open_frame(frame)

    def _status(self, statistics: Statistics, gateway: GatewayEUI) -> GatewayStatus:
        moment, clock = self._stamp(statistics.time)
        return GatewayStatus(
            gateway=gateway,
            received_at=moment,
            clock=clock,
            packets_received=statistics.received,
            packets_valid=statistics.valid,
            packets_forwarded=statistics.forwarded,
            acknowledged_percent=statistics.acknowledged_percent,
            downlinks_received=statistics.downlinks,
            packets_sent=statistics.sent,
        )

    def _stamp(self, gateway_time: datetime | None) -> tuple[datetime, Clock]:
        clock = _CLOCKS[self._settings.gateway_clock]
        if clock is not Clock.GPS:
            return self._now(), clock
        if gateway_time is not None:
            return gateway_time, Clock.GPS
        return self._now(), Clock.NTP  # the receiver has lost its satellites

    def _remember(self, gateway: GatewayEUI, address: Address) -> None:
        self._pull_addresses[gateway] = address
        self._pull_addresses.move_to_end(gateway)
        if len(self._pull_addresses) > _GATEWAYS:
            self._pull_addresses.popitem(last=False)

    def _send_down(self, gateway: GatewayEUI, octets: bytes) -> None:
        """Called by relays: a server wants this gateway to transmit."""
        address = self._pull_addresses.get(gateway)
        if address is not None:
            self._send(octets, address)

    def _send(self, octets: bytes, address: Address) -> None:
        with contextlib.suppress(OSError):  # as good as a datagram lost on the way
            self._socket.sendto(octets, address)

    def _complain(self, kind: str, what: str) -> None:
        self.counts[kind] += 1
        moment = self._now()
        if abs(moment - self._reported_at) >= _REPORT_EVERY:
            self._reported_at = moment
            log.warning("%s (%d %s so far)", what, self.counts[kind], kind)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0][0]
    listening = socket.socket(family, socket.SOCK_DGRAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER)
        listening.setblocking(False)
        listening.bind((host, port))
    except OSError:
        listening.close()
        raise
    return listening
