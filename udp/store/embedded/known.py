"""Which revision of an identity the closed days already hold: replays and late data must not double."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from udp.store.columns import Ints, Observations
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.kept import Kept
from udp.store.embedded.places import ColdFile, Span
from udp.store.statistics import DAY_US

# A replay walks day by day through all series: then a whole day's keys (32 bytes a row) are kept,
# because asking a month's file again for every batch would cost a second each.
_MANY_DATASTREAMS = 64
_DAYS_KEPT = 3


class _Keys(NamedTuple):
    """Identities and revisions of one day, ascending; `joined` is datastream and time in one number."""

    joined: Ints
    lead: Ints
    revision: Ints


class KnownRevisions:
    """Looks identities up in Parquet."""

    def __init__(self, cold: ColdFolder) -> None:
        self._cold = cold
        self._days = Kept[_Keys](_DAYS_KEPT)

    def revisions(self, file: ColdFile, rows: Observations) -> Ints:
        """Revision `file` holds for each row's identity, -1 for none. All rows lie in its days."""
        time = rows.phenomenon_time.astype(np.int64)
        days = time // DAY_US
        found = np.full(len(rows), -1, np.int64)
        for day in np.unique(days).tolist():
            at = np.flatnonzero(days == day)
            part = rows.take(at)
            wanted = np.unique(part.datastream)
            if len(wanted) > _MANY_DATASTREAMS or self._days.get((file.name, day)) is not None:
                keys = self._whole_day(file, day)
            else:
                span = Span(int(time[at].min()), int(time[at].max()) + 1)
                keys = _keys(self._cold.read(file, wanted, span), day)
            found[at] = _find(keys, _joined(part, day), part.lead)
        return found

    def _whole_day(self, file: ColdFile, day: int) -> _Keys:
        return self._days.of(
            (file.name, day), None, lambda: _keys(self._cold.read_identities(file, day), day)
        )


def _joined(rows: Observations, day: int) -> Ints:
    # 10^8 datastreams times a day's microseconds stay below 2^63.
    return rows.datastream * DAY_US + (rows.phenomenon_time.astype(np.int64) - day * DAY_US)


def _keys(rows: Observations, day: int) -> _Keys:
    return _Keys(_joined(rows, day), rows.lead, rows.revision)


def _find(keys: _Keys, joined: Ints, lead: Ints) -> Ints:
    low = np.searchsorted(keys.joined, joined, "left")
    high = np.searchsorted(keys.joined, joined, "right")
    found = np.full(len(joined), -1, np.int64)
    single = np.flatnonzero(high == low + 1)
    hit: Any = single[keys.lead[low[single]] == lead[single]]
    found[hit] = keys.revision[low[hit]]
    # Forecasts: several leads for one time.
    for at in np.flatnonzero(high > low + 1).tolist():
        of_time = slice(low[at], high[at])
        place = low[at] + np.searchsorted(keys.lead[of_time], lead[at])
        if place < high[at] and keys.lead[place] == lead[at]:
            found[at] = keys.revision[place]
    return found
