"""A value that many ask for and one reads: at most once per second, never twice at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")


class Refreshed(Generic[T]):
    """Keeps what `read` gave for `max_age_s`; `read` gets the value before and runs in a thread.

    Belongs to one event loop. An error of `read` goes to everybody who waits, and the next one
    tries again: nobody is told an old value as a new one.
    """

    def __init__(
        self, read: Callable[[T | None], T], max_age_s: float, monotonic: Callable[[], float]
    ) -> None:
        self._read = read
        self._max_age_s = max_age_s
        self._monotonic = monotonic
        self._lock = anyio.Lock()
        self._value: T | None = None
        self._read_at = float("-inf")

    @property
    def newest(self) -> T | None:
        """What was read last, however long ago."""
        return self._value

    def forget(self) -> None:
        """Somebody here has just changed what is read: the next one reads again."""
        self._read_at = float("-inf")

    async def get(self) -> T:
        """The value, at most `max_age_s` old."""
        if (value := self._fresh()) is not None:
            return value
        async with self._lock:
            if (value := self._fresh()) is not None:
                return value
            started = self._monotonic()
            value = await anyio.to_thread.run_sync(self._read, self._value)
            self._value, self._read_at = value, started
            return value

    def _fresh(self) -> T | None:
        return self._value if self._monotonic() - self._read_at < self._max_age_s else None
