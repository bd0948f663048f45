"""A pole answers a real Modbus client with the values of this moment, and its modules fail one by one."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import pytest
from loopback import free_port
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.constants import ExcCodes

from simulators.city import City
from simulators.faults import Fault, FaultBoard, FaultKind, write_faults
from simulators.poles import MODULES, PoleServer, Register, encode
from simulators.sensing import Senses

NOON = 1_795_000_000.0


def test_a_client_reads_every_module_by_either_function_and_a_failed_one_fails_alone(
    city: City, senses: Senses, tmp_path: Path
) -> None:
    control = tmp_path / "faults.toml"
    pole = PoleServer(city.poles[0], senses, FaultBoard(control), lambda: NOON)
    port = free_port()

    async def scenario() -> None:
        await pole.open("127.0.0.1", port)
        client = AsyncModbusTcpClient("127.0.0.1", port=port)
        assert await client.connect()
        for module, registers in MODULES.items():
            wanted = pole.values(module, NOON)
            for register in registers:
                for read in (client.read_holding_registers, client.read_input_registers):
                    answer = await read(register.address, count=register.words, device_id=1)
                    assert not answer.isError()
                    raw = client.convert_from_registers(
                        answer.registers, client.DATATYPE[register.type.upper()], word_order="big"
                    )
                    assert float(str(raw)) * register.scale == pytest.approx(
                        wanted[register.field], abs=register.scale / 2 + 1e-9
                    )
        assert (await client.read_holding_registers(50, count=1)).isError()
        assert (await client.write_register(0, 1)).isError()
        write_faults(control, [Fault(FaultKind.MODULE_FAILED, f"{pole.pole.id}/air", 0.0)])
        failed = await client.read_input_registers(100, count=1)
        assert failed.exception_code == ExcCodes.DEVICE_FAILURE
        assert not (await client.read_input_registers(0, count=3)).isError()
        write_faults(control, [])
        assert not (await client.read_input_registers(100, count=3)).isError()
        client.close()
        await pole.close()

    asyncio.run(asyncio.wait_for(scenario(), 30))


def test_a_taken_port_is_named(city: City, senses: Senses, tmp_path: Path) -> None:
    pole = PoleServer(city.poles[1], senses, FaultBoard(tmp_path / "none.toml"), time.time)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"crx-pole-2.*{port}"):
            asyncio.run(pole.open("127.0.0.1", port))


def test_values_stay_plausible_all_year(city: City, senses: Senses, tmp_path: Path) -> None:
    pole = PoleServer(city.poles[2], senses, FaultBoard(tmp_path / "none.toml"), time.time)
    for step in range(60):
        moment = NOON + step * 6.1 * 86_400
        values = {name: value for module in MODULES for name, value in pole.values(module, moment).items()}
        assert -20 < values["air_temperature"] < 43
        assert 0 < values["pm2_5"] < values["pm10"] < 150
        assert 0 <= values["illuminance"] <= 130_000
        assert 30 < values["sound_level"] < 100
        assert (values["dim_percent"] == 0) == (values["illuminance"] > 100)


@pytest.mark.parametrize(
    ("kind", "value", "words"),
    [
        ("int16", -12.34, [0xFF85]),
        ("uint16", -1.0, [0]),
        ("uint16", 9_999.0, [0xFFFF]),
        ("uint32", 7_000.0, [1, 4464]),
    ],
)
def test_values_become_words_and_saturate(kind: str, value: float, words: list[int]) -> None:
    assert encode(Register("any", 0, kind, 0.1), value) == words
