"""LoRaWAN 1.0.x data frames as an end device makes them: encrypted, counted and signed.

Written from LoRaWAN L2 1.0.4 (4.3 data messages, 4.3.3 encryption, 4.4 message integrity code)
and kept apart from the platform's own reader, so that one cannot excuse the other's mistakes.
"""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

_UNCONFIRMED_UP = 0x40  # MHDR: MType 010, major version LoRaWAN R1
_ADR = 0x80
_UPLINK = b"\x00"


class Session:
    """One device's session: turns application payloads into PHYPayloads."""

    def __init__(self, dev_addr: bytes, nwk_s_key: bytes, app_s_key: bytes) -> None:
        """`dev_addr` most significant octet first (4), keys of 16 octets."""
        self._address = dev_addr[::-1]
        self._mac = CMAC(algorithms.AES(nwk_s_key))
        # An electronic code book of single blocks is how the specification defines the key stream (4.3.3).
        self._cipher = Cipher(algorithms.AES(app_s_key), modes.ECB()).encryptor()  # noqa: S305

    def data_up(self, f_cnt: int, f_port: int, payload: bytes, *, adr: bool = True) -> bytes:
        """The PHYPayload of one unconfirmed uplink; `f_cnt` is the 32-bit counter, 16 bits of it travel."""
        counter = f_cnt.to_bytes(4, "little")
        header = bytes((_UNCONFIRMED_UP,)) + self._address + bytes((_ADR if adr else 0,)) + counter[:2]
        message = header + bytes((f_port,)) + self._encrypt(payload, counter)
        return message + self._sign(message, counter)

    def _encrypt(self, payload: bytes, counter: bytes) -> bytes:
        blocks = -(-len(payload) // 16)
        middle = b"\x01\x00\x00\x00\x00" + _UPLINK + self._address + counter + b"\x00"
        stream = self._cipher.update(b"".join(middle + bytes((number + 1,)) for number in range(blocks)))
        mixed = int.from_bytes(payload, "big") ^ int.from_bytes(stream[: len(payload)], "big")
        return mixed.to_bytes(len(payload), "big")

    def _sign(self, message: bytes, counter: bytes) -> bytes:
        mac = self._mac.copy()
        mac.update(b"\x49\x00\x00\x00\x00" + _UPLINK + self._address + counter + b"\x00")
        mac.update(bytes((len(message),)) + message)
        return mac.finalize()[:4]
