"""The register as a table that can be read back: exported and imported again, nothing changes."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from udp.devices.columns import COLUMNS, SECRET_COLUMNS
from udp.devices.register import DeviceRegister
from udp.errors import PlatformError

# Not kept as such: the code's content has columns of its own, places are kept in degrees,
# and who replaced whom stands in the maintenance log.
_NOT_WRITTEN = frozenset({"qr", "ostwert", "nordwert", "ersetzt"})


def export_rows(register: DeviceRegister, *, with_keys: bool = False) -> Iterator[dict[str, str]]:
    """Every device the register speaks for, by place and DevEUI, as cells by column.

    ConfigurationError if keys are asked for and do not open.
    """
    held = register.held()
    mine = [(device.thing, dev_eui, device) for dev_eui, device in held.devices.items() if device.registered]
    for thing, dev_eui, device in sorted(mine, key=lambda one: one[:2]):
        if not device.in_force:
            continue
        cells = held.things[thing].cells() | device.cells()
        if with_keys:
            keys = register.keys(held, dev_eui)
            found = {column: getattr(keys, column) for column in SECRET_COLUMNS}
            cells |= {column: value.hex().upper() for column, value in found.items() if value is not None}
            if keys.joined:  # the session belongs to the join; read back, it would be taken for ABP
                cells = {
                    key: cells[key] for key in cells if key not in ("dev_addr", "nwk_s_key", "app_s_key")
                }
        yield cells


def csv_text(register: DeviceRegister, *, with_keys: bool = False) -> str:
    """As CSV with semicolons, as German spreadsheets open it."""
    columns = _written(with_keys)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, columns, restval="", delimiter=";", lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(export_rows(register, with_keys=with_keys))
    return out.getvalue()


def write_export(register: DeviceRegister, path: Path, *, with_keys: bool = False) -> None:
    """As .xlsx or .csv, readable for its owner only: owners and places are nobody else's business."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    try:
        if path.suffix.lower() == ".xlsx":
            _write_workbook(register, path, with_keys)
        else:
            # The mark at the start tells spreadsheets that this is UTF-8.
            path.write_text(csv_text(register, with_keys=with_keys), encoding="utf-8-sig", newline="")
    except OSError as error:
        raise PlatformError(f"{path}: nicht zu schreiben: {error.strerror}") from error


def _write_workbook(register: DeviceRegister, path: Path, with_keys: bool) -> None:
    import pandas  # noqa: PLC0415 - half a second that a CSV file need not wait for

    columns = _written(with_keys)
    rows = [
        [cells.get(column, "") for column in columns] for cells in export_rows(register, with_keys=with_keys)
    ]
    pandas.DataFrame(rows, columns=columns, dtype=object).to_excel(path, index=False, engine="openpyxl")


def _written(with_keys: bool) -> list[str]:
    return [
        name for name in COLUMNS if name not in _NOT_WRITTEN and (with_keys or name not in SECRET_COLUMNS)
    ]
