"""A pole's modules are read from a real Modbus server; one that fails costs only itself."""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from loopback import free_port

pytest.importorskip("pymodbus", reason="the extra [pole] is not installed")

from pymodbus.datastore import ModbusDeviceContext, ModbusSequentialDataBlock, ModbusServerContext
from pymodbus.server import ModbusTcpServer

from edge.sources.modbus import ModbusSource
from edge.sources.registers import ModbusSettings, RegisterSettings, SensorSettings
from edge.wire.messages import Clock, Message, Reading

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


class Pole:
    """A Modbus TCP server in its own thread: holding registers 0-99, nothing beyond."""

    def __init__(self, port: int) -> None:
        self.port = port
        registers = [0] * 100
        registers[0] = 0x10000 - 53  # -5.3 degrees
        registers[1] = 655
        registers[2:4] = struct.unpack(">2H", struct.pack(">f", 1013.25))
        registers[4] = 32767
        registers[10:12] = struct.unpack(">2H", struct.pack(">I", int(NOON.timestamp()) - 5))
        self._registers = registers
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._ready.wait(60)

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._listen())
        self._loop.run_forever()

    async def _listen(self) -> None:
        # A sequential block that begins at 1 answers protocol address 0 with its first value.
        device = ModbusDeviceContext(hr=ModbusSequentialDataBlock(1, self._registers))
        self._server = ModbusTcpServer(
            ModbusServerContext(device, single=True), address=("127.0.0.1", self.port)
        )
        await self._server.serve_forever(background=True)
        self._ready.set()

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.shutdown(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(60)
        self._loop.close()


@pytest.fixture
def pole() -> Iterator[Pole]:
    running = Pole(free_port())
    yield running
    running.close()


WEATHER = SensorSettings(
    "weather",
    interval_s=0.05,
    register=(
        RegisterSettings(0, "air_temperature", type="int16", scale=0.1),
        RegisterSettings(1, "relative_humidity", type="uint16", scale=0.1),
        RegisterSettings(2, "air_pressure", type="float32"),
        RegisterSettings(4, "wind_speed", type="int16", scale=0.1, invalid=32767),
    ),
)
BROKEN = SensorSettings("air", interval_s=0.05, register=(RegisterSettings(5000, "pm10"),))
SOUND = SensorSettings(
    "sound", interval_s=0.05, register=(RegisterSettings(1, "sound_level"),), time_address=10
)


def readings(pole_port: int, count: int, *sensors: SensorSettings) -> list[Reading]:
    woken = threading.Semaphore(0)
    source = ModbusSource(
        ModbusSettings(sensor=sensors, port=pole_port, timeout_s=1.0),
        now=lambda: NOON,
        clock=Clock.NTP,
        wake=woken.release,
    )
    heard: list[Message] = []
    try:
        while len(heard) < count and woken.acquire(timeout=60):
            heard += source.hear()
    finally:
        source.close()
    return [message for message in heard if isinstance(message, Reading)]


def test_registers_become_named_values(pole: Pole) -> None:
    (reading, *_) = readings(pole.port, 1, WEATHER)
    assert reading == Reading(
        "weather", NOON, NOON, Clock.NTP,
        {"air_temperature": -5.3, "relative_humidity": 65.5, "air_pressure": 1013.25},
    )  # fmt: skip


def test_a_module_that_fails_costs_only_itself(pole: Pole, caplog: pytest.LogCaptureFixture) -> None:
    heard = readings(pole.port, 6, WEATHER, BROKEN, SOUND)
    assert {reading.sensor for reading in heard} == {"weather", "sound"}
    complaints = [record for record in caplog.records if "sensor air" in record.message]
    assert len(complaints) == 1  # once per trouble, not once per poll


def test_a_module_with_a_clock_says_itself_when_it_was(pole: Pole) -> None:
    (reading, *_) = readings(pole.port, 1, SOUND)
    assert (NOON - reading.phenomenon_time).total_seconds() == 5
    assert (reading.received_at, reading.clock) == (NOON, Clock.DEVICE)


def test_a_pole_that_is_switched_on_later_is_found() -> None:
    port, woken = free_port(), threading.Event()
    source = ModbusSource(
        ModbusSettings(sensor=(WEATHER,), port=port, timeout_s=0.2),
        now=lambda: NOON,
        clock=Clock.NTP,
        wake=woken.set,
    )
    assert not woken.wait(0.3)
    late = Pole(port)
    assert woken.wait(60)
    assert source.hear()
    source.close()
    late.close()


def test_a_controller_that_comes_late_costs_no_whole_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge.sources.modbus._RETRY_S", 0.1)
    port, woken = free_port(), threading.Event()
    source = ModbusSource(
        ModbusSettings(sensor=(replace(WEATHER, interval_s=3600.0),), port=port, timeout_s=0.2),
        now=lambda: NOON,
        clock=Clock.NTP,
        wake=woken.set,
    )
    assert not woken.wait(0.3)
    late = Pole(port)
    assert woken.wait(60)
    assert len(source.hear()) == 1
    assert not woken.wait(0) or not source.hear()
    source.close()
    late.close()


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"type": "int8"}, "int8"),
        ({"table": "coil"}, "coil"),
        ({"word_order": "x"}, "word_order"),
        ({"address": -1}, "-1"),
    ],
)
def test_a_register_that_cannot_be_is_refused(settings: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        RegisterSettings(**{"address": 0, "field": "x", **settings})  # type: ignore[arg-type]
