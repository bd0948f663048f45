"""Which gateways hear a device, how loud, and with which spreading factor it must speak.

Log-distance path loss of a town at 868 MHz (exponent 3.5, after Hata for small and medium cities),
lower for high antennas, with a fixed shadow per pair and fading per frame.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.city import City, Device, Gateway
from simulators.noise import Floats, key_of, normal, uniform

_EIRP_DBM = 14.0
_NOISE_DBM = -117.0  # 125 kHz, 6 dB noise figure
# Lowest SNR a demodulator copes with (Semtech SX1301 data sheet), by spreading factor.
SNR_FLOOR = {7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
_MARGIN_DB = 8.0  # what adaptive data rate keeps in hand
_AT_MOST = 4
CHANNELS_HZ = (*range(867_100_000, 868_000_000, 200_000), 868_100_000, 868_300_000, 868_500_000)


@dataclass(frozen=True, slots=True)
class Reach:
    """The gateways in reach of one device, best first, their mean strength in dBm, and its data rate."""

    gateways: tuple[int, ...]
    rssi_dbm: tuple[float, ...]
    spreading_factor: int


@dataclass(frozen=True, slots=True)
class Heard:
    """One gateway hearing one frame."""

    gateway: int
    rssi_dbm: int
    snr_db: float


class Coverage:
    """Radio between all devices and gateways of a city."""

    def __init__(self, city: City) -> None:
        self._seed = city.seed
        self._reach = {device.index: self._find(device, city.gateways) for device in city.devices}

    def reach(self, device: Device) -> Reach:
        """The gateways a device can count on."""
        return self._reach[device.index]

    def hear(self, device: Device, times: Floats) -> list[tuple[Heard, ...]]:
        """Who hears the frame sent at each time; nobody, where fading is deep."""
        reach = self._reach[device.index]
        key = key_of(self._seed, "fading", device.thing)
        milliseconds = (times * 1000).astype(np.int64)
        columns = []
        for number, mean in enumerate(reach.rssi_dbm):
            rssi = mean + 2.5 * normal(key, milliseconds, number)
            snr = np.minimum(rssi - _NOISE_DBM, 9.5 + 1.5 * uniform(key, milliseconds, 50 + number))
            columns.append((np.round(rssi).astype(int).tolist(), np.round(snr, 1).tolist()))
        floor = SNR_FLOOR[reach.spreading_factor]
        return [
            tuple(
                Heard(gateway, rssi[row], snr[row])
                for gateway, (rssi, snr) in zip(reach.gateways, columns, strict=True)
                if snr[row] >= floor
            )
            for row in range(len(times))
        ]

    def _find(self, device: Device, gateways: tuple[Gateway, ...]) -> Reach:
        strengths = sorted(
            ((self._mean_rssi(device, gateway), gateway.index) for gateway in gateways), reverse=True
        )
        best = strengths[0][0] - _NOISE_DBM
        # Long payloads and the fair use of a community network do not allow slow data rates.
        slowest = 9 if device.profile == "alpha-omega-klax" or device.way.by_things_stack else 12
        factor = next(
            (sf for sf, floor in SNR_FLOOR.items() if best >= floor + _MARGIN_DB or sf == slowest), 12
        )
        near = [pair for pair in strengths if pair[0] - _NOISE_DBM >= SNR_FLOOR[factor] - 4][:_AT_MOST]
        near = near or strengths[:1]
        return Reach(tuple(index for _, index in near), tuple(rssi for rssi, _ in near), factor)

    def _mean_rssi(self, device: Device, gateway: Gateway) -> float:
        place, site = device.place, gateway.place
        north = (place.latitude - site.latitude) * 111.2
        east = (place.longitude - site.longitude) * 111.2 * float(np.cos(np.radians(site.latitude)))
        kilometres = max(float(np.hypot(north, east)), 0.05)
        mast = 13.8 * float(np.log10(site.size / 15))
        indoor = 10.0 if device.kind in ("school_room", "meter") else 0.0
        shadow = 6.0 * float(normal(key_of(self._seed, "shadow", device.thing, gateway.name), 0))
        return _EIRP_DBM - (127 + 35 * float(np.log10(kilometres))) + mast - indoor + shadow
