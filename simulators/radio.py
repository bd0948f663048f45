"""The nine gateways' packet forwarders: Semtech UDP protocol (PROTOCOL.TXT version 2) as a client.

A real forwarder sends once and forgets. The virtual one keeps a datagram until it was acknowledged
and sends it again: history would otherwise be lost in the first full socket buffer.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import logging
import secrets
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from simulators.city import Gateway
from simulators.coverage import CHANNELS_HZ, Heard
from simulators.uplinks import Uplink

PUSH_DATA, PUSH_ACK, PULL_DATA, PULL_RESP, PULL_ACK, TX_ACK = range(6)
_VERSION = 2
_PACKETS_PER_DATAGRAM = 8  # a concentrator's fetch buffer
_FIRST_TIMEOUT_S = 0.5
_LONGEST_TIMEOUT_S = 8.0
_KEEP_ALIVE_S = 10.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Waiting:
    datagram: bytes
    sent_at: float
    timeout_s: float
    packets: int


@dataclass(slots=True)
class Counters:
    """What the forwarder counted since its last `stat`."""

    received: int = 0
    forwarded: int = 0
    datagrams: int = 0
    acknowledged: int = 0
    downlinks: int = 0
    sent: int = 0


class PacketForwarder(asyncio.DatagramProtocol):
    """One gateway's connection to its server; use within a running event loop.

    `offer` never blocks; `backlog` tells how many datagrams wait, `room` waits for them.
    """

    def __init__(self, gateway: Gateway, *, window: int = 16, keep: int = 4_096) -> None:
        self.gateway = gateway
        self.dropped = 0
        self.counters = Counters()
        self.on_downlink: Callable[[Gateway, dict[str, object]], None] | None = None
        self._window = window
        self._keep = keep
        self._tokens = itertools.count(secrets.randbelow(65_536))
        self._packets: list[str] = []
        self._queue: deque[tuple[bytes, int]] = deque()
        self._waiting: dict[int, _Waiting] = {}
        self._transport: asyncio.DatagramTransport | None = None
        self._progress = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._silenced = False
        self._away = False

    async def open(self, host: str, port: int) -> None:
        """Connect the socket and start keep-alive and repetition."""
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, remote_addr=(host, port))
        self._task = loop.create_task(self._repeat(), name=f"forwarder {self.gateway.name}")

    async def close(self) -> None:
        """Stop; what was not acknowledged by now is lost."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._transport is not None:
            self._transport.close()

    @property
    def backlog(self) -> int:
        """Datagrams not yet acknowledged, sent or not."""
        return len(self._queue) + len(self._waiting) + bool(self._packets)

    def switch(self, *, on: bool) -> None:
        """A gateway without power neither hears nor keeps alive; what it had not sent is gone."""
        if not on and not self._silenced:
            self._packets.clear()
            self._queue.clear()
            self._waiting.clear()
            self._progress.set()
        self._silenced = not on

    def offer(self, uplink: Uplink, heard: Heard, clock_offset_s: float = 0.0) -> None:
        """Forward one frame this gateway heard; a full datagram leaves at once, others with `flush`.

        `clock_offset_s` is how far the gateway's clock is ahead.
        """
        self.counters.received += 1
        if self._silenced:
            return
        if self._away:
            self.dropped += 1
            return
        self._packets.append(rxpk(uplink, heard, clock_offset_s))
        if len(self._packets) >= _PACKETS_PER_DATAGRAM:
            self.flush()

    def flush(self) -> None:
        """Send what is waiting for a fuller datagram."""
        if self._packets:
            body = '{"rxpk":[' + ",".join(self._packets) + "]}"
            self._enqueue(body.encode(), len(self._packets))
            self._packets.clear()

    def offer_stat(self, time: float) -> None:
        """Report the counters since the last report; `time` is what the gateway's clock says (epoch s)."""
        if not (self._silenced or self._away):
            self._enqueue(json.dumps({"stat": self._stat(time)}).encode(), 0)
        self.counters = Counters()

    async def room(self, limit: int, patience_s: float = 120.0) -> None:
        """Wait until at most `limit` datagrams are unacknowledged.

        Without any answer for `patience_s` the server counts as gone: what waits is dropped, and so
        is everything until it answers a keep-alive. One dead agent must not stop the town.
        """
        while self.backlog > limit:
            self._progress.clear()
            try:
                await asyncio.wait_for(self._progress.wait(), patience_s)
            except TimeoutError:
                self._give_up(patience_s)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say hello, as a forwarder does, so that the server knows where to send downlinks."""
        self._transport = cast(asyncio.DatagramTransport, transport)
        self._pull()

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:  # noqa: ARG002
        """PUSH_ACK frees a place in the window; PULL_RESP is a downlink to send."""
        if len(data) < 4 or data[0] != _VERSION:
            return
        token, kind = struct.unpack_from(">HB", data, 1)
        if self._away:
            self._away = False
            log.info("gateway %s: its agent answers again", self.gateway.name)
        if kind == PUSH_ACK and (done := self._waiting.pop(token, None)) is not None:
            self.counters.acknowledged += 1
            self.counters.forwarded += done.packets
            self._pump()
            self._progress.set()
        elif kind == PULL_RESP and not self._silenced:
            self._downlink(token, data[4:])

    def error_received(self, exc: Exception) -> None:
        """Nobody listens at the moment (ICMP): the repetition will find the server when it is back."""
        log.debug("gateway %s: %s", self.gateway.name, exc)

    def _give_up(self, patience_s: float) -> None:
        self._away = True
        self.dropped += sum(packets for _, packets in self._queue) + len(self._packets)
        self.dropped += sum(waiting.packets for waiting in self._waiting.values())
        self._packets.clear()
        self._queue.clear()
        self._waiting.clear()
        log.warning(
            "gateway %s: no answer from its agent for %.0f s; %d packets dropped until it comes back",
            self.gateway.name,
            patience_s,
            self.dropped,
        )

    def _enqueue(self, body: bytes, packets: int) -> None:
        if len(self._queue) >= self._keep:
            before = self.dropped
            self.dropped += self._queue.popleft()[1]
            if self.dropped // 1_000 > before // 1_000 or before == 0:
                log.warning(
                    "gateway %s: its agent does not answer; %d packets dropped so far",
                    self.gateway.name,
                    self.dropped,
                )
        self._queue.append((body, packets))
        self._pump()

    def _pump(self) -> None:
        while self._queue and len(self._waiting) < self._window:
            body, packets = self._queue.popleft()
            token = next(self._tokens) & 0xFFFF
            datagram = struct.pack(">BHB", _VERSION, token, PUSH_DATA) + self.gateway.eui + body
            now = asyncio.get_running_loop().time()
            self._waiting[token] = _Waiting(datagram, now, _FIRST_TIMEOUT_S, packets)
            self.counters.datagrams += 1
            self._send(datagram)

    def _send(self, datagram: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(datagram)

    async def _repeat(self) -> None:
        loop = asyncio.get_running_loop()
        pulled = loop.time()
        while True:
            await asyncio.sleep(0.1)
            now = loop.time()
            for waiting in self._waiting.values():
                if now - waiting.sent_at >= waiting.timeout_s:
                    waiting.sent_at = now
                    waiting.timeout_s = min(2 * waiting.timeout_s, _LONGEST_TIMEOUT_S)
                    self._send(waiting.datagram)
            if now - pulled >= _KEEP_ALIVE_S and not self._silenced:
                pulled = now
                self._pull()

    def _pull(self) -> None:
        token = next(self._tokens) & 0xFFFF
        self._send(struct.pack(">BHB", _VERSION, token, PULL_DATA) + self.gateway.eui)

    def _downlink(self, token: int, body: bytes) -> None:
        self.counters.downlinks += 1
        try:
            packet = json.loads(body)["txpk"]
            base64.b64decode(packet["data"], validate=True)
            error = "NONE"
        except (ValueError, KeyError, TypeError):
            packet, error = {}, "TX_FREQ"
        if error == "NONE":
            self.counters.sent += 1
            if self.on_downlink is not None:
                self.on_downlink(self.gateway, packet)
        answer = json.dumps({"txpk_ack": {"error": error}}).encode()
        self._send(struct.pack(">BHB", _VERSION, token, TX_ACK) + self.gateway.eui + answer)

    def _stat(self, time: float) -> dict[str, object]:
        seen, place = self.counters, self.gateway.place
        share = 100.0 * seen.acknowledged / seen.datagrams if seen.datagrams else 100.0
        return {
            "time": datetime.fromtimestamp(time, tz=UTC).strftime("%Y-%m-%d %H:%M:%S GMT"),
            "lati": place.latitude,
            "long": place.longitude,
            "alti": 70 + round(place.size),
            "rxnb": seen.received,
            "rxok": seen.received,
            "rxfw": seen.forwarded,
            "ackr": round(min(share, 100.0), 1),
            "dwnb": seen.downlinks,
            "txnb": seen.sent,
        }


def rxpk(uplink: Uplink, heard: Heard, clock_offset_s: float = 0.0) -> str:
    """The JSON object of one received packet (PROTOCOL.TXT, 4); `time` is the GPS clock of the gateway."""
    # A few microseconds of flight and of concentrator apart: no two gateways stamp the same instant.
    microseconds = round((uplink.time + clock_offset_s) * 1e6) + 7 * heard.gateway + 3
    moment = datetime.fromtimestamp(microseconds // 1_000_000, tz=UTC)
    stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{microseconds % 1_000_000:06d}Z"
    channel = CHANNELS_HZ.index(uplink.frequency_hz)
    frame = uplink.phy_payload
    return (
        f'{{"time":"{stamp}","tmst":{microseconds & 0xFFFFFFFF},"chan":{channel},"rfch":{int(channel < 5)},'
        f'"freq":{uplink.frequency_hz / 1e6:.6f},"stat":1,"modu":"LORA",'
        f'"datr":"SF{uplink.spreading_factor}BW125","codr":"4/5","rssi":{heard.rssi_dbm},'
        f'"lsnr":{heard.snr_db},"size":{len(frame)},"data":"{base64.b64encode(frame).decode()}"}}'
    )
