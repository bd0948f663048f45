"""Believe how much lies in a container, hour by hour, though what is heard may be about something else.

A hidden Markov model over the content in cells (Rabiner 1989, Proc. IEEE 77): content rises by inflow,
settles a little, slides, and drops to the floor when emptied. For hours or days a sensor may be covered (by
snow, by what lies before it) or stuck: it then repeats itself and says nothing about the content.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.compiled import compiled
from models.series import Floats

SETTLING = 0.02
# What lies loose slides: the heap under the sensor loses up to half its height and nobody has come.
SLIDE = 0.008
# A sensor is covered a few times a year, for a day. Half a day is assumed: else a container into which nobody
# throws anything for weeks, always read alike, would pass for covered.
COVERED_PER_HOUR = 1.0 / 2000.0
UNCOVERED_PER_HOUR = 1.0 / 12.0
# What nobody sees rises slower than what is heard may be believed to rise.
UNSEEN = 0.25
UNSEEN_HOURS = 6
# What covers a sensor is nearer than the content, seldom farther; and repeats itself so exactly.
FARTHER = 0.1
AGAIN_CM = 2.2
# Readings that are about nothing.
NONSENSE = 0.02
ROOT = float(np.sqrt(2.0 * np.pi))


@dataclass(frozen=True, slots=True)
class Pace:
    """How a container lives: rises per hour, the mean of a rise (cells), emptyings per hour."""

    rises: float
    cells: float
    crews: float


@dataclass(frozen=True, slots=True)
class Heard:
    """Each hour's ``reading`` (hours,), cm, NaN in silence; ``of_content`` (hours, cells) is its likelihood
    if it is about the content, ones in silence, which then is at ``distance`` (cells,), cm; ``rises``
    (hours,) as in Pace, hour by hour."""

    reading: Floats
    distance: Floats
    of_content: Floats
    rises: Floats


@dataclass(frozen=True, slots=True)
class Belief:
    """Probability of each content: seen, and while covered; both (hours, cells). ``again`` (hours,) is how
    likely the reading is if the sensor still was covered by the same."""

    seen: Floats
    covered: Floats
    again: Floats

    def mean(self, content: Floats) -> Floats:
        """Expected content, (hours,)."""
        return np.asarray(self.seen @ content + self.covered @ content)


def forward(heard: Heard, floor: Floats, pace: Pace) -> Belief:
    """By what was known at each hour."""
    of = (heard.reading, heard.distance, heard.of_content, heard.rises)
    return Belief(*_forward(of, floor, (pace.cells, pace.crews)))


def backward(belief: Belief, heard: Heard, floor: Floats, pace: Pace) -> tuple[Belief, Floats]:
    """By the whole record, and the probability of an emptying in each hour (forward-backward)."""
    of = (heard.reading, heard.distance, heard.of_content, heard.rises)
    before = (belief.seen, belief.covered, belief.again)
    seen, covered, crew = _backward(before, of, floor, (pace.cells, pace.crews))
    return Belief(seen, covered, belief.again), crew


@compiled
def moved(belief: Floats, rise: float, cells: float) -> Floats:
    """One hour of inflow, settling and sliding without emptying: geometric rises kept within the container,
    falls to anything between half and all of the height."""
    n = len(belief)
    out = np.zeros(n)
    keep = 1.0 - 1.0 / cells
    up, begun = 0.0, np.zeros(n + 1)
    for s in range(n):
        slides = SLIDE if s > 1 else 0.0
        out[s] += (1.0 - rise - SETTLING - slides) * belief[s] + up * (1.0 - keep)
        up = up * keep + rise * belief[s]
        out[max(s - 1, 0)] += SETTLING * belief[s]
        if slides > 0.0:
            share = slides * belief[s] / (s // 2)
            begun[s - s // 2] += share
            begun[s] -= share
    out[n - 1] += up
    sliding = 0.0
    for s in range(n):
        sliding += begun[s]
        out[s] += sliding
    return out


@compiled
def _moved_back(message: Floats, rise: float, cells: float) -> Floats:
    """Transpose of `moved`."""
    n = len(message)
    out = np.zeros(n)
    keep = 1.0 - 1.0 / cells
    up, until = message[n - 1], np.zeros(n + 1)
    for s in range(n):
        until[s + 1] = until[s] + message[s]
    for s in range(n - 1, -1, -1):
        slides = SLIDE if s > 1 else 0.0
        out[s] = (1.0 - rise - SETTLING - slides) * message[s] + SETTLING * message[max(s - 1, 0)] + rise * up
        up = (1.0 - keep) * message[s] + keep * up
        if slides > 0.0:
            out[s] += slides * (until[s] - until[s - s // 2]) / (s // 2)
    return out


@compiled
def _unseen(belief: Floats, t: int, rise: float, cells: float) -> Floats:
    """What is covered moves too, but nobody needs to know when."""
    return moved(belief, rise * UNSEEN * UNSEEN_HOURS, cells) if t % UNSEEN_HOURS == 0 else belief


@compiled
def _unseen_back(message: Floats, t: int, rise: float, cells: float) -> Floats:
    """Transpose of `_unseen`."""
    return _moved_back(message, rise * UNSEEN * UNSEEN_HOURS, cells) if t % UNSEEN_HOURS == 0 else message


@compiled
def _entering(reading: float, distance: float, depth: float) -> float:
    """Probability that a sensor is covered in this hour and then says so; none in silence."""
    if not np.isfinite(reading):
        return 0.0
    return COVERED_PER_HOUR * (1.0 if reading < distance else FARTHER) / depth


@compiled
def _of_the_same(reading: float, before: float, depth: float) -> float:
    """Likelihood of a reading if the sensor is still covered by what was heard before."""
    if not np.isfinite(reading):
        return 1.0
    away = (reading - before) / AGAIN_CM
    near = float(np.exp(-0.5 * away * away)) / (AGAIN_CM * ROOT)
    return (1.0 - NONSENSE) * near + NONSENSE / depth


@compiled
def _forward(
    of: tuple[Floats, Floats, Floats, Floats], floor: Floats, pace: tuple[float, float]
) -> tuple[Floats, Floats, Floats]:
    reading, distance, of_content, rises = of
    hours, n = of_content.shape
    cells, crews = pace
    seen, covered, again = np.empty((hours, n)), np.empty((hours, n)), np.ones(hours)
    seen[0] = of_content[0]
    for s in range(n):
        covered[0, s] = _entering(reading[0], distance[s], distance[0]) / UNCOVERED_PER_HOUR
    first = seen[0].sum() + covered[0].sum()
    seen[0] /= first
    covered[0] /= first
    # What the sensor said when it was covered; of several possible covers the likeliest is followed.
    same = reading[0] if np.isfinite(reading[0]) else -np.inf
    for t in range(1, hours):
        stay = moved(seen[t - 1], rises[t], cells) * (1.0 - crews)
        under = _unseen(covered[t - 1], t, rises[t], cells) * (1.0 - crews)
        again[t] = _of_the_same(reading[t], same, distance[0])
        entered, kept = 0.0, 0.0
        for s in range(n):
            enter = _entering(reading[t], distance[s], distance[0]) * (stay[s] + under[s])
            keep = (1.0 - UNCOVERED_PER_HOUR) * again[t] * under[s]
            out = (1.0 - COVERED_PER_HOUR) * stay[s] + UNCOVERED_PER_HOUR * under[s] + floor[s] * crews
            seen[t, s] = out * of_content[t, s]
            covered[t, s] = enter + keep
            entered, kept = entered + enter, kept + keep
        if entered > kept:
            same = reading[t]
        total = seen[t].sum() + covered[t].sum()
        if total < 1e-300:
            seen[t], covered[t] = seen[t - 1], covered[t - 1]
            continue
        seen[t] /= total
        covered[t] /= total
    return seen, covered, again


@compiled
def _backward(
    before: tuple[Floats, Floats, Floats],
    of: tuple[Floats, Floats, Floats, Floats],
    floor: Floats,
    pace: tuple[float, float],
) -> tuple[Floats, Floats, Floats]:
    seen, covered, again = before
    reading, distance, of_content, rises = of
    hours, n = seen.shape
    cells, crews = pace
    smooth, under = np.empty((hours, n)), np.empty((hours, n))
    crew = np.zeros(hours)
    open_, shut = np.ones(n), np.ones(n)
    from_seen, from_covered = np.empty(n), np.empty(n)
    smooth[hours - 1], under[hours - 1] = seen[hours - 1], covered[hours - 1]
    for t in range(hours - 1, 0, -1):
        fresh = 0.0
        for s in range(n):
            weighted = of_content[t, s] * open_[s]
            enter = _entering(reading[t], distance[s], distance[0]) * shut[s]
            stay = (1.0 - UNCOVERED_PER_HOUR) * again[t] * shut[s]
            from_seen[s] = (1.0 - COVERED_PER_HOUR) * weighted + enter
            from_covered[s] = UNCOVERED_PER_HOUR * weighted + stay + enter
            fresh += crews * floor[s] * weighted
        one = _moved_back(from_seen, rises[t], cells) * (1.0 - crews) + fresh
        other = _unseen_back(from_covered, t, rises[t], cells) * (1.0 - crews) + fresh
        smooth[t - 1], under[t - 1] = seen[t - 1] * one, covered[t - 1] * other
        total = smooth[t - 1].sum() + under[t - 1].sum()
        if total < 1e-300:
            open_, shut = np.ones(n), np.ones(n)
            smooth[t - 1], under[t - 1] = seen[t - 1], covered[t - 1]
            continue
        crew[t] = fresh / total
        open_, shut = one / total, other / total
        smooth[t - 1] /= total
        under[t - 1] /= total
    return smooth, under, crew
