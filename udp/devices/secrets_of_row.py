"""The keys of one row: complete for one way of activation, and never both ways at once."""

from __future__ import annotations

from udp.devices.cells import Cells
from udp.devices.columns import SECRET_COLUMNS
from udp.devices.vault import DeviceKeys

_SESSION = ("dev_addr", "nwk_s_key", "app_s_key")
_OCTETS = {"app_key": 16, "nwk_key": 16, "dev_addr": 4, "nwk_s_key": 16, "app_s_key": 16}


def read_keys(cells: Cells, known: bool) -> DeviceKeys:
    """The keys the row gives; none is fine: a network server holds them, or the register does (`known`)."""
    found = {column: cells.hexadecimal(column, octets) for column, octets in _OCTETS.items()}
    root = cells.has("app_key") or cells.has("nwk_key")
    given = [column for column in _SESSION if cells.has(column)]
    missing = [column for column in _SESSION if not cells.has(column)]
    if root and given:
        cells.complain(
            given[0],
            "steht neben einem AppKey; OTAA oder ABP, die Schlüssel des anderen Verfahrens entfernen",
        )
    elif given and missing:
        cells.complain(missing[0], f"fehlt; zu ABP gehören {', '.join(_SESSION)} zusammen")
    if cells.has("nwk_key") and not cells.has("app_key") and not known:
        cells.complain("app_key", "fehlt neben nwk_key; beide eintragen")
    if found["app_key"] is not None and not cells.has("join_eui"):
        cells.complain("join_eui", "fehlt; zu OTAA gehört die JoinEUI (AppEUI) vom Gerät")
    return DeviceKeys(*(found[column] for column in SECRET_COLUMNS))
