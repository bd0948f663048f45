"""Score alarms as a facility manager feels them: events found, false alarms, delay, cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.series import DAY, HOUR, Instant, Step

MONTH_DAYS = 365.25 / 12


@dataclass(frozen=True, slots=True)
class Event:
    """Something that truly happened at one meter."""

    meter: str
    start: Instant
    end: Instant
    kind: str = ""
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Alarm:
    """A case raised at one meter, with the score that ranks it."""

    meter: str
    at: Instant
    score: float


@dataclass(frozen=True, slots=True)
class AlarmScore:
    """Recall and cost found are shares, delay is the median in hours over found events."""

    recall: float
    cost_found: float
    false_per_meter_month: float
    delay_hours: float
    found: tuple[bool, ...]


def score_alarms(
    events: Sequence[Event], alarms: Sequence[Alarm], *, meters: int, days: float, grace: Step = DAY
) -> AlarmScore:
    """An alarm counts for an event of its meter when raised between start and end + grace; every alarm that
    belongs to no event is false (event recall and false-alarm rate as in Lavin & Ahmad 2015, NAB)."""
    found = [False] * len(events)
    first = [float("nan")] * len(events)
    false = 0
    by_meter: dict[str, list[int]] = {}
    for number, event in enumerate(events):
        by_meter.setdefault(event.meter, []).append(number)
    for alarm in sorted(alarms, key=lambda one: one.at):
        hit = [
            n for n in by_meter.get(alarm.meter, []) if events[n].start <= alarm.at <= events[n].end + grace
        ]
        false += not hit
        for n in hit:
            if not found[n]:
                found[n], first[n] = True, float((alarm.at - events[n].start) / HOUR)
    cost = np.array([event.cost for event in events])
    mask = np.array(found, dtype=bool)
    delays = np.array(first)[mask] if events else np.array([])
    months = meters * days / MONTH_DAYS
    return AlarmScore(
        recall=float(mask.mean()) if events else float("nan"),
        cost_found=float(cost[mask].sum() / cost.sum()) if cost.sum() > 0 else float("nan"),
        false_per_meter_month=false / months if months > 0 else float("nan"),
        delay_hours=float(np.median(delays)) if delays.size else float("nan"),
        found=tuple(found),
    )


def threshold_at_rate(
    events: Sequence[Event], alarms: Sequence[Alarm], *, meters: int, days: float, rate: float
) -> float:
    """The lowest score threshold whose false alarms stay at or under ``rate`` per meter-month."""
    allowed = rate * meters * days / MONTH_DAYS
    spans: dict[str, list[Event]] = {}
    for event in events:
        spans.setdefault(event.meter, []).append(event)
    false = sorted(
        (
            alarm.score
            for alarm in alarms
            if not any(e.start <= alarm.at <= e.end + DAY for e in spans.get(alarm.meter, []))
        ),
        reverse=True,
    )
    return false[int(allowed)] if len(false) > int(allowed) else -np.inf


def random_floor(events: Sequence[Event], *, rate: float, grace: Step = DAY) -> float:
    """Expected recall of alarms thrown at random with ``rate`` per meter-month: 1 - exp(-rate * length).
    Faults that last weeks are found by chance; without this floor a recall says little."""
    lengths = np.array([float((e.end + grace - e.start) / DAY) for e in events])
    return float((1.0 - np.exp(-rate * lengths / MONTH_DAYS)).mean()) if len(lengths) else float("nan")
