"""Cells of one row as values; a cell that cannot be meant is told and gives a harmless value."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from difflib import get_close_matches

from udp.devices.columns import SECRET_COLUMNS
from udp.devices.findings import Findings

_YES = frozenset({"ja", "j", "yes", "true", "wahr", "1", "x"})
_NO = frozenset({"nein", "n", "no", "false", "falsch", "0", ""})
# With its plus sign: 26011E05 is a good address.
_ROUNDED = re.compile(r"\d+(?:[.,]\d+)?[eE]\+\d+")
_SEPARATORS = str.maketrans("", "", "-: \N{NO-BREAK SPACE}")
# A spreadsheet would run these as formulas when the register is exported and opened again.
_FORMULA = re.compile(r"[=@+\t]|-(?!\d+(?:[.,]\d+)?$)")


class Cells:
    """One row, with what the register already knew filled in."""

    def __init__(self, line: int, values: Mapping[str, str], findings: Findings) -> None:
        self.line = line
        self._values = values
        self._findings = findings

    def has(self, column: str) -> bool:
        """Whether there is anything."""
        return bool(self._values.get(column))

    def complain(self, column: str, problem: str) -> None:
        """Note a mistake of this row."""
        self._findings.add(self.line, column, problem)

    def text(self, column: str) -> str:
        """A text, perhaps empty."""
        value = self._values.get(column, "")
        if _FORMULA.match(value) or any(ord(letter) < 32 and letter not in "\r\n" for letter in value):
            self.complain(
                column, "beginnt wie eine Formel oder enthält Steuerzeichen; als Text neu eintragen"
            )
            return ""
        return value

    def required(self, column: str, remedy: str = "eintragen") -> str:
        """A text that must be there."""
        if not self.has(column):
            self.complain(column, f"fehlt; {remedy}")
            return ""
        return self.text(column)

    def matching(self, column: str, pattern: str, remedy: str) -> str:
        """A required text of a given form."""
        value = self.required(column)
        if value and not re.fullmatch(pattern, value):
            self.complain(column, f"{value!r} geht nicht; {remedy}")
            return ""
        return value

    def choice(self, column: str, choices: Sequence[str], *, required: bool = False) -> str:
        """One of `choices`, or empty."""
        value = self.required(column, f"eines von {', '.join(choices)}") if required else self.text(column)
        if value and value not in choices:
            self.complain(column, f"{value!r} gibt es nicht; {meant(value, choices)}")
            return ""
        return value

    def number(
        self, column: str, *, least: float = -math.inf, most: float = math.inf, unit: str = ""
    ) -> float | None:
        """A finite number between `least` and `most`, decimal point or comma; None if there is none."""
        text = self.text(column).replace("\N{MINUS SIGN}", "-")
        if not text:
            return None
        try:
            number = float(text.replace(",", ".") if "." not in text else text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            self.complain(column, f"{text!r} ist keine Zahl; z. B. 12,5 schreiben, ohne Einheit und Punkte")
            return None
        if not least <= number <= most:
            self.complain(column, f"{text} liegt nicht zwischen {least:g} und {most:g}{unit}; Wert prüfen")
            return None
        return number

    def flag(self, column: str) -> bool:
        """ja or nein; empty means nein."""
        text = self.text(column).lower()
        if text not in _YES | _NO:
            self.complain(column, f"{text!r} ist weder ja noch nein; ja oder nein schreiben")
        return text in _YES

    def hexadecimal(self, column: str, octets: int, *, zeros: bool = False) -> bytes | None:
        """A fixed number of octets, separators allowed; None if there are none. Keys are never quoted.

        `zeros`: nothing but zeros may be meant.
        """
        text = self._values.get(column, "")
        if not text:
            return None
        told = "der Wert" if column in SECRET_COLUMNS else repr(text)
        if _ROUNDED.fullmatch(text):
            self.complain(
                column, f"{told} ist von der Tabellenkalkulation gerundet; die Spalte als Text formatieren"
            )
            return None
        digits = text.translate(_SEPARATORS)
        if not re.fullmatch(r"[0-9A-Fa-f]*", digits):
            self.complain(column, f"{told} enthält andere Zeichen als 0-9 und A-F; richtig abschreiben")
            return None
        if len(digits) != 2 * octets:
            self.complain(
                column, f"{told} hat {len(digits)} statt {2 * octets} Ziffern; vollständig eintragen"
            )
            return None
        found = bytes.fromhex(digits)
        if len(set(found)) == 1 and not (zeros and not any(found)):
            self.complain(column, f"{told} besteht aus lauter gleichen Ziffern; den echten Wert eintragen")
            return None
        return found

    def day(self, column: str, today: date) -> date | None:
        """A date not later than `today`; None if there is none."""
        text = self.text(column)
        if not text:
            return None
        for form in ("%Y-%m-%d", "%d.%m.%Y", "%d.%m.%y"):
            try:
                day = datetime.strptime(text, form).date()  # noqa: DTZ007 - a day has no time zone
            except ValueError:
                continue
            if day > today:
                self.complain(column, f"{text} liegt in der Zukunft; Datum prüfen")
                return None
            return day
        self.complain(column, f"{text!r} ist kein Datum; z. B. 24.12.2026 schreiben")
        return None


def meant(value: str, choices: Sequence[str]) -> str:
    """A remedy: the nearest choice, else all of them."""
    near = get_close_matches(value.lower(), choices, n=1)
    return f"gemeint ist vielleicht '{near[0]}'" if near else f"möglich sind {', '.join(choices)}"
