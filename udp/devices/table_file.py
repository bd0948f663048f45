"""Read a device table as offices save it: CSV with commas, semicolons or tabs, in UTF-8 or Windows' own
code page, or an Excel workbook."""

from __future__ import annotations

import csv
import errno
import io
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from udp.devices.columns import COLUMNS, HEXADECIMAL, column_named
from udp.devices.findings import Findings, TableRefused

MOST_ROWS = 100_000
LARGEST_OCTETS = 64 << 20
_LONGEST_CELL = 2_000
_REASONS = {
    errno.ENOENT: "gibt es nicht; den Pfad prüfen",
    errno.EISDIR: "ist ein Ordner; die Datei darin nennen",
    errno.EACCES: "darf nicht gelesen werden; die Rechte der Datei prüfen",
}
_AS_NUMBER = (
    "die Tabellenkalkulation hat die Kennung als Zahl gespeichert, dabei gehen Ziffern verloren; "
    "die Spalte als Text formatieren und neu eintragen"
)


@dataclass(frozen=True, slots=True)
class RawRow:
    """One row: `cells` by column name, trimmed; empty cells are left out."""

    line: int
    cells: Mapping[str, str]


def read_table(path: Path, findings: Findings) -> list[RawRow]:
    """The rows of the file. TableRefused if there is no table in it; mistakes of rows go to `findings`."""
    try:
        if path.stat().st_size > LARGEST_OCTETS:
            raise TableRefused(f"{path}: größer als {LARGEST_OCTETS >> 20} MB; die Tabelle aufteilen")
        lines = _workbook(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _csv(path)
    except OSError as error:
        raise TableRefused(
            f"{path}: {_REASONS.get(error.errno or 0, f'nicht lesbar: {error.strerror}')}"
        ) from error
    if not lines:
        raise TableRefused(f"{path}: die Datei ist leer; in die erste Zeile gehören die Spaltennamen")
    names = _heading(path, lines[0][1])
    rows = list(_rows(lines[1:], names, findings))
    if len(rows) > MOST_ROWS:
        raise TableRefused(f"{path}: mehr als {MOST_ROWS} Zeilen; die Tabelle aufteilen")
    return rows


def _csv(path: Path) -> list[tuple[int, list[Any]]]:
    octets = path.read_bytes()
    if b"\0" in octets:
        raise TableRefused(f"{path}: keine Textdatei; als CSV (UTF-8) oder als .xlsx speichern")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = octets.decode("cp1252", errors="replace")  # what Excel on Windows calls CSV
    head = text.lstrip("\r\n").split("\n", 1)[0]
    separator = max(";,\t", key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines: list[tuple[int, list[Any]]] = []
    line = 1
    try:
        for cells in reader:
            lines.append((line, cells))
            line = reader.line_num + 1
    except csv.Error as error:
        raise TableRefused(
            f"{path}: Zeile {line}: {_csv_problem(error)}; die Anführungszeichen dieser Zeile prüfen"
        ) from error
    return [(number, cells) for number, cells in lines if any(cell.strip() for cell in cells)]


def _csv_problem(error: csv.Error) -> str:
    ended = "unexpected end of data" in str(error)
    return "ein Anführungszeichen wird nicht geschlossen" if ended else "kein gültiges CSV"


def _workbook(path: Path) -> list[tuple[int, list[Any]]]:
    import pandas  # noqa: PLC0415 - half a second that a CSV file need not wait for

    try:
        frame = pandas.read_excel(path, header=None, dtype=object, na_filter=False, engine="openpyxl")
    except (zipfile.BadZipFile, ValueError, KeyError, EOFError) as error:
        raise TableRefused(f"{path}: keine lesbare Excel-Mappe; als .xlsx neu speichern") from error
    lines = [(number, list(row)) for number, row in enumerate(frame.itertuples(index=False), start=1)]
    return [(number, cells) for number, cells in lines if any(str(cell).strip() for cell in cells)]


def _heading(path: Path, cells: Iterable[Any]) -> list[str | None]:
    names: list[str | None] = []
    for number, cell in enumerate(cells, start=1):
        heading = str(cell).strip()
        name = column_named(heading)
        if heading and name is None:
            near = get_close_matches(heading.lower(), COLUMNS, n=1)
            hint = f"gemeint ist vielleicht {near[0]!r}" if near else f"bekannt sind {', '.join(COLUMNS)}"
            raise TableRefused(f"{path}: Spalte {number}: den Spaltennamen {heading!r} gibt es nicht; {hint}")
        if name is not None and name in names:
            raise TableRefused(f"{path}: die Spalte {name} steht zweimal da; eine davon entfernen")
        names.append(name)
    if "dev_eui" not in names and "qr" not in names:
        raise TableRefused(f"{path}: es fehlt die Spalte dev_eui (oder qr); in die erste Zeile gehören Namen")
    return names


def _rows(
    lines: Iterable[tuple[int, list[Any]]], names: list[str | None], findings: Findings
) -> Iterator[RawRow]:
    for line, cells in lines:
        found: dict[str, str] = {}
        for position, cell in enumerate(cells):
            text = _text(cell)
            if not text:
                continue
            name = names[position] if position < len(names) else None
            if name is None:
                findings.add(line, f"Nr. {position + 1}", "über diesem Wert steht kein Spaltenname; leeren")
            elif isinstance(cell, int | float) and not isinstance(cell, bool) and name in HEXADECIMAL:
                findings.add(line, name, _AS_NUMBER)
            elif len(text) > _LONGEST_CELL:
                findings.add(line, name, f"länger als {_LONGEST_CELL} Zeichen; kürzen")
            else:
                found[name] = text
        yield RawRow(line, found)


def _text(cell: Any) -> str:
    """A cell of either kind of file as its user sees it."""
    if isinstance(cell, bool):
        return "ja" if cell else "nein"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return cell.date().isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell).strip()
