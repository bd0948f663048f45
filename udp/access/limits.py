"""How often a key may ask: so many per minute, so many per day, and how often it did."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from udp.access import tables
from udp.errors import PlatformError
from udp.registry.database import Database

_WINDOW_S = 60.0
_FLUSH_S = 5.0


class TooOften(PlatformError):
    """A key asked more often than it may; `headers` say when again."""

    def __init__(self, text: str, headers: Mapping[str, str]) -> None:
        super().__init__(text)
        self.headers = headers


@dataclass(frozen=True, slots=True)
class Quota:
    """Requests per minute and per UTC day; 0 is without limit."""

    per_minute: int
    per_day: int


@dataclass(slots=True)
class _Minute:
    began: float
    count: int


class Usage:
    """Counts in memory, kept in the database every few seconds and at `close`.

    Limits hold per process: with several API processes a key gets them once from each. A process killed
    loses the counts of its last five seconds.
    """

    def __init__(
        self, database: Database, now: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self._database = database
        self._now = now
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._minutes: dict[str, _Minute] = {}
        self._today: dict[tuple[str, date], int] = {}
        self._pending: dict[tuple[str, date], int] = {}
        self._flushed_at = monotonic()

    def admit(self, key: str, quota: Quota) -> dict[str, str]:
        """Count one request and give the RateLimit headers (draft-ietf-httpapi-ratelimit-headers).

        TooOften when there were too many; those are not counted.
        """
        now, moment = self._now(), self._monotonic()
        day = (key, now.date())
        with self._lock:
            if day not in self._today:
                self._today = {one: count for one, count in self._today.items() if one[1] == now.date()}
                self._today[day] = self._kept(*day) + self._pending.get(day, 0)
            minute = self._minutes.get(key)
            if minute is None or moment - minute.began >= _WINDOW_S:
                minute = self._minutes[key] = _Minute(moment, 0)
            left = _Left(quota, minute, self._today[day], _WINDOW_S - (moment - minute.began), now)
            left.require()
            minute.count += 1
            self._today[day] += 1
            self._pending[day] = self._pending.get(day, 0) + 1
            headers = _Left(quota, minute, self._today[day], left.reset_s, now).headers()
            if moment - self._flushed_at >= _FLUSH_S:
                self._flush(moment)
        return headers

    def close(self) -> None:
        """Keep what was counted."""
        with self._lock:
            self._flush(self._monotonic())

    def _kept(self, key: str, day: date) -> int:
        table = tables.key_use
        asked = select(table.c.count).where(table.c.key == key, table.c.day == day)
        with self._database.reading() as connection:
            return int(connection.execute(asked).scalar() or 0)

    def _flush(self, moment: float) -> None:
        self._flushed_at = moment
        if not self._pending:
            return
        with self._database.writing() as connection:
            insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
            for (key, day), count in self._pending.items():
                made = insert(tables.key_use).values(key=key, day=day, count=count)
                connection.execute(
                    made.on_conflict_do_update(
                        index_elements=["key", "day"], set_={"count": tables.key_use.c.count + count}
                    )
                )
        self._pending.clear()


@dataclass(frozen=True, slots=True)
class _Left:
    quota: Quota
    minute: _Minute
    today: int
    reset_s: float
    now: datetime

    def require(self) -> None:
        """TooOften when nothing is left."""
        if self.quota.per_day and self.today >= self.quota.per_day:
            raise self._refusal(f"{self.quota.per_day} requests a day", self._day_s())
        if self.quota.per_minute and self.minute.count >= self.quota.per_minute:
            raise self._refusal(f"{self.quota.per_minute} requests a minute", self.reset_s)

    def headers(self) -> dict[str, str]:
        """What is left, for well-behaved programs."""
        rows = []
        if self.quota.per_minute:
            rows.append(("minute", self.quota.per_minute, 60, self.minute.count, self.reset_s))
        if self.quota.per_day:
            rows.append(("day", self.quota.per_day, 86_400, self.today, self._day_s()))
        if not rows:
            return {}
        return {
            "RateLimit-Policy": ", ".join(f'"{name}";q={most};w={window}' for name, most, window, *_ in rows),
            "RateLimit": ", ".join(
                f'"{name}";r={max(0, most - count)};t={_whole(reset)}' for name, most, _, count, reset in rows
            ),
        }

    def _refusal(self, limit: str, wait_s: float) -> TooOften:
        headers = {**self.headers(), "Retry-After": str(_whole(wait_s))}
        return TooOften(f"this key may make {limit}; ask again in {_whole(wait_s)} seconds", headers)

    def _day_s(self) -> float:
        tomorrow = self.now.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
        return (tomorrow - self.now).total_seconds()


def _whole(seconds: float) -> int:
    return max(1, int(seconds + 0.999))
