"""How long a value may stand: grey after two missed intervals, gone after six."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum

# A device that speaks every 30 seconds is not late because one round of drawing took a minute.
_SHORTEST_INTERVAL = timedelta(minutes=5)


class Freshness(StrEnum):
    """The word is also the class in the style sheet."""

    FRESH = "frisch"
    AGEING = "alt"
    GONE = "weg"


def freshness(phenomenon_time: datetime, now: datetime, interval: timedelta) -> Freshness:
    """Judge a value measured at `phenomenon_time` that is expected every `interval`."""
    age, expected = now - phenomenon_time, max(interval, _SHORTEST_INTERVAL)
    if age > 6 * expected:
        return Freshness.GONE
    return Freshness.AGEING if age > 2 * expected else Freshness.FRESH
