"""A device as the LoRaWAN specification describes it, written without the code under test."""

from __future__ import annotations

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC


def data_up(
    *,
    dev_addr: bytes,
    nwk_s_key: bytes,
    app_s_key: bytes,
    f_cnt: int,
    f_port: int = 1,
    payload: bytes = b"",
) -> bytes:
    """Unconfirmed data up (L2 1.0.4: 4.1 frame, 4.3.3 encryption, 4.4 MIC); DevAddr big-endian."""
    address = dev_addr[::-1]
    counter = f_cnt.to_bytes(4, "little")
    clear = bytearray(payload)
    for block in range((len(payload) + 15) // 16):
        a = bytes([0x01, 0, 0, 0, 0, 0]) + address + counter + bytes([0, block + 1])
        s = Cipher(algorithms.AES(app_s_key), modes.ECB()).encryptor().update(a)
        for i in range(block * 16, min(block * 16 + 16, len(payload))):
            clear[i] ^= s[i - block * 16]
    message = b"\x40" + address + b"\x00" + counter[:2] + bytes([f_port]) + bytes(clear)
    b0 = bytes([0x49, 0, 0, 0, 0, 0]) + address + counter + bytes([0, len(message)])
    mac = CMAC(algorithms.AES(nwk_s_key))
    mac.update(b0 + message)
    return message + mac.finalize()[:4]
