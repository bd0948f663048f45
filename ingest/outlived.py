"""Find values whose day was deleted before they came: a store takes them and keeps nothing of them.

Retention forgets whole days, and nothing may bring one back. Values that are honestly that old go the
way of their day and are counted; one whose clock is wrong is not old, so its message is set aside.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from edge.wire.instants import microseconds
from ingest.heard import Unusable
from ingest.quality import Verdict
from udp.sensorthings import QualityRule
from udp.store.columns import Mask, Observations
from udp.store.port import ObservationStore, Prunable
from udp.store.statistics import DAY_US


def outlived(store: ObservationStore, appended: Observations, now_us: int) -> Mask:
    """Which of the values just appended are not kept; `now_us`: about now, by our clock. StoreUnavailable.

    Asked after appending: limits only move forward, so whatever was dropped lies behind them now.
    """
    time = appended.phenomenon_time.astype(np.int64)
    # Limits are midnights of the past: live data, nearly all there is, costs no question.
    if not isinstance(store, Prunable) or not (time < now_us - DAY_US).any():
        return np.zeros(len(appended), np.bool_)
    limits = {one: microseconds(limit) for one, limit in store.pruned().items()}
    before = np.array([limits.get(one, 0) for one in appended.datastream.tolist()], np.int64)
    return time < before


def misdated(verdict: Verdict, gone: Mask) -> Iterator[tuple[int, Unusable]]:
    """The messages (by number) that only a wrong clock made old, and what to do about each."""
    values = verdict.observations
    wrong = np.flatnonzero(gone & (values.rule == QualityRule.CLOCK))
    for row in {int(verdict.source[row]): row for row in wrong[::-1].tolist()}.values():
        at = np.datetime_as_string(values.phenomenon_time[row], "m")
        yield (
            int(verdict.source[row]),
            Unusable(
                f"the clock is wrong: it says {at} UTC, and Datastream {values.datastream[row]} keeps "
                "nothing that old any more",
                "set the clock of the device or the gateway; the values are in these bytes, under a time "
                "nobody knows",
            ),
        )
