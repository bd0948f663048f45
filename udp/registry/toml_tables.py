"""Read TOML tables so that a person hears of every mistake at once, each with place and remedy."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, overload

from udp.errors import ConfigurationError

_REQUIRED: Any = object()
D = TypeVar("D")


def open_toml(path: Path) -> dict[str, Any]:
    """The file's content. ConfigurationError when it cannot be read or is no TOML."""
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: not valid TOML: {error}") from error


class Complaints:
    """Everything found wrong with one file so far."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def add(self, where: str, key: str, problem: str) -> None:
        """Note one mistake: `where` names the thing (empty for the file), `problem` ends with the remedy."""
        place = f"{where}: " if where else ""
        self.lines.append(f"{self.path}: {place}key {key!r}: {problem}")

    def raise_any(self) -> None:
        """ConfigurationError with one line per mistake, if there is any."""
        if self.lines:
            raise ConfigurationError("\n".join(self.lines))


class Table:
    """One TOML table; a getter that meets a mistake complains and returns a harmless value."""

    def __init__(self, content: Any, where: str, complaints: Complaints) -> None:
        self.where = where
        self.complaints = complaints
        self._asked: set[str] = set()
        self._content: dict[str, Any] = content if isinstance(content, dict) else {}
        if not isinstance(content, dict):
            complaints.add(where, "", f"expected a table, found {content!r}; write it as [table]")

    def has(self, key: str) -> bool:
        """Whether the file gives this key at all."""
        return key in self._content

    def complain(self, key: str, problem: str) -> None:
        """Note a mistake of this table."""
        self.complaints.add(self.where, key, problem)

    def text(
        self, key: str, default: str = _REQUIRED, *, pattern: str = "", choices: Sequence[str] = ()
    ) -> str:
        """A string, not empty unless `default` is given; must match `pattern` or be one of `choices`."""
        value = self._get(key, default)
        if value is _REQUIRED or (value == default and not self.has(key)):
            return "" if value is _REQUIRED else str(value)
        if not isinstance(value, str) or not value.strip():
            self.complain(key, f"expected text, found {value!r}; put it in quotes")
            return ""
        if choices and value not in choices:
            self.complain(key, f"{value!r} is not possible; write one of {', '.join(choices)}")
            return ""
        if pattern and not re.fullmatch(pattern, value):
            self.complain(key, f"{value!r} is not possible; it must match {pattern}")
            return ""
        return value

    @overload
    def number(self, key: str, default: float = ..., *, above: float = ...) -> float: ...
    @overload
    def number(self, key: str, default: None, *, above: float = ...) -> float | None: ...
    def number(
        self, key: str, default: float | None = _REQUIRED, *, above: float = -math.inf
    ) -> float | None:
        """A finite number greater than `above`."""
        value = self._get(key, default)
        if value is _REQUIRED or not self.has(key):
            return math.nan if value is _REQUIRED else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            self.complain(key, f"expected a number, found {value!r}; write it without quotes")
            return math.nan
        if value <= above:
            self.complain(key, f"{value} is too small; it must be greater than {above:g}")
        return float(value)

    def flag(self, key: str, default: bool = _REQUIRED) -> bool:
        """true or false."""
        value = self._get(key, default)
        if isinstance(value, bool):
            return value
        if value is not _REQUIRED:
            self.complain(key, f"expected true or false, found {value!r}")
        return False

    def numbers(self, key: str, count: int) -> tuple[float, ...]:
        """A list of exactly `count` finite numbers; empty if the key is absent or wrong."""
        value = self._get(key, [])
        if not self.has(key):
            return ()
        good = isinstance(value, list) and all(
            isinstance(one, int | float) and not isinstance(one, bool) and math.isfinite(one) for one in value
        )
        if not good or len(value) != count:
            self.complain(key, f"expected a list of {count} numbers, found {value!r}")
            return ()
        return tuple(float(one) for one in value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A text or a list of texts; empty if absent."""
        value = self._get(key, [])
        found = [value] if isinstance(value, str) else value
        if not isinstance(found, list) or not all(isinstance(one, str) and one for one in found):
            self.complain(key, f"expected text or a list of texts, found {value!r}")
            return ()
        return tuple(found)

    def mapping(self, key: str) -> dict[str, Any]:
        """An inline table as it stands; empty if absent."""
        value = self._get(key, {})
        if isinstance(value, dict):
            return value
        self.complain(key, f"expected a table like {{ a = 1 }}, found {value!r}")
        return {}

    def tables(self, key: str, kind: str, name: str) -> list[Table]:
        """The sub-tables `[[key]]`, each called `kind` and its own `name` key in complaints."""
        value = self._get(key, [])
        if not isinstance(value, list):
            self.complain(key, f"expected a list of tables, found {value!r}; write [[{key}]]")
            return []
        prefix = f"{self.where}, " if self.where else ""
        return [
            Table(one, f"{prefix}{kind} {_label(one, name, number)}", self.complaints)
            for number, one in enumerate(value, start=1)
        ]

    def finish(self) -> None:
        """Complain about every key nobody asked for."""
        for key in sorted(set(self._content) - self._asked):
            self.complain(key, f"is not known here; known are {', '.join(sorted(self._asked))}")

    def _get(self, key: str, default: Any) -> Any:
        self._asked.add(key)
        if key in self._content:
            return self._content[key]
        if default is _REQUIRED:
            self.complain(key, "is missing; add it")
        return default


def _label(content: Any, name: str, number: int) -> str:
    value = content.get(name) if isinstance(content, dict) else None
    return repr(value) if isinstance(value, str) else f"number {number}"
