"""What was said of single Observations beyond the store's columns counts in filters as what it holds does."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np

from udp.api.sensorthings.drafts import times
from udp.api.sensorthings.syntax import Interval
from udp.registry.written import Identity
from udp.store.columns import Observations

Notes: TypeAlias = Callable[[Iterable[Identity]], Mapping[Identity, Mapping[str, Any]]]


def no_notes(_wanted: Iterable[Identity]) -> Mapping[Identity, Mapping[str, Any]]:
    """For a view without a register."""
    return {}


def identities(rows: Observations) -> list[Identity]:
    """(series, microseconds, lead) of each row."""
    moments = rows.phenomenon_time.astype(np.int64).tolist()
    return list(zip(rows.datastream.tolist(), moments, rows.lead.tolist(), strict=True))


@lru_cache(maxsize=4096)
def time_of(written: str) -> Any:
    """A moment, or an Interval, of what was checked when it was written."""
    start, end = times("Observation", written)
    return start if end is None or end == start else Interval(start, end)


@dataclass(slots=True)
class Told:
    """The notes of some rows, read when a condition first needs them."""

    rows: Observations
    notes: Notes
    _found: Mapping[int, Mapping[str, Any]] | None = None

    def of(self, name: str) -> dict[int, Any]:
        """Place among the rows -> what was said under `name`, as filters compare it."""
        if self._found is None:
            at = {identity: place for place, identity in enumerate(identities(self.rows))}
            self._found = {at[key]: content for key, content in self.notes(at).items()}
        given = {place: content[name] for place, content in self._found.items() if name in content}
        if name in ("phenomenonTime", "validTime"):
            return {place: time_of(one) for place, one in given.items() if isinstance(one, str)}
        return given
