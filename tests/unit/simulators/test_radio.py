"""Laws of the packet forwarders, against a real UDP server that loses datagrams."""

from __future__ import annotations

import asyncio
import base64
import json
import random
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest

from simulators import radio
from simulators.city import City, Way
from simulators.faults import FaultBoard
from simulators.radio import (
    PULL_ACK,
    PULL_DATA,
    PULL_RESP,
    PUSH_ACK,
    PUSH_DATA,
    TX_ACK,
    PacketForwarder,
    rxpk,
)
from simulators.timetable import Transmission
from simulators.uplinks import Encoder, Uplink
from simulators.ways import RadioWay


class Server(asyncio.DatagramProtocol):
    """A Semtech UDP server; with `loss` it forgets datagrams before or after it has read them."""

    def __init__(self, loss: float = 0.0) -> None:
        self.loss = loss
        self.rng = random.Random(1)
        self.deaf = False
        self.bodies: list[dict[str, object]] = []
        self.pulls: list[tuple[bytes, tuple[str, int]]] = []
        self.tx_acks: list[bytes] = []
        self.unread = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    @property
    def port(self) -> int:
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.deaf or self.rng.random() < self.loss:
            self.unread += 1
            return
        assert data[0] == 2
        if data[3] == PUSH_DATA:
            self.bodies.append(json.loads(data[12:]))
            if self.rng.random() >= self.loss:
                self.transport.sendto(data[:3] + bytes([PUSH_ACK]), addr)
        elif data[3] == PULL_DATA:
            self.pulls.append((data[4:12], addr))
            self.transport.sendto(data[:3] + bytes([PULL_ACK]), addr)
        elif data[3] == TX_ACK:
            self.tx_acks.append(data)

    def packets(self) -> list[dict[str, object]]:
        return [packet for body in self.bodies for packet in body.get("rxpk", [])]  # type: ignore[attr-defined]


async def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def talk(
    city: City,
    scenario: Callable[[PacketForwarder, Server], Awaitable[None]],
    *,
    loss: float = 0.0,
    window: int = 4,
) -> Server:
    """Run a scenario between one forwarder and one server."""

    async def run() -> Server:
        server = Server(loss)
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
        forwarder = PacketForwarder(city.gateways[0], window=window, keep=50)
        await forwarder.open("127.0.0.1", server.port)
        try:
            await scenario(forwarder, server)
        finally:
            await forwarder.close()
            server.transport.close()
        return server

    return asyncio.run(run())


@pytest.fixture(scope="module")
def frames(city: City, morning: list[Transmission]) -> list[Uplink]:
    encoder = Encoder(city)
    heard = [one for one in morning if one.device.way is Way.RADIO and one.heard]
    return [encoder.uplink(one, number) for number, one in enumerate(heard[:200])]


def test_every_frame_arrives_although_a_third_is_lost(city: City, frames: list[Uplink]) -> None:
    async def scenario(forwarder: PacketForwarder, _server: Server) -> None:
        for frame in frames:
            forwarder.offer(frame, frame.heard[0])
        forwarder.flush()
        await asyncio.wait_for(forwarder.room(0), 60)
        assert forwarder.dropped == 0

    server = talk(city, scenario, loss=0.3, window=25)
    assert server.unread > 0
    arrived = {str(packet["data"]) for packet in server.packets()}
    assert arrived == {base64.b64encode(frame.phy_payload).decode() for frame in frames}
    assert len(server.packets()) > len(frames), "what was read but not acknowledged has come again"


def test_no_more_than_a_window_is_under_way(
    city: City, frames: list[Uplink], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radio, "_FIRST_TIMEOUT_S", 3_600.0)  # nothing is repeated before it is wanted

    async def scenario(forwarder: PacketForwarder, server: Server) -> None:
        server.deaf = True
        for frame in frames[:80]:
            forwarder.offer(frame, frame.heard[0])
        forwarder.connection_made(forwarder._transport)  # another PULL_DATA, behind all that was sent
        await until(lambda: server.unread >= 3 + 2)  # three datagrams, and the PULL_DATA of the first hello
        await asyncio.sleep(0.05)  # were there more, they would have come by now
        assert server.unread == 3 + 2
        assert forwarder.backlog == 10
        server.deaf = False
        for waiting in forwarder._waiting.values():
            waiting.timeout_s = 0.0
        await asyncio.wait_for(forwarder.room(0), 60)

    server = talk(city, scenario, window=3)
    assert len(server.packets()) == 80


def test_a_server_that_stays_away_is_given_up_and_found_again(city: City, frames: list[Uplink]) -> None:
    async def scenario(forwarder: PacketForwarder, server: Server) -> None:
        server.deaf = True
        for frame in frames[:20]:
            forwarder.offer(frame, frame.heard[0])
        await forwarder.room(0, patience_s=0.2)
        assert forwarder.dropped == 20
        forwarder.offer(frames[20], frames[20].heard[0])
        assert forwarder.backlog == 0
        server.deaf = False
        forwarder.connection_made(forwarder._transport)  # the keep-alive, without waiting ten seconds for it
        await until(lambda: bool(server.pulls))
        await until(lambda: not forwarder._away)
        forwarder.offer(frames[21], frames[21].heard[0])
        forwarder.flush()
        await asyncio.wait_for(forwarder.room(0), 60)

    assert len(talk(city, scenario).packets()) == 1


def test_the_queue_is_bounded_and_what_falls_out_is_counted(city: City, frames: list[Uplink]) -> None:
    async def scenario(forwarder: PacketForwarder, server: Server) -> None:
        server.deaf = True
        for frame in frames * 4:
            forwarder.offer(frame, frame.heard[0])
        assert forwarder.backlog <= 50 + 4 + 1
        assert forwarder.dropped == 800 - 8 * (50 + 4)

    talk(city, scenario)


def test_a_gateway_says_hello_and_answers_a_downlink(city: City) -> None:
    downlinks: list[dict[str, object]] = []

    async def scenario(forwarder: PacketForwarder, server: Server) -> None:
        forwarder.on_downlink = lambda _gateway, packet: downlinks.append(packet)
        await until(lambda: bool(server.pulls))
        eui, address = server.pulls[0]
        assert eui == city.gateways[0].eui
        good = json.dumps({"txpk": {"imme": True, "freq": 869.525, "data": "AQID"}}).encode()
        server.transport.sendto(b"\x02\x12\x34" + bytes([PULL_RESP]) + good, address)
        server.transport.sendto(b"\x02\x56\x78" + bytes([PULL_RESP]) + b"nonsense", address)
        await until(lambda: len(server.tx_acks) == 2)

    server = talk(city, scenario)
    assert [packet["data"] for packet in downlinks] == ["AQID"]
    assert {ack[1:3] for ack in server.tx_acks} == {b"\x12\x34", b"\x56\x78"}
    errors = {ack[1:3]: json.loads(ack[12:])["txpk_ack"]["error"] for ack in server.tx_acks}
    assert errors[b"\x12\x34"] == "NONE"
    assert errors[b"\x56\x78"] != "NONE"


def test_statistics_count_what_happened_since_the_last(city: City, frames: list[Uplink]) -> None:
    moment = datetime(2026, 11, 10, 6, 30, tzinfo=UTC)

    async def scenario(forwarder: PacketForwarder, server: Server) -> None:
        for frame in frames[:12]:
            forwarder.offer(frame, frame.heard[0])
        forwarder.flush()
        await asyncio.wait_for(forwarder.room(0), 60)
        forwarder.offer_stat(moment.timestamp())
        forwarder.offer_stat(moment.timestamp() + 30)
        await asyncio.wait_for(forwarder.room(0), 60)

    first, second = (body["stat"] for body in talk(city, scenario).bodies if "stat" in body)
    assert isinstance(first, dict)
    assert isinstance(second, dict)
    assert first["time"] == "2026-11-10 06:30:00 GMT"
    assert (first["rxnb"], first["rxok"], first["rxfw"], first["ackr"]) == (12, 12, 12, 100.0)
    assert second["rxnb"] == second["rxfw"] == 0


def test_statistics_come_every_half_minute_as_soon_as_the_city_is_live(city: City, tmp_path: Path) -> None:
    """Also when the last hour of history had just begun: a gateway that says nothing counts as fallen out."""
    began = datetime(2026, 11, 10, 6, tzinfo=UTC).timestamp()

    async def scenario(forwarder: PacketForwarder, _server: Server) -> None:
        way = RadioWay(city, {forwarder.gateway.name: forwarder}, FaultBoard(tmp_path / "none.toml"))
        for minutes in range(0, 130, 10):
            way.pass_time(began + 60 * minutes, live=False)
        for seconds in range(7201, 7301):
            way.pass_time(began + seconds, live=True)
        await asyncio.wait_for(forwarder.room(0), 60)

    told = [body["stat"] for body in talk(city, scenario).bodies if "stat" in body]
    times = [cast(dict[str, str], one)["time"][11:19] for one in told]
    assert times == ["06:00:00", "07:00:00", "08:00:00", "08:00:30", "08:01:00", "08:01:30"]


def test_a_gateway_without_power_neither_sends_nor_keeps(city: City, frames: list[Uplink]) -> None:
    async def scenario(forwarder: PacketForwarder, _server: Server) -> None:
        forwarder.offer(frames[0], frames[0].heard[0])
        forwarder.switch(on=False)
        forwarder.offer(frames[1], frames[1].heard[0])
        forwarder.offer_stat(0.0)
        forwarder.flush()
        assert forwarder.backlog == 0
        forwarder.switch(on=True)
        forwarder.offer(frames[2], frames[2].heard[0])
        forwarder.flush()
        await asyncio.wait_for(forwarder.room(0), 60)

    assert len(talk(city, scenario).packets()) == 1


def test_one_frame_heard_by_several_gateways_is_the_same_frame(frames: list[Uplink]) -> None:
    frame = next(one for one in frames if len(one.heard) >= 3)
    packets = [json.loads(rxpk(frame, ear)) for ear in frame.heard]
    assert len({packet["data"] for packet in packets}) == 1
    assert len({packet["freq"] for packet in packets}) == len({packet["datr"] for packet in packets}) == 1
    assert len({packet["time"] for packet in packets}) == len(packets), "no two clocks stamp the same instant"
    moments = [datetime.fromisoformat(packet["time"]).timestamp() for packet in packets]
    assert max(moments) - min(moments) < 0.001
    assert abs(moments[0] - frame.time) < 0.001
    for packet, ear in zip(packets, frame.heard, strict=True):
        assert packet["rssi"] == ear.rssi_dbm
        assert packet["size"] == len(base64.b64decode(packet["data"])) == len(frame.phy_payload)
