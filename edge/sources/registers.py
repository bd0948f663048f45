"""How the values of a pole's modules are laid out in Modbus registers; readable without pymodbus."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

TYPES: Final = ("int16", "uint16", "int32", "uint32", "float32")
TABLES: Final = ("holding", "input")


@dataclass(frozen=True, slots=True)
class RegisterSettings:
    """One value: where it stands and how it is meant; value = scale * raw + offset."""

    address: int
    field: str
    type: str = "int16"
    scale: float = 1.0
    offset: float = 0.0
    table: str = "holding"
    word_order: str = "big"
    invalid: int | None = None  # the raw number by which the module says "no value"

    def __post_init__(self) -> None:
        if self.type not in TYPES:
            raise ValueError(f"register {self.address}: type {self.type!r} is not one of {', '.join(TYPES)}")
        if self.table not in TABLES:
            raise ValueError(f"register {self.address}: table {self.table!r} is not holding or input")
        if self.word_order not in ("big", "little"):
            raise ValueError(f"register {self.address}: word_order {self.word_order!r} is not big or little")
        if not 0 <= self.address <= 0xFFFF:
            raise ValueError(f"register address {self.address} is not in 0-65535")

    @property
    def words(self) -> int:
        """Registers the value takes."""
        return 1 if self.type.endswith("16") else 2


@dataclass(frozen=True, slots=True)
class SensorSettings:
    """One module of the pole."""

    name: str
    register: tuple[RegisterSettings, ...]
    interval_s: float = 60.0
    device_id: int = 1
    time_address: int | None = None  # uint32 of Unix seconds, where the module has its own clock

    def __post_init__(self) -> None:
        if not self.register or self.interval_s <= 0:
            raise ValueError(f"sensor {self.name!r} needs an interval above 0 and at least one register")


@dataclass(frozen=True, slots=True)
class ModbusSettings:
    """The pole's controller and its modules."""

    sensor: tuple[SensorSettings, ...]
    host: str = "127.0.0.1"
    port: int = 502
    timeout_s: float = 3.0
