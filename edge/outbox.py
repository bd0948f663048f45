"""Decide what to say next: what is new first, what was not confirmed again, history behind.

Pure bookkeeping over sequence numbers; times are seconds of a monotonic clock.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import Enum
from typing import Final

_RESERVED_FOR_LIVE: Final = 2
_MOST_CHANCE: Final = 1.2
_DOUBLINGS: Final = 10  # without a bound the power overflows after some thousand attempts: a day and a half


class Why(Enum):
    """Why a span is to be sent."""

    LIVE = "live"
    AGAIN = "again"
    HISTORY = "history"


@dataclass(frozen=True, slots=True)
class Span:
    """Sequence numbers [first, last] worth sending."""

    first: int
    last: int
    why: Why


@dataclass(frozen=True, slots=True)
class SendingSettings:
    """How much may be under way, and how patient we are."""

    window: int = 16  # envelopes
    max_messages: int = 500  # per envelope
    max_bytes: int = 100_000  # per envelope
    first_patience_s: float = 10.0
    longest_patience_s: float = 120.0
    lag: int = 5_000  # so many unsent live messages are history by now
    refused_again_s: float = 3_600.0  # until what the receiver refused is tried again

    def __post_init__(self) -> None:
        if self.window <= _RESERVED_FOR_LIVE:
            raise ValueError(f"window {self.window} is too small: at least {_RESERVED_FOR_LIVE + 1}")
        if self.refused_again_s <= 0:
            raise ValueError("refused_again_s must be above 0 seconds")
        if not 1 <= self.max_messages <= 10_000 or not 1_000 <= self.max_bytes <= 900_000:
            raise ValueError("max_messages is in 1-10000, max_bytes in 1000-900000 (the receiver's limit)")

    @property
    def expiry(self) -> timedelta:
        """When a copy that nobody fetched is worth nothing any more: the next one is on its way."""
        return timedelta(seconds=self.longest_patience_s * _MOST_CHANCE + self.first_patience_s)


@dataclass(slots=True)
class _Flight:
    first: int
    last: int
    attempts: int
    due: float = field(default=0.0)


class Outbox:
    """What is under way and what is yet to go. Ask `next`, send, tell `sent` (or `vanished`)."""

    def __init__(self, settings: SendingSettings, rng: random.Random) -> None:
        self._settings = settings
        self._rng = rng
        self._history: deque[tuple[int, int]] = deque()
        self._live = 1
        self._flights: dict[int, _Flight] = {}
        self._parked: deque[tuple[int, int, float]] = deque()  # first, last, when to try again

    @property
    def refused(self) -> int:
        """Messages the receiver refused, waiting to be tried again."""
        return sum(last - first + 1 for first, last, _ in self._parked)

    @property
    def under_way(self) -> int:
        """Envelopes sent and not confirmed."""
        return len(self._flights)

    def begin(self, floor: int, newest: int) -> None:
        """Forget all; what is in the spool now is history, what comes from now on is live."""
        self._flights.clear()
        self._parked.clear()
        self._history = deque([(floor, newest)] if floor <= newest else [])
        self._live = newest + 1

    def connected(self, newest: int) -> None:
        """A new connection: what was heard without one is history, what is unconfirmed is due at once."""
        self._demote(newest)
        for flight in self._flights.values():
            flight.due = 0.0

    def next(self, now: float, newest: int) -> Span | None:
        """What to send now, None if there is nothing or enough is under way."""
        if newest - self._live >= self._settings.lag:
            self._demote(newest)
        while self._parked and self._parked[0][2] <= now:
            self._history.append(self._parked.popleft()[:2])
        room = self._settings.window - len(self._flights)
        if self._live <= newest and room > 0:
            return Span(self._live, newest, Why.LIVE)
        due = min(self._flights.values(), key=lambda flight: flight.due, default=None)
        if due is not None and due.due <= now:
            return Span(due.first, due.last, Why.AGAIN)
        if self._history and room > _RESERVED_FOR_LIVE:
            return Span(*self._history[0], Why.HISTORY)
        return None

    def sent(self, span: Span, first: int, last: int, now: float) -> None:
        """[first, last] out of `span` is under way; what lies in `span` before `first` is gone."""
        attempts = 0
        if span.why is Why.LIVE:
            self._live = last + 1
        else:
            if span.why is Why.AGAIN:
                attempts = self._flights.pop(span.first).attempts
            else:
                self._history.popleft()
            if last < span.last:
                self._history.appendleft((last + 1, span.last))
        self._flights[first] = _Flight(first, last, attempts + 1, now + self._patience(attempts))

    def vanished(self, span: Span) -> None:
        """Nothing of `span` is in the spool any more."""
        if span.why is Why.LIVE:
            self._live = span.last + 1
        elif span.why is Why.AGAIN:
            del self._flights[span.first]
        else:
            self._history.popleft()

    def confirmed(self, ranges: Iterable[tuple[int, int]]) -> None:
        """The receiver has these; a flight it has only in part is sent again when it is due."""
        for first, last in ranges:
            for flight in [f for f in self._flights.values() if first <= f.first and f.last <= last]:
                del self._flights[flight.first]

    def refuse(self, first: int, last: int, now: float, *, too_large: bool) -> None:
        """The receiver will not take this envelope: it frees its place; halves of it may pass."""
        flight = self._flights.get(first)
        if flight is None or flight.last != last:
            return  # of an earlier round: what is under way by now has its own answer
        del self._flights[first]
        if too_large and first < last:
            middle = (first + last) // 2
            self._history.extendleft([(middle + 1, last), (first, middle)])
        elif self._parked and self._parked[-1][1] + 1 == first:
            earlier, _, again = self._parked.pop()
            self._parked.append((earlier, last, again))
        else:
            self._parked.append((first, last, now + self._settings.refused_again_s))

    def _demote(self, newest: int) -> None:
        if self._live <= newest:
            self._history.append((self._live, newest))
            self._live = newest + 1

    def _patience(self, attempts: int) -> float:
        doubled = self._settings.first_patience_s * 2.0 ** min(attempts, _DOUBLINGS)
        longest = min(doubled, self._settings.longest_patience_s)
        # A little chance, so that nine agents do not repeat themselves in chorus.
        return longest * self._rng.uniform(0.8, _MOST_CHANCE)
