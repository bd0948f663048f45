"""Uplinks of a known number, sent through real protocols, so that afterwards each can be asked for.

Every device is a pulse counter (Milesight EM300-DI): the value of uplink n is n, so a lost one is a
missing number and a doubled one a number that stands twice.
"""

from __future__ import annotations

import base64
import json
import socket
import struct
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

PROFILE = "milesight-em300-di"
EPOCH = datetime(2026, 11, 1, tzinfo=UTC)


@dataclass(frozen=True)
class PulseCounter:
    """A LoRaWAN 1.0.x device of the tests."""

    number: int

    @property
    def dev_eui(self) -> bytes:
        return struct.pack(">Q", 0xFA017E0000000000 + self.number)

    @property
    def dev_addr(self) -> bytes:
        return struct.pack(">I", 0x26000000 + self.number)

    @property
    def nwk_s_key(self) -> bytes:
        return bytes([1, self.number % 256]) * 8

    @property
    def app_s_key(self) -> bytes:
        return bytes([2, self.number % 256]) * 8

    def payload(self, count: int) -> bytes:
        """Channel 05, type C8: a 32-bit pulse counter, little-endian (EM300-DI user guide)."""
        return b"\x05\xc8" + struct.pack("<I", count)

    def frame(self, f_cnt: int, payload: bytes, f_port: int = 85) -> bytes:
        """Unconfirmed data up as LoRaWAN L2 1.0.4 section 4 lays it out."""
        address = self.dev_addr[::-1]
        encrypted = self._encrypt(address, f_cnt, payload)
        body = b"\x40" + address + b"\x00" + struct.pack("<H", f_cnt & 0xFFFF) + bytes([f_port]) + encrypted
        b0 = b"\x49" + bytes(5) + address + struct.pack("<I", f_cnt) + b"\x00" + bytes([len(body)])
        cmac = CMAC(algorithms.AES128(self.nwk_s_key))
        cmac.update(b0 + body)
        return body + cmac.finalize()[:4]

    def _encrypt(self, address: bytes, f_cnt: int, payload: bytes) -> bytes:
        blocks = b"".join(
            b"\x01" + bytes(5) + address + struct.pack("<I", f_cnt) + b"\x00" + bytes([block + 1])
            for block in range((len(payload) + 15) // 16)
        )
        encryptor = Cipher(algorithms.AES128(self.app_s_key), modes.ECB()).encryptor()
        key_stream = encryptor.update(blocks)
        return bytes(a ^ b for a, b in zip(payload, key_stream, strict=False))


def moment(count: int) -> datetime:
    """When uplink `count` of the test is said to have been on the air: by a clock of whole seconds, two in
    each. Every fault thereby also meets uplinks that share a moment of their Datastream."""
    return EPOCH + timedelta(seconds=count // 2)


@dataclass
class Gateway:
    """A packet forwarder (Semtech UDP protocol 2): PUSH_DATA until PUSH_ACK."""

    eui: bytes
    port: int
    offset_ms: int = 0
    acknowledged: set[tuple[int, int]] = field(default_factory=set)
    token: int = 0

    def __post_init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(0.2)

    def send(self, device: PulseCounter, count: int, payload: bytes | None = None) -> bytes:
        """One uplink on its way; returns the token its PUSH_ACK will carry."""
        return self.send_frame(device.frame(count, payload or device.payload(count)), moment(count))

    def send_frame(self, frame: bytes, at: datetime) -> bytes:
        self.token = (self.token + 1) & 0xFFFF
        token = struct.pack(">H", self.token)
        heard = at + timedelta(milliseconds=self.offset_ms)
        rxpk = {
            "time": heard.isoformat().replace("+00:00", "Z"),
            "tmst": int(heard.timestamp() * 1e6) & 0xFFFFFFFF,
            "freq": 868.1,
            "datr": "SF7BW125",
            "modu": "LORA",
            "codr": "4/5",
            "stat": 1,
            "rssi": -90 - self.offset_ms % 20,
            "lsnr": 7.5,
            "size": len(frame),
            "data": base64.b64encode(frame).decode(),
        }
        content = json.dumps({"rxpk": [rxpk]}).encode()
        self.socket.sendto(b"\x02" + token + b"\x00" + self.eui + content, ("127.0.0.1", self.port))
        return token

    def deliver(self, device: PulseCounter, count: int, patience_s: float = 30.0) -> None:
        """Send until acknowledged; what is acknowledged here must never be lost."""
        until = time.monotonic() + patience_s
        while time.monotonic() < until:
            token = self.send(device, count)
            if self._acknowledged(token):
                self.acknowledged.add((device.number, count))
                return
        raise TimeoutError(f"agent on UDP {self.port} acknowledged nothing for {patience_s} s")

    def _acknowledged(self, token: bytes) -> bool:
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            try:
                answer = self.socket.recv(64)
            except (TimeoutError, ConnectionError):
                continue
            if answer[3:4] == b"\x01" and answer[1:3] == token:
                return True
        return False


def things_stack_event(device: PulseCounter, count: int) -> tuple[str, bytes]:
    """Topic and JSON of an `up` message as The Things Stack v3 publishes it."""
    at = moment(count).isoformat().replace("+00:00", "Z")
    name = f"pulse-{device.number}"
    event = {
        "end_device_ids": {
            "device_id": name,
            "application_ids": {"application_id": "buerger"},
            "dev_eui": device.dev_eui.hex().upper(),
            "dev_addr": device.dev_addr.hex().upper(),
        },
        "received_at": at,
        "uplink_message": {
            "session_key_id": "AYfg8rhha5n+FWx0ZaAprA==",
            "f_port": 85,
            "f_cnt": count,
            "frm_payload": base64.b64encode(device.payload(count)).decode(),
            "rx_metadata": [{"gateway_ids": {"gateway_id": "eins", "eui": "0016C001F1500812"}, "rssi": -97,
                             "snr": 7.5, "received_at": at}],
            "settings": {"data_rate": {"lora": {"bandwidth": 125000, "spreading_factor": 7}},
                         "frequency": "868100000"},
            "received_at": at,
        },
    }  # fmt: skip
    return f"v3/buerger@ttn/devices/{name}/up", json.dumps(event).encode()


def chirpstack_event(device: PulseCounter, count: int) -> tuple[str, bytes]:
    """Topic and JSON of an `up` event as ChirpStack v4's MQTT integration publishes it."""
    eui = device.dev_eui.hex()
    event = {
        "deduplicationId": f"00000000-0000-4000-8000-{device.number:04x}{count:08x}",
        "time": moment(count).isoformat(),
        "deviceInfo": {
            "tenantId": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
            "tenantName": "Test",
            "applicationId": "17c82e96-be03-4f38-aef3-f83d48582d97",
            "applicationName": "faults",
            "deviceProfileId": "14855bf7-d10d-4aee-b618-ebfcb64dc7ad",
            "deviceProfileName": "pulse",
            "deviceName": f"pulse-{device.number}",
            "devEui": eui,
            "deviceClassEnabled": "CLASS_A",
            "tags": {},
        },
        "devAddr": device.dev_addr.hex(),
        "adr": True,
        "dr": 5,
        "fCnt": count,
        "fPort": 85,
        "confirmed": False,
        "data": base64.b64encode(device.payload(count)).decode(),
        "rxInfo": [{"gatewayId": "0016c001f1500812", "uplinkId": count + 1, "rssi": -97, "snr": 7.5,
                    "gwTime": moment(count).isoformat()}],
        "txInfo": {"frequency": 868100000, "modulation": {"lora": {"bandwidth": 125000, "spreadingFactor": 7}}},  # noqa: E501
        "regionConfigId": "eu868",
    }  # fmt: skip
    return f"application/17c82e96-be03-4f38-aef3-f83d48582d97/device/{eui}/event/up", json.dumps(
        event
    ).encode()
