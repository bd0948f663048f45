"""Reads the API's JSON: strict about what the pages need, tolerant of everything new."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from udp.errors import PlatformError

T = TypeVar("T")
_log = logging.getLogger(__name__)


class Unreadable(PlatformError):
    """An answer lacks what the pages need; names the key."""


class Entry:
    """One JSON object; each method takes the key and, where it may be missing, what to say then."""

    def __init__(self, content: Any, where: str) -> None:
        if not isinstance(content, dict):
            raise Unreadable(f"{where}: expected an object, found {type(content).__name__}")
        self._content = content
        self._where = where

    def text(self, key: str, default: str | None = None) -> str:
        """A string; null counts as missing."""
        value = self._get(key, default)
        if not isinstance(value, str):
            raise self._wrong(key, "a text", value)
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """A number; null counts as missing."""
        value = self._get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(key, "a number", value)
        return float(value)

    def optional_number(self, key: str) -> float | None:
        """The same, None where it is missing or null."""
        return None if self._content.get(key) is None else self.number(key)

    def integer(self, key: str, default: int | None = None) -> int:
        """A whole number."""
        return int(self.number(key, default))

    def optional_span(self, key: str) -> timedelta | None:
        """A number of seconds, None where it is missing or null."""
        return None if self._content.get(key) is None else timedelta(seconds=self.number(key))

    def flag(self, key: str, default: bool | None = None) -> bool:
        """true or false."""
        value = self._get(key, default)
        if not isinstance(value, bool):
            raise self._wrong(key, "true or false", value)
        return value

    def moment(self, key: str) -> datetime:
        """An ISO 8601 time with its offset, as UTC."""
        value = self.text(key)
        try:
            moment = datetime.fromisoformat(value)
        except ValueError as error:
            raise self._wrong(key, "an ISO 8601 time", value) from error
        if moment.tzinfo is None:
            raise self._wrong(key, "a time with its offset from UTC", value)
        return moment.astimezone(UTC)

    def optional_moment(self, key: str) -> datetime | None:
        """The same, None where it is missing or null."""
        return None if self._content.get(key) is None else self.moment(key)

    def entry(self, key: str) -> Entry:
        """An object within."""
        return Entry(self._get(key, None), f"{self._where}.{key}")

    def entries(self, key: str) -> list[Any]:
        """A list within; missing is empty."""
        value = self._content.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self._wrong(key, "a list", value)
        return value

    def texts(self, key: str) -> dict[str, str]:
        """An object of texts within; missing is empty."""
        return {name: self._of(key).text(name) for name in self._names(key)}

    def numbers(self, key: str) -> dict[str, float]:
        """An object of numbers within; missing is empty."""
        return {name: self._of(key).number(name) for name in self._names(key)}

    def known_numbers(self, key: str) -> dict[str, float]:
        """An object of numbers within, without those that are null."""
        inner = self._of(key)
        return {name: inner.number(name) for name in self._names(key) if inner.raw(name) is not None}

    def numbers_of(self, *keys: str) -> tuple[float, ...] | None:
        """The numbers at `keys`; None as soon as one is missing or null."""
        if any(self._content.get(key) is None for key in keys):
            return None
        return tuple(self.number(key) for key in keys)

    def _of(self, key: str) -> Entry:
        return Entry(self._content.get(key) or {}, f"{self._where}.{key}")

    def _names(self, key: str) -> list[str]:
        return sorted(self._of(key)._content)

    def raw(self, key: str) -> Any:
        """Whatever stands there, None if nothing."""
        return self._content.get(key)

    def _get(self, key: str, default: Any) -> Any:
        value = self._content.get(key)
        if value is not None:
            return value
        if default is None:
            raise Unreadable(f"{self._where}: key {key!r} is missing")
        return default

    def _wrong(self, key: str, expected: str, value: Any) -> Unreadable:
        return Unreadable(f"{self._where}.{key}: expected {expected}, found {value!r:.60}")


def each(contents: Iterable[Any], where: str, read: Callable[[Entry], T]) -> list[T]:
    """Read every entry; one that cannot be read is left out and reported, the others still count."""
    found, failed = [], 0
    for number, content in enumerate(contents):
        try:
            found.append(read(Entry(content, f"{where}[{number}]")))
        except Unreadable as error:
            if not failed:
                _log.warning("%s; left out", error)
            failed += 1
    if failed > 1:
        _log.warning("%s: %d entries could not be read and were left out", where, failed)
    return found
