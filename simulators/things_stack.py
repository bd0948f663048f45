"""What The Things Stack v3 would publish about the sensors of citizens and schools.

Fields that are 0, false or empty do not stand in its JSON at all: f_cnt 0 and f_port 0 are absent.
"""

from __future__ import annotations

import base64
import math
from datetime import datetime, timedelta
from typing import Any

from simulators.city import City, Device, digest
from simulators.coverage import Heard
from simulators.uplinks import Uplink

APPLICATION = "castrop-rauxel-buerger"
_TENANT = "ttn"
_BANDWIDTH = 125_000


def device_id(device: Device) -> str:
    """The end device's id in the application."""
    return device.thing


def topic(device: Device, kind: str = "up") -> str:
    """Topic of the application's MQTT server."""
    return f"v3/{APPLICATION}@{_TENANT}/devices/{device_id(device)}/{kind}"


class ThingsStack:
    """The virtual community network: turns uplinks into application messages."""

    def __init__(self, city: City) -> None:
        self._city = city

    def up(self, uplink: Uplink) -> dict[str, Any]:
        """The `up` message of one uplink, as MQTT and webhook carry it."""
        moment = uplink.moment
        arrived = moment + timedelta(milliseconds=210)
        body: dict[str, Any] = {
            "end_device_ids": self._ids(uplink.device),
            "correlation_ids": self._correlation(uplink),
            "received_at": _time(arrived + timedelta(milliseconds=20)),
            "uplink_message": {
                "session_key_id": _base64(uplink.device.keys.session_key_id),
                "f_port": uplink.f_port,
                "f_cnt": uplink.f_cnt,
                "frm_payload": _base64(uplink.payload),
                "rx_metadata": [self._metadata(uplink, heard) for heard in uplink.heard],
                "settings": {
                    "data_rate": {
                        "lora": {
                            "bandwidth": _BANDWIDTH,
                            "spreading_factor": uplink.spreading_factor,
                            "coding_rate": "4/5",
                        }
                    },
                    "frequency": str(uplink.frequency_hz),
                    "timestamp": _concentrator_clock(uplink),
                    "time": _time(moment),
                },
                "received_at": _time(arrived),
                "consumed_airtime": f"{airtime_s(uplink.spreading_factor, len(uplink.phy_payload)):.6f}s",
                "version_ids": {"band_id": "EU_863_870"},
                "network_ids": {"net_id": "000013", "tenant_id": _TENANT, "cluster_id": "eu1"},
            },
        }
        return _message(body)

    def join(self, uplink: Uplink) -> dict[str, Any]:
        """The `join` message that opened the session."""
        return _message(
            {
                "end_device_ids": self._ids(uplink.device),
                "correlation_ids": self._correlation(uplink),
                "received_at": _time(uplink.moment),
                "join_accept": {
                    "session_key_id": _base64(uplink.device.keys.session_key_id),
                    "received_at": _time(uplink.moment),
                },
            }
        )

    def _ids(self, device: Device) -> dict[str, Any]:
        return {
            "device_id": device_id(device),
            "application_ids": {"application_id": APPLICATION},
            "dev_eui": device.keys.dev_eui.hex().upper(),
            "join_eui": "0000000000000000",
            "dev_addr": device.keys.dev_addr.hex().upper(),
        }

    def _metadata(self, uplink: Uplink, heard: Heard) -> dict[str, Any]:
        gateway = self._city.gateways[heard.gateway]
        return {
            "gateway_ids": {"gateway_id": f"eui-{gateway.eui.hex()}", "eui": gateway.eui.hex().upper()},
            "time": _time(uplink.moment),
            "timestamp": _concentrator_clock(uplink),
            "rssi": heard.rssi_dbm,
            "channel_rssi": heard.rssi_dbm,
            "snr": heard.snr_db,
            "location": {
                "latitude": gateway.place.latitude,
                "longitude": gateway.place.longitude,
                "altitude": 70 + round(gateway.place.size),
                "source": "SOURCE_REGISTRY",
            },
            "channel_index": uplink.frequency_hz // 200_000 % 8,
            "gps_time": _time(uplink.moment),
            "received_at": _time(uplink.moment + timedelta(milliseconds=40)),
        }

    def _correlation(self, uplink: Uplink) -> list[str]:
        return [f"gs:uplink:{digest(self._city.seed, 13, uplink.device.thing, uplink.f_cnt).hex().upper()}"]


def airtime_s(spreading_factor: int, size: int) -> float:
    """Time on air of a PHYPayload of `size` octets at 125 kHz, CR 4/5 (Semtech AN1200.13)."""
    symbol = (1 << spreading_factor) / _BANDWIDTH
    slow = 1 if spreading_factor >= 11 else 0
    blocks = math.ceil((8 * size - 4 * spreading_factor + 44) / (4 * (spreading_factor - 2 * slow)))
    return (8 + 4.25 + 8 + max(blocks, 0) * 5) * symbol


def _message(body: dict[str, Any]) -> dict[str, Any]:
    return {key: _present(value) for key, value in body.items()}


def _present(value: Any) -> Any:
    """Without everything that is zero, false or empty."""
    if isinstance(value, dict):
        kept = {key: _present(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in (0, "", False, None, [], {})}
    if isinstance(value, list):
        return [_present(one) for one in value]
    return value


def _time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond * 1000:09d}Z"


def _concentrator_clock(uplink: Uplink) -> int:
    return round(uplink.time * 1e6) & 0xFFFFFFFF


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode()
