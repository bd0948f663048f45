"""Read LoRaWAN frames and prove who sent them: PHYPayload, MIC, FRMPayload (LoRaWAN L2 1.0.4, section 4).

Only data frames going up are taken apart; every other kind is named and left as it came.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from functools import cached_property
from hmac import compare_digest
from typing import Final, NamedTuple

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from edge.wire.identifiers import DevAddr

MIC_OCTETS: Final = 4
# MHDR 1, DevAddr 4, FCtrl 1, FCnt 2, MIC 4 (L2 1.0.4, 4.1-4.3).
_SHORTEST_DATA_FRAME: Final = 12
_LONGEST_FRAME: Final = 255
_FHDR_OCTETS: Final = 8
_UPLINK: Final = 0
_BLOCK: Final = 16
# 0x49 | 4 x 0 | direction | DevAddr | FCnt32 | 0 | length (L2 1.0.4, 4.4) and
# 0x01 | 4 x 0 | direction | DevAddr | FCnt32 | 0 | block number (4.3.3): the same layout.
_BLOCK_HEAD: Final = struct.Struct("<B4xB4sIxB")


class FrameError(ValueError):
    """These octets are no LoRaWAN 1.0 data frame going up; the text says what is wrong."""


class MType(IntEnum):
    """Message types (L2 1.0.4, table 3)."""

    JOIN_REQUEST = 0
    JOIN_ACCEPT = 1
    UNCONFIRMED_DATA_UP = 2
    UNCONFIRMED_DATA_DOWN = 3
    CONFIRMED_DATA_UP = 4
    CONFIRMED_DATA_DOWN = 5
    REJOIN_REQUEST = 6
    PROPRIETARY = 7


class DataUp(NamedTuple):
    """A data frame as it was on air: still encrypted, `f_cnt16` the low half of the counter.

    `f_port` is None where the frame carries no FRMPayload; `authenticated` is all octets before the MIC.
    """

    dev_addr: DevAddr
    confirmed: bool
    f_ctrl: int
    f_cnt16: int
    f_opts: bytes
    f_port: int | None
    frm_payload: bytes
    mic: bytes
    authenticated: bytes


def message_type(phy_payload: bytes) -> MType:
    """What kind of frame this is; FrameError for no octets at all or another major version."""
    if not phy_payload:
        raise FrameError("PHYPayload is empty")
    if phy_payload[0] & 0x03:
        raise FrameError(
            f"MHDR {phy_payload[0]:02X}: major version {phy_payload[0] & 3}, only 0 is LoRaWAN R1"
        )
    return MType(phy_payload[0] >> 5)


def parse_data_up(phy_payload: bytes) -> DataUp:
    """Split a data frame; FrameError names the field that does not fit."""
    kind = message_type(phy_payload)
    if kind not in (MType.UNCONFIRMED_DATA_UP, MType.CONFIRMED_DATA_UP):
        raise FrameError(f"{kind.name} is not a data frame going up")
    if not _SHORTEST_DATA_FRAME <= len(phy_payload) <= _LONGEST_FRAME:
        raise FrameError(
            f"{len(phy_payload)} octets; a data frame has {_SHORTEST_DATA_FRAME} to {_LONGEST_FRAME}"
        )
    f_ctrl = phy_payload[5]
    header_end = _FHDR_OCTETS + (f_ctrl & 0x0F)
    body_end = len(phy_payload) - MIC_OCTETS
    if header_end > body_end:
        raise FrameError(
            f"FOptsLen {f_ctrl & 0x0F} reaches beyond the frame ({body_end - _FHDR_OCTETS} octets left)"
        )
    has_port = header_end < body_end
    return DataUp(
        dev_addr=DevAddr(phy_payload[4:0:-1]),
        confirmed=kind is MType.CONFIRMED_DATA_UP,
        f_ctrl=f_ctrl,
        f_cnt16=phy_payload[6] | phy_payload[7] << 8,
        f_opts=phy_payload[_FHDR_OCTETS:header_end],
        f_port=phy_payload[header_end] if has_port else None,
        frm_payload=phy_payload[header_end + 1 : body_end],
        mic=phy_payload[body_end:],
        authenticated=phy_payload[:body_end],
    )


class SessionKeys:
    """The two keys of one session with their key schedules, made once: the hot path only copies them."""

    def __init__(self, nwk_s_key: bytes, app_s_key: bytes) -> None:
        for name, key in (("NwkSKey", nwk_s_key), ("AppSKey", app_s_key)):
            if len(key) != _BLOCK:
                raise ValueError(f"{name} has {len(key)} octets, 16 are meant")
        self._nwk_s_key = nwk_s_key
        self._app_s_key = app_s_key

    @cached_property
    def _mac(self) -> CMAC:
        return CMAC(algorithms.AES(self._nwk_s_key))

    @cached_property
    def _payload_cipher(self):  # type: ignore[no-untyped-def]  # cryptography hides this class's name
        return Cipher(algorithms.AES(self._app_s_key), modes.ECB()).encryptor()  # noqa: S305

    @cached_property
    def _mac_layer_cipher(self):  # type: ignore[no-untyped-def]
        return Cipher(algorithms.AES(self._nwk_s_key), modes.ECB()).encryptor()  # noqa: S305

    def vouches_for(self, frame: DataUp, f_cnt: int) -> bool:
        """Whether the MIC is right if the full frame counter is `f_cnt` (L2 1.0.4, 4.4)."""
        mac = self._mac.copy()
        mac.update(
            _BLOCK_HEAD.pack(0x49, _UPLINK, frame.dev_addr[::-1], f_cnt, len(frame.authenticated))
            + frame.authenticated
        )
        return compare_digest(mac.finalize()[:MIC_OCTETS], frame.mic)

    def decrypt(self, frame: DataUp, f_cnt: int) -> bytes:
        """FRMPayload in clear (L2 1.0.4, 4.3.3): ECB only makes the key stream the payload is xored with."""
        size = len(frame.frm_payload)
        address = frame.dev_addr[::-1]
        blocks = b"".join(
            _BLOCK_HEAD.pack(0x01, _UPLINK, address, f_cnt, number)
            for number in range(1, (size + _BLOCK - 1) // _BLOCK + 1)
        )
        cipher = self._mac_layer_cipher if frame.f_port == 0 else self._payload_cipher
        stream = cipher.update(blocks)[:size]
        return (int.from_bytes(frame.frm_payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(
            size, "big"
        )
