"""One round: find what has changed among the inputs, and compute that again, and nothing else.

The store is the meeting place: inputs are read there, values are written there. A value that comes out
otherwise than before, because an input came late or was corrected, is a new revision; one whose inputs are
gone is withdrawn. Killed at any moment, the next round ends at the same values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from udp.derived import marks
from udp.derived.formulas import FORMULAS, Formula, Values, usable
from udp.derived.plan import register, wanted
from udp.registry.database import Database
from udp.registry.port import Derivation, Inventory
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Observations, Period
from udp.store.digits import rounded
from udp.store.port import ObservationStore, Prunable

# Quality may change where no number does, and an hour ends without anybody saying so: the last days are
# looked at now and then, whatever their inputs came to.
RECENT = timedelta(days=2)
RECENT_EVERY = timedelta(minutes=10)
LOOK_BACK = timedelta(days=400)


@dataclass(slots=True)
class Tally:
    """What one round did."""

    datastreams: int = 0
    days: int = 0
    new: int = 0
    changed: int = 0
    withdrawn: int = 0

    def __str__(self) -> str:
        return (
            f"{self.datastreams} computed Datastreams, {self.days} days looked at, {self.new} new values, "
            f"{self.changed} changed, {self.withdrawn} withdrawn"
        )


@dataclass(slots=True)
class Deriving:
    """The ports. `look_back`: how old an input may be whose coming late is noticed."""

    registry: SqlRegistry
    store: ObservationStore
    now: Callable[[], datetime]
    formulas: Sequence[Formula] = FORMULAS
    look_back: timedelta = LOOK_BACK
    _inventory: Inventory | None = field(default=None, init=False)
    _looked_at: datetime | None = field(default=None, init=False)

    def round(self, *, again: bool = False) -> Tally:
        """`again`: also what has not changed. Repeating changes nothing."""
        inventory, now = self._planned(), self.now()
        tally = Tally(datastreams=len(inventory.derived))
        if not inventory.derived:
            return tally
        start = marks.day_of(now - self.look_back)
        period = Period(_begin(start), _begin(marks.day_of(now) + 1))
        kept = marks.SqlMarks(self._database)
        before, after = kept.read(start), marks.seen(self.store, inventory.derived, period)
        forgotten = self.store.pruned() if isinstance(self.store, Prunable) else {}
        recent = self._recent(now)
        for number, how in inventory.derived.items():
            old, fresh = before.get(number, {}), after[number]
            gone = old.keys() - fresh.keys()
            dirty = {
                day for day, mark in fresh.items() if again or day >= recent or old.get(day) != mark
            } | gone
            raw_since = max((forgotten[one] for one in how.inputs if one in forgotten), default=None)
            work = _Work(number, how, self._formula(how), inventory, forgotten.get(number))
            for span in marks.runs(dirty):
                self._compute(work, span, raw_since, tally)
            tally.days += len(dirty)
            kept.keep(
                number,
                {day: fresh[day] for day in dirty if day in fresh and old.get(day) != fresh[day]},
                gone,
            )
        return tally

    @property
    def _database(self) -> Database:
        return self.registry.database

    def _planned(self) -> Inventory:
        """The register with everything that can be computed; asked anew when its version has moved."""
        known = self._inventory
        if known is None or known.version != self.registry.version():
            if register(self._database, wanted(self.registry.inventory(), self.formulas)):
                known = None
            self._inventory = known = self.registry.inventory()
        return known

    def _recent(self, now: datetime) -> int:
        """The first of the days that are looked at in this round whatever their marks say."""
        if self._looked_at is not None and timedelta(0) <= now - self._looked_at < RECENT_EVERY:
            return marks.day_of(now) + 1
        self._looked_at = now
        return marks.day_of(now - RECENT)

    def _formula(self, how: Derivation) -> Formula:
        return next(one for one in self.formulas if one.key == how.formula)

    def _compute(self, work: _Work, span: Period, raw_since: datetime | None, tally: Tally) -> None:
        spread = work.formula.spread
        out = Period(span.start - spread, span.end + spread)
        if raw_since is not None:
            # Of what was forgotten only hours and days are left: what was computed from it stays.
            first = raw_since + 2 * spread
            if first >= out.end:
                return
            out = Period(max(out.start, first), out.end)
        if work.since is not None:
            # Its own values of then were deleted: computed again, they would be deleted again, for ever.
            if work.since >= out.end:
                return
            out = Period(max(out.start, work.since), out.end)
        read = self.store.read(work.how.inputs, Period(out.start - spread, out.end + spread))
        made = kept(within(work.formula.compute(work.inputs(read), work.every(), _instant(self.now())), out))
        known = self.store.read([work.number], out)
        batch = _revised(work.number, made, known, _instant(self.now()), tally)
        if len(batch):
            self.store.append(batch)


@dataclass(frozen=True, slots=True)
class _Work:
    """One computed Datastream of one round. `since`: before it retention has deleted its values."""

    number: int
    how: Derivation
    formula: Formula
    inventory: Inventory
    since: datetime | None

    def inputs(self, read: Observations) -> dict[str, Observations]:
        """By observed property, what may be used of it."""
        return {
            self.inventory.datastreams[one].observed_property.key: usable(read.take(read.datastream == one))
            for one in self.how.inputs
        }

    def every(self) -> Mapping[str, float]:
        """How often each input is expected, in seconds."""
        streams = (self.inventory.datastreams[one] for one in self.how.inputs)
        return {one.observed_property.key: one.expected_interval_s for one in streams}


def within(made: Values, period: Period) -> Values:
    """What lies in [start, end)."""
    keep = (made.time >= _instant(period.start)) & (made.time < _instant(period.end))
    return made.taken(keep)


def kept(made: Values) -> Values:
    """As every engine gives them back: an instance that moves must not find them changed."""
    return made._replace(result=rounded(made.result))


def _revised(
    number: int, made: Values, known: Observations, now: np.datetime64, tally: Tally
) -> Observations:
    """What is new, what differs from what is known (as a new revision), and what must go."""
    place = np.searchsorted(known.phenomenon_time, made.time)
    there = np.minimum(place, max(len(known) - 1, 0))
    same_time = known.phenomenon_time[there] == made.time if len(known) else np.zeros(len(made.time), bool)
    fresh, differs = ~same_time, same_time.copy()
    if len(known):
        equal = (known.result[there] == made.result) & (known.quality[there] == made.quality)
        differs &= ~equal
    changed = there[differs]
    lost = ~np.isin(known.phenomenon_time, made.time) & (known.rule != QualityRule.WITHDRAWN)
    gone = known.take(lost)
    tally.new += int(fresh.sum())
    tally.changed += int(differs.sum())
    tally.withdrawn += len(gone)
    parts = [
        Observations.build(
            number, made.time[fresh], made.result[fresh], result_time=made.known[fresh],
            quality=made.quality[fresh], rule=QualityRule.NONE,
        ) if fresh.any() else Observations.empty(),
        Observations.build(
            number, made.time[differs], made.result[differs], result_time=now,
            quality=made.quality[differs], revision=known.revision[changed] + 1,
        ) if differs.any() else Observations.empty(),
        Observations.build(
            number, gone.phenomenon_time, gone.result, result_time=now, quality=Quality.BAD,
            rule=QualityRule.WITHDRAWN, revision=gone.revision + 1,
        ) if len(gone) else Observations.empty(),
    ]  # fmt: skip
    return Observations.concatenate(parts)


def _begin(day: int) -> datetime:
    (period,) = marks.runs([day])
    return period.start


def _instant(moment: datetime) -> np.datetime64:
    return np.datetime64(moment.replace(tzinfo=None), "us")
