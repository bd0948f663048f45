"""What is wrong with a table, told to the person who has to correct it: row, column, remedy."""

from __future__ import annotations

from dataclasses import dataclass

from udp.errors import PlatformError


class TableRefused(PlatformError):
    """The table as a whole cannot be read; the text names the remedy, in German."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One mistake. `line` counts as the editor or spreadsheet does: the heading is line 1."""

    line: int
    column: str
    problem: str

    def __str__(self) -> str:
        return f"Zeile {self.line}, Spalte {self.column}: {self.problem}"


class Findings:
    """Everything found so far."""

    def __init__(self) -> None:
        self.all: list[Finding] = []
        self._lines: set[int] = set()

    def add(self, line: int, column: str, problem: str) -> None:
        """Note one mistake; `problem` ends with the remedy and never quotes a key."""
        self.all.append(Finding(line, column, problem))
        self._lines.add(line)

    def touches(self, line: int) -> bool:
        """Whether anything is wrong with this line."""
        return line in self._lines
