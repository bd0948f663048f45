"""One uplink as it leaves a device: counter, payload, frame and who heard it; what every way carries."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime

from simulators.city import City, Device
from simulators.coverage import Heard
from simulators.devices import encode
from simulators.frames import Session
from simulators.noise import key_of
from simulators.timetable import Transmission


@dataclass(frozen=True, slots=True)
class Uplink:
    """A frame on the air at `time` (epoch seconds); `repeat` counts radio repetitions of the same frame."""

    time: float
    device: Device
    f_cnt: int
    f_port: int
    payload: bytes
    phy_payload: bytes
    heard: tuple[Heard, ...]
    spreading_factor: int
    frequency_hz: int
    repeat: int = 0

    @property
    def moment(self) -> datetime:
        """`time` as an aware datetime."""
        return datetime.fromtimestamp(self.time, tz=UTC)


class Encoder:
    """Makes the bytes of transmissions; the chance in them hangs on device and time alone."""

    def __init__(self, city: City) -> None:
        self._sessions = {
            device.index: Session(device.keys.dev_addr, device.keys.nwk_s_key, device.keys.app_s_key)
            for device in city.devices
        }
        self._keys = {device.index: key_of(city.seed, "payload", device.thing) for device in city.devices}
        self._rng = random.Random()  # noqa: S311 - fills fields of virtual sensors

    def uplink(self, transmission: Transmission, f_cnt: int) -> Uplink:
        """The frame of one transmission under the given 32-bit counter."""
        device = transmission.device
        self._rng.seed(self._keys[device.index] ^ int(transmission.time * 1000))
        f_port, payload = encode(device.profile, transmission.values, self._rng)
        return Uplink(
            time=transmission.time,
            device=device,
            f_cnt=f_cnt,
            f_port=f_port,
            payload=payload,
            phy_payload=self._sessions[device.index].data_up(f_cnt, f_port, payload),
            heard=transmission.heard,
            spreading_factor=transmission.spreading_factor,
            frequency_hz=transmission.frequency_hz,
        )
