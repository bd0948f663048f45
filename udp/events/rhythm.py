"""How often somebody speaks, learned from when he spoke: what silence is, differs from device to device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from udp.store.columns import Times

FEWEST = 30
"""Fewer gaps than this teach nothing: the profile's expected interval counts."""
_MISSED = 3
# One false alarm in so many gaps: a city of 300 devices that speak every ten minutes has 6e5 in 14 days.
_RARE = 1e-8
_RARE_WHILE_NEW = 1e-6  # only the first thirty gaps of each are judged so
_JITTER = 0.5  # no sensor keeps its time to the second
_NEWEST = 100
_LOG_HUNDRED = math.log(100)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """`usual`: every so often; `limit`: longer than this is silence; from `gaps` gaps, 0 when not learned."""

    usual: timedelta
    limit: timedelta
    gaps: int = 0

    @property
    def learned(self) -> bool:
        """False while it is the profile's word only."""
        return self.gaps > 0


def expected(interval: timedelta, shortest: timedelta, *, heard: int = 0, lost: int = 0) -> Rhythm:
    """Before anything is learned: as many expected intervals as chance does not swallow one after another.

    `heard` and `lost` frames (by the frame counter) say how often the radio loses one; with nothing
    known, one in four counts as lost. Wired sensors lose nothing: see `wired`.
    """
    share = (lost + 1) / (heard + lost + 4)
    missed = max(_MISSED, math.ceil(math.log(_RARE_WHILE_NEW) / math.log(share)))
    return Rhythm(interval, max((missed + _JITTER) * interval, shortest))


def wired(interval: timedelta, shortest: timedelta) -> Rhythm:
    """Before anything is learned, where no radio lies between: three intervals."""
    return Rhythm(interval, max((_MISSED + _JITTER) * interval, shortest))


def learn(spoke: Times, shortest: timedelta) -> Rhythm | None:
    """From the moments somebody spoke (any order, repeats count once); None while that is too little.

    Losses on the radio thin gaps out exponentially: a gap that one in a hundred exceeds becomes, times
    ln(1e8) / ln(100) = 4, one that one in a hundred million exceeds. The longest gap seen, outages
    aside, bounds it by the same law. Losses and nights stretch the limit; an old outage hardly does:
    it is one gap among hundreds.
    """
    moments = np.unique(spoke.astype("datetime64[s]").astype(np.int64))
    gaps = np.diff(moments).astype(np.float64)
    if len(gaps) < FEWEST:
        return None
    usual, seldom = (float(one) for one in np.quantile(gaps, (0.5, 0.99), method="higher"))
    rare = -math.log(_RARE)
    longest = float(gaps[gaps <= 20 * max(seldom, usual)].max())
    limit = min(seldom * rare / _LOG_HUNDRED, longest * rare / math.log(len(gaps)))
    limit = max(_MISSED * usual, limit, shortest.total_seconds())
    return Rhythm(timedelta(seconds=usual), timedelta(seconds=limit), len(gaps))


def learn_wired(spoke: Times, shortest: timedelta) -> Rhythm | None:
    """Where no radio loses anything: silence is three and a half of the usual gaps, by the newest hundred."""
    moments = np.unique(spoke.astype("datetime64[s]").astype(np.int64))
    gaps = np.diff(moments)[-_NEWEST:].astype(np.float64)
    if len(gaps) < FEWEST:
        return None
    # Nine in ten are shorter: an outage among the newest does not count.
    usual = float(np.quantile(gaps, 0.9, method="higher"))
    limit = max((_MISSED + _JITTER) * usual, shortest.total_seconds())
    return Rhythm(timedelta(seconds=usual), timedelta(seconds=limit), len(gaps))
