"""Seven smart poles as real Modbus TCP servers, one port each, with the values of this very moment.

Modbus knows no history: a pole tells what is now, and what nobody asks for is gone. A town that is
filled with two weeks of the past therefore has no readings of its poles from that time.

Register map (0-based addresses, 16 bits, most significant word first; the same values answer function
3 and function 4; every other address is illegal):

    module   address  type    field            unit    scale
    weather        0  int16   air_temperature  Cel     0.1
                   1  uint16  relative_humidity %      0.1
                   2  uint16  air_pressure     hPa     0.1
    air          100  uint16  pm2_5            ug/m3   0.1
                 101  uint16  pm10             ug/m3   0.1
                 102  uint16  no2              ug/m3   0.1
    sound        200  uint16  sound_level      dB(A)   0.1
    light        300  uint32  illuminance      lx      1
                 302  uint16  dim_percent      %       1
                 303  uint16  power_w          W       0.1
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from simulators.almanac import hour_of_day
from simulators.faults import FaultBoard, FaultKind
from simulators.noise import Floats, key_of, normal
from simulators.places import Place
from simulators.sensing import Senses

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Register:
    """One value in the register map; result = scale * raw."""

    field: str
    address: int
    type: str
    scale: float

    @property
    def words(self) -> int:
        """16-bit registers it takes."""
        return 2 if self.type.endswith("32") else 1


MODULES: Mapping[str, tuple[Register, ...]] = MappingProxyType(
    {
        "weather": (
            Register("air_temperature", 0, "int16", 0.1),
            Register("relative_humidity", 1, "uint16", 0.1),
            Register("air_pressure", 2, "uint16", 0.1),
        ),
        "air": (
            Register("pm2_5", 100, "uint16", 0.1),
            Register("pm10", 101, "uint16", 0.1),
            Register("no2", 102, "uint16", 0.1),
        ),
        "sound": (Register("sound_level", 200, "uint16", 0.1),),
        "light": (
            Register("illuminance", 300, "uint32", 1.0),
            Register("dim_percent", 302, "uint16", 1.0),
            Register("power_w", 303, "uint16", 0.1),
        ),
    }
)
LAMP = "light"  # the module that is a lamp with its sensor; all others measure what is around them
_FULL_POWER_W = 42.0
_LUX_PER_WATT = 120.0  # luminous efficacy of daylight, lx per W/m2


class PoleServer:
    """The Modbus server of one pole; `now` gives epoch seconds."""

    def __init__(self, pole: Place, senses: Senses, faults: FaultBoard, now: Callable[[], float]) -> None:
        self.pole = pole
        self._senses = senses
        self._faults = faults
        self._now = now
        self._server: ModbusTcpServer | None = None

    async def open(self, host: str, port: int) -> None:
        """Listen. OSError names pole and port if it is taken."""
        device = SimDevice(id=0, simdata=_layout(), action=self._answer)
        server = ModbusTcpServer(device, address=(host, port))
        try:
            await server.serve_forever(background=True)
        except RuntimeError as error:
            raise OSError(f"pole {self.pole.id}: cannot listen on {host}:{port}: {error}") from error
        self._server = server

    async def close(self) -> None:
        """Stop listening and close all connections."""
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]

    def values(self, module: str, time: float) -> dict[str, float]:
        """What a module measures, in the units of the register map."""
        return _MEASURES[module](self, np.array([time]))

    async def _answer(  # noqa: PLR0917 - the signature is pymodbus's
        self,
        function_code: int,
        start_address: int,
        address: int,
        count: int,
        current_registers: list[int],
        set_values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        """Put the present values under the registers asked for; a failed module answers exception 4."""
        if set_values is not None:
            log.warning("pole %s: refused to write (function %d)", self.pole.id, function_code)
            return ExcCodes.ILLEGAL_FUNCTION
        time = self._now()
        self._faults.refresh()
        for module, registers in MODULES.items():
            if not any(address < r.address + r.words and r.address < address + count for r in registers):
                continue
            if self._faults.find(FaultKind.MODULE_FAILED, f"{self.pole.id}/{module}", time):
                return ExcCodes.DEVICE_FAILURE
            measured = self.values(module, time)
            for register in registers:
                place = register.address - start_address
                current_registers[place : place + register.words] = encode(register, measured[register.field])
        return None

    def _weather(self, time: Floats) -> dict[str, float]:
        weather = self._senses.weather
        own = 0.2 * float(normal(key_of(self._senses.seed, "pole", self.pole.id), 0))
        return {
            "air_temperature": float(weather.temperature(time)[0]) + 0.9 + own,  # stones keep the day
            "relative_humidity": float(weather.humidity(time)[0]),
            "air_pressure": float(weather.pressure(time)[0]),
        }

    def _air(self, time: Floats) -> dict[str, float]:
        street = self._senses.street
        return {
            "pm2_5": float(street.pm2_5(self.pole.id, time)[0]),
            "pm10": float(street.pm10(self.pole.id, time)[0]),
            "no2": float(street.no2(self.pole.id, time)[0]),
        }

    def _sound(self, time: Floats) -> dict[str, float]:
        return {"sound_level": float(self._senses.street.level_db(self.pole.id, time)[0])}

    def _light(self, time: Floats) -> dict[str, float]:
        daylight = float(self._senses.weather.radiation(time)[0]) * _LUX_PER_WATT
        hour = float(hour_of_day(time)[0])
        dimmed = 0.0 if daylight > 100 else (40.0 if hour < 5 or hour > 22.5 else 100.0)
        return {
            "illuminance": daylight + 0.12 * dimmed,
            "dim_percent": dimmed,
            "power_w": 3.0 + _FULL_POWER_W * dimmed / 100,
        }


_MEASURES: Mapping[str, Callable[[PoleServer, Floats], dict[str, float]]] = MappingProxyType(
    {
        "weather": PoleServer._weather,
        "air": PoleServer._air,
        "sound": PoleServer._sound,
        "light": PoleServer._light,
    }
)


def encode(register: Register, value: float) -> list[int]:
    """The words of a value, most significant first; values outside saturate."""
    bits = 16 * register.words
    signed = register.type.startswith("int")
    lowest, highest = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    raw = min(max(round(value / register.scale), lowest), highest) & ((1 << bits) - 1)
    return [raw >> 16 * (register.words - 1 - number) & 0xFFFF for number in range(register.words)]


def _layout() -> list[SimData]:
    return [
        SimData(
            address=register.address, values=[0] * register.words, datatype=DataType.REGISTERS, readonly=True
        )
        for registers in MODULES.values()
        for register in registers
    ]
