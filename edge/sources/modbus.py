"""Poll the modules of a pole over Modbus TCP; one that fails costs only its own values.

Needs the extra `[pole]` (pymodbus). A thread polls, because a dead module answers by not answering.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from socket import socket
from typing import Final

from pymodbus.client import ModbusTcpClient
from pymodbus.exceptions import ConnectionException, ModbusException

from edge.sources.registers import ModbusSettings, RegisterSettings, SensorSettings
from edge.wire.messages import Clock, FieldValue, Message, Reading

log = logging.getLogger(__name__)

_UNSTORED: Final = 10_000  # readings waiting for the agent; a loop that stands still must not cost memory
_DIGITS: Final = 6
_RETRY_S: Final = 5.0  # a controller that starts again must not cost a whole interval


class NoValue(Exception):
    """A module did not give what was asked for; the text says what it did instead."""


class Unconnected(NoValue):
    """Nobody answers at the controller's address."""


class ModbusSource:
    """Readings of all modules, each at its own interval."""

    def __init__(
        self, settings: ModbusSettings, *, now: Callable[[], datetime], clock: Clock, wake: Callable[[], None]
    ) -> None:
        """Starts to poll at once; a controller that is not there yet is waited for."""
        self._settings = settings
        self._now = now
        self._clock = clock
        self._wake = wake
        self._readings: deque[Message] = deque(maxlen=_UNSTORED)
        self._trouble: dict[str, str] = {}
        self._closing = threading.Event()
        self._client = ModbusTcpClient(
            settings.host, port=settings.port, timeout=settings.timeout_s, retries=0, reconnect_delay=0
        )
        self._thread = threading.Thread(target=self._work, name="modbus", daemon=True)
        self._thread.start()

    @property
    def sockets(self) -> Sequence[socket]:
        """None: the thread wakes the agent."""
        return ()

    def hear(self) -> list[Message]:
        """Readings since last time."""
        return [self._readings.popleft() for _ in range(len(self._readings))]

    def settle(self, *, stored: bool) -> None:
        """A module cannot repeat itself: nothing to acknowledge."""

    def close(self) -> None:
        """Stop polling."""
        self._closing.set()
        self._thread.join(timeout=self._settings.timeout_s + 1.0)

    def _work(self) -> None:
        due = {sensor.name: time.monotonic() for sensor in self._settings.sensor}
        while not self._closing.is_set():
            for sensor in self._settings.sensor:
                if due[sensor.name] <= time.monotonic() and not self._closing.is_set():
                    wait = sensor.interval_s if self._poll(sensor) else min(sensor.interval_s, _RETRY_S)
                    # Missed polls are not made up for: a value is only worth something at its time.
                    due[sensor.name] = max(due[sensor.name] + wait, time.monotonic())
            self._closing.wait(max(0.0, min(due.values()) - time.monotonic()))
        self._hang_up()

    def _poll(self, sensor: SensorSettings) -> bool:
        """Whether there was somebody to ask, with or without a value."""
        try:
            reading = self._read(sensor)
        except (Unconnected, ConnectionException, OSError) as error:
            self._hang_up()
            self._complain(sensor, str(error))
            return False
        except NoValue as error:
            self._complain(sensor, str(error))
            return True
        except ModbusException as error:
            self._hang_up()  # or a late answer would be taken for the answer to the next question
            self._complain(sensor, str(error))
            return True
        if self._trouble.pop(sensor.name, None) is not None:
            log.info("sensor %s gives values again", sensor.name)
        self._readings.append(reading)
        self._wake()
        return True

    def _read(self, sensor: SensorSettings) -> Reading:
        fields: dict[str, FieldValue] = {}
        for register in sensor.register:
            value = self._value(sensor, register)
            if value is not None:
                fields[register.field] = value
        if not fields:
            raise NoValue("all registers say that there is no value")
        moment = self._now()
        if sensor.time_address is None:
            return Reading(sensor.name, moment, moment, self._clock, fields)
        seconds = self._raw(sensor, RegisterSettings(sensor.time_address, "time", type="uint32"))
        return Reading(sensor.name, datetime.fromtimestamp(int(seconds), UTC), moment, Clock.DEVICE, fields)

    def _value(self, sensor: SensorSettings, register: RegisterSettings) -> FieldValue | None:
        raw = self._raw(sensor, register)
        if raw == register.invalid or not math.isfinite(raw):
            return None
        if register.scale == 1.0 and register.offset == 0.0:
            return raw
        # 0.1 has no exact binary form: 234 * 0.1 would be stored as 23.400000000000002.
        return round(raw * register.scale + register.offset, _DIGITS)

    def _raw(self, sensor: SensorSettings, register: RegisterSettings) -> int | float:
        read = (
            self._client.read_holding_registers
            if register.table == "holding"
            else self._client.read_input_registers
        )
        if not self._connected():
            raise Unconnected(f"no connection to {self._settings.host}:{self._settings.port}")
        answer = read(register.address, count=register.words, device_id=sensor.device_id)
        if answer.isError() or len(answer.registers) != register.words:
            raise NoValue(f"register {register.address} ({register.field}): {answer}")
        value = self._client.convert_from_registers(
            answer.registers,
            ModbusTcpClient.DATATYPE[register.type.upper()],
            word_order="little" if register.word_order == "little" else "big",
        )
        if not isinstance(value, int | float):
            raise NoValue(f"register {register.address} ({register.field}): {value!r} is no number")
        return value

    def _connected(self) -> bool:
        return bool(self._client.connected or self._client.connect())  # type: ignore[no-untyped-call]

    def _hang_up(self) -> None:
        self._client.close()  # type: ignore[no-untyped-call]

    def _complain(self, sensor: SensorSettings, what: str) -> None:
        if self._trouble.get(sensor.name) != what:
            log.error("sensor %s: %s; the other sensors go on", sensor.name, what)
        self._trouble[sensor.name] = what
