"""A frame counter passes 65535: the MIC tells 32 bits by itself, 16 bits are what the register says."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from edge.lorawan.keyring import Keyring
from edge.lorawan.receiver import Receiver
from edge.lorawan.sessions import Session
from edge.wire.identifiers import DevAddr
from edge.wire.messages import Uplink
from ingest.normalise import Bindings

from .conftest import BIN, NOW, World, data_up, delivery, envelope, frame_of, inventory
from .test_replay import replay

ABP = Session(BIN, DevAddr.parse("26011BDA"), bytes(range(16)), bytes(range(16, 32)))
STEP = timedelta(minutes=10)
AROUND = range(65_500, 65_580)
TIMES = [NOW + number * STEP for number in range(len(AROUND))]


def frame(counted: int, at: datetime, bits: int) -> tuple[bytes, datetime]:
    f_cnt = counted % 2**bits  # what the device puts into the MIC
    return data_up(ABP, f_cnt, counted.to_bytes(3, "big")[1:] + b"\x24"), at


def hear(world: World, bits: int, *, by_edge: Keyring | None = None) -> None:
    """Around 65535, with two restarts and the memory of all before it gone."""
    for number, (counted, at) in enumerate(zip(AROUND, TIMES, strict=True)):
        message = frame_of(*frame(counted, at, bits))
        heard = message if by_edge is None else Receiver(by_edge).open(message)
        world.now = at
        world.hear(delivery(envelope(heard, sequence=number + 1), at=at))
        world.catch_up()
        if counted in (65_535, 65_536):
            world.ledger.forget(at + timedelta(hours=1))
            world.keyring = Keyring([ABP], reordering=None)
            world.restart()


def test_a_counter_of_32_bits_passes_by_itself(world: World) -> None:
    world.keyring = Keyring([ABP], reordering=None)
    world.restart()
    hear(world, 32)
    assert [time for time, _ in world.values()] == TIMES
    assert (world.counter("quarantined"), world.counter("duplicates")) == (0, 0)
    (device,) = world.ledger.report().devices
    assert (device.last_f_cnt, device.lost) == (AROUND[-1], 0)


def test_an_agent_that_is_new_beyond_65535_finds_the_counter_by_the_mic(world: World) -> None:
    hear(world, 32, by_edge=Keyring([ABP]))
    late = Receiver(Keyring([ABP])).open(frame_of(*frame(AROUND[-1], TIMES[-1], 32)))
    assert isinstance(late, Uplink)
    assert late.f_cnt == AROUND[-1]
    world.hear(delivery(envelope(late, sequence=999), at=TIMES[-1]))
    world.catch_up()
    assert len(world.values()) == len(TIMES)
    assert world.counter("duplicates") == 1


@pytest.mark.parametrize("at_the_edge", [False, True])
def test_a_counter_of_16_bits_passes_where_the_register_says_so(world: World, at_the_edge: bool) -> None:
    bound = inventory()
    devices = {BIN: replace(bound.devices[BIN], counter_reset=True)}
    world.inventory = replace(bound, devices=devices)
    session = replace(ABP, counter_reset=at_the_edge)
    world.keyring = Keyring([session], reordering=None)
    world.restart()
    hear(world, 16, by_edge=Keyring([session]) if at_the_edge else None)
    assert [time for time, _ in world.values()] == TIMES
    assert (world.counter("quarantined"), world.counter("duplicates")) == (0, 0)


def test_a_counter_of_16_bits_nobody_spoke_of_is_set_aside_and_all_of_it_comes_back(world: World) -> None:
    world.keyring = Keyring([ABP], reordering=None)
    world.restart()
    hear(world, 16)
    before = [at for counted, at in zip(AROUND, TIMES, strict=True) if counted <= 65_535]
    assert [time for time, _ in world.values()] == before
    waiting = world.ledger.quarantined(1_000)
    assert len(waiting) == len(TIMES) - len(before)
    assert all("16 bits after 65535" in one.remedy and "zaehlerneustart" in one.remedy for one in waiting)
    bound = inventory(version=2)
    world.inventory = replace(bound, devices={BIN: replace(bound.devices[BIN], counter_reset=True)})
    world.pipeline.bind(Bindings(world.inventory))
    assert replay(world).added == 2 * len(waiting)
    assert [time for time, _ in world.values()] == TIMES
    assert world.ledger.quarantined(1_000) == []
    assert replay(world).added == 0


def test_a_recorded_frame_sent_after_the_roll_over_of_32_bits_is_set_aside(world: World) -> None:
    world.keyring = Keyring([ABP], reordering=None)
    world.restart()
    recorded = frame(3, NOW - 400 * timedelta(days=1), 32)
    hear(world, 32)
    world.hear(delivery(envelope(frame_of(recorded[0], TIMES[-1] + STEP), sequence=1_000)))
    world.catch_up()
    assert len(world.values()) == len(TIMES)
    (entry,) = world.ledger.quarantined(10)
    assert "restarted or replayed: FCnt 3" in entry.reason


def test_a_network_server_tells_32_bits(world: World) -> None:
    for counted, at in zip(AROUND, TIMES, strict=True):
        said = {
            "end_device_ids": {"dev_eui": str(BIN), "dev_addr": "26011BDA"},
            "received_at": at.isoformat(),
            "uplink_message": {
                "session_key_id": "AX==", "f_port": 2, "f_cnt": counted, "frm_payload": "AoAk",
                "received_at": at.isoformat(),
                "rx_metadata": [{"gateway_ids": {"gateway_id": "g"}, "rssi": -90, "time": at.isoformat()}],
            },
        }  # fmt: skip
        octets = json.dumps(said).encode()
        world.hear(delivery(octets, way="things_stack", origin="/things-stack/x", at=at))
        world.catch_up()
        if counted == 65_535:
            world.ledger.forget(world.now + timedelta(hours=1))
            world.restart()
    assert len(world.values()) == len(TIMES)
    assert world.counter("quarantined") == 0
