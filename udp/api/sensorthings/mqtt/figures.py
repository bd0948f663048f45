"""What the MQTT side has done, and what it refused and why: for those who run the platform."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

_LOG = logging.getLogger(__name__)
_REMEMBERED = 50
_LINES = 20
_LONGEST = 500
_WITHIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Refusal:
    """What somebody wanted and did not get. `who`: the key's id, or nobody; `origin`: shortened address."""

    at: datetime
    who: str
    origin: str
    wanted: str
    topic: str
    why: str


def plain(text: str) -> str:
    """One line of some length, whatever a client wrote."""
    return "".join(one if one.isprintable() else "?" for one in text[:_LONGEST])


@dataclass(slots=True)
class Figures:
    """Counters since the start. `missed`: appends that were forgotten before they were told."""

    now: Callable[[], datetime]
    sent: int = 0
    created: int = 0
    missed: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    _newest: deque[Refusal] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))
    _since: datetime | None = None
    _lines: int = 0

    def refuse(self, one: Refusal) -> None:
        """Count, remember, and write a line; a flood of them costs some lines a minute."""
        self.refused[one.wanted] += 1
        self._newest.append(one)
        if self._since is None or one.at - self._since > _WITHIN:
            self._since, self._lines = one.at, 0
        self._lines += 1
        if self._lines <= _LINES:
            _LOG.warning(
                "SensorThings by MQTT: refused to %s %r by %s from %s: %s",
                one.wanted, one.topic[:200], one.who, one.origin or "?", one.why,
            )  # fmt: skip
        elif self._lines == _LINES + 1:
            _LOG.warning("SensorThings by MQTT: more refusals within a minute; they are counted in /metrics")

    def newest(self) -> Sequence[Refusal]:
        """The last of them, newest first."""
        return list(reversed(self._newest))
