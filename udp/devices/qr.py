"""Read the QR code printed on a device: LoRa Alliance TR005 1.0.0, and the draft that older devices carry."""

from __future__ import annotations

import re
from dataclasses import dataclass

from edge.wire.identifiers import DevEUI

_HEX16, _HEX8 = r"[0-9A-F]{16}", r"[0-9A-F]{8}"
_TODAY = re.compile(rf"LW:D0:({_HEX16}):({_HEX16}):({_HEX8})((?::[A-Z][^:]*)*)")
_DRAFT = re.compile(rf"URN:(?:DEV:LW|LW:DP):({_HEX16})_({_HEX16})_({_HEX8})((?:_[A-Z][^_]*)*)")


@dataclass(frozen=True, slots=True)
class DeviceLabel:
    """What the label says; `profile_id` is VendorID and VendorProfileID, 8 hex digits.

    `owner_token` proves ownership to a join server: treat it as a secret.
    """

    join_eui: bytes
    dev_eui: DevEUI
    profile_id: str
    owner_token: str = ""
    serial_number: str = ""
    proprietary: str = ""

    def __repr__(self) -> str:
        return f"DeviceLabel({self.dev_eui})"


def read_label(text: str) -> DeviceLabel:
    """The content of a QR code. ValueError says in German what is wrong with it."""
    code = text.strip()
    # EUIs are upper case (TR005 4.2.1), so that the code fits QR's alphanumeric mode; typists differ.
    upper = code.upper()
    if (match := _TODAY.fullmatch(upper)) is not None:
        parts = code[match.start(4) :].split(":")[1:]
        _check(code, parts)
    elif (match := _DRAFT.fullmatch(upper)) is not None:
        parts = code[match.start(4) :].split("_")[1:]
    else:
        raise ValueError(
            "ist kein QR-Code nach LoRa Alliance TR005 (LW:D0:JoinEUI:DevEUI:Profil...); vollständig scannen"
        )
    more = {part[0].upper(): part[1:] for part in parts}
    return DeviceLabel(
        join_eui=bytes.fromhex(match[1]),
        dev_eui=DevEUI.parse(match[2]),
        profile_id=match[3],
        owner_token=more.get("O", more.get("V", "")),
        serial_number=more.get("S", ""),
        proprietary=more.get("P", ""),
    )


def _check(code: str, parts: list[str]) -> None:
    """The checksum is optional, last, and covers everything before its colon."""
    if not parts or not re.fullmatch(r"[Cc][0-9A-Fa-f]{4}", parts[-1]):
        return
    covered = code[: -len(parts[-1]) - 1]
    if crc16(covered.encode()) != int(parts[-1][1:], 16):
        raise ValueError("die Prüfsumme des QR-Codes stimmt nicht; neu scannen oder richtig abschreiben")


def crc16(octets: bytes) -> int:
    """CRC-16/MODBUS (TR005 4.2.5.5): polynomial 8005 reflected, initial value FFFF."""
    crc = 0xFFFF
    for octet in octets:
        crc ^= octet
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc
