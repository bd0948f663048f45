"""Which device a row speaks of: by its DevEUI, by the code on its label, or by both where they agree."""

from __future__ import annotations

from edge.wire.identifiers import DevEUI
from udp.devices.cells import Cells
from udp.devices.qr import read_label


def read_identity(cells: Cells) -> tuple[DevEUI | None, dict[str, str]]:
    """The DevEUI, None after a complaint, and what else the label fills in (by column)."""
    written = cells.hexadecimal("dev_eui", DevEUI.size)
    if not cells.has("qr"):
        if not cells.has("dev_eui"):
            cells.complain("dev_eui", "fehlt; die 16 Ziffern vom Gerät abschreiben oder den QR-Code einlesen")
        return (None if written is None else DevEUI(written)), {}
    try:
        label = read_label(cells.text("qr"))
    except ValueError as error:
        cells.complain("qr", str(error))
        return None, {}
    if cells.has("dev_eui") and written != label.dev_eui:
        if written is not None:
            cells.complain("qr", f"nennt die DevEUI {label.dev_eui}, die Spalte dev_eui eine andere; prüfen")
        return None, {}
    join_eui = cells.hexadecimal("join_eui", 8, zeros=True)
    if join_eui is not None and join_eui != label.join_eui:
        cells.complain(
            "qr", f"nennt die JoinEUI {label.join_eui.hex().upper()}, die Spalte join_eui eine andere"
        )
    more = {"join_eui": label.join_eui.hex().upper()}
    if label.serial_number and not cells.has("seriennummer"):
        more["seriennummer"] = label.serial_number
    return label.dev_eui, more
