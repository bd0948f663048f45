"""Observations on their way to where they stand: what the register says of them first, then the store.

Writers of this interface take turns over all processes; ingest and replays write meanwhile. Where one of
them was quicker the Observation goes behind, and a change is Superseded. What the store does not take is
taken back; only a store that fails between two appends of a list may keep a part, which the same list finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from udp.api.desk import Writable
from udp.api.problems import Conflict
from udp.api.sensorthings import observing
from udp.api.sensorthings.composing import Wish
from udp.api.sensorthings.noted import identities
from udp.api.sensorthings.observing import Row
from udp.errors import PlatformError, StoreUnavailable
from udp.registry import writing
from udp.registry.port import Inventory
from udp.registry.sql import grow, lock
from udp.registry.written import Identity, Written, notes, notes_in
from udp.store.columns import Observations


class Superseded(Conflict):
    """What was to be changed is no longer what was read."""


@dataclass(slots=True)
class Keeping:
    """The Observations of one request."""

    to: Writable
    inventory: Inventory
    written: Written
    now: datetime
    _former: dict[Identity, tuple[Mapping[str, Any], bool] | None] = field(default_factory=dict)
    _taken: list[Observations] = field(default_factory=list)

    def placed(self, wishes: Sequence[Wish]) -> list[Row]:
        """Where each is to stand."""
        found = []
        for one in wishes:
            made = observing.row(one.series, one.properties, self.now)
            if one.place is not None and not one.moved and made.time != one.place[1]:
                note = {"phenomenonTime": one.properties["phenomenonTime"], **made.note}
                made = replace(made, time=one.place[1], note=note)
            found.append(made)
        own = {one.place: one.revision for one in wishes if one.place is not None}
        return observing.placed(self.to.store, found, lambda wanted: notes(self.to.database, wanted), own)

    def note(self, connection: Connection, rows: Sequence[Row]) -> bool:
        """Say in the register what the store does not hold; whether who reads must learn that."""
        written = self.written
        # Also where there is nothing to say: what was said of a former one counts no longer.
        told = [one for one in rows if one.note or one.series in written.noted]
        self._remember(connection, [one.identity for one in told])
        for one in told:
            withdrawn = one.series in written.withdrawn
            writing.put_note(connection, one.identity, one.note, withdrawn=withdrawn)
        return any(_is_news(one, written) for one in told)

    def keep(self, wishes: Sequence[Wish], rows: Sequence[Row]) -> list[Row]:
        """Durable on return: where each stands. Superseded, Conflict, StoreUnavailable: then undo."""
        rows, left = list(rows), list(range(len(rows)))
        for _ in range(observing.ROUNDS):
            asked = [rows[number] for number in left]
            overtaken, taken = observing.store_rows(self.to.store, asked, self.inventory, self.now)
            self._taken.append(taken)
            if not overtaken:
                return rows
            left = [number for number in left if rows[number].identity in overtaken]
            if any(wishes[number].place == rows[number].identity for number in left):
                raise Superseded("the Observation is corrected by others again and again; repeat it later")
            again = self._behind([wishes[number] for number in left], overtaken)
            for number, one in zip(left, again, strict=True):
                rows[number] = one
        raise Conflict("others write to this Datastream without end; repeat it later")

    def withdraw(self, rows: Observations, note: Mapping[str, Any]) -> None:
        """Take back what stands; in the register first."""
        places = identities(rows)
        with self.to.database.writing() as connection:
            self._remember(connection, places)
            for identity in places:
                writing.put_note(connection, identity, note, withdrawn=True)
            if not self.written.withdrawn.issuperset(rows.datastream.tolist()):
                lock(connection)
                grow(connection, self.now)
        try:
            observing.withdraw(self.to.store, rows, self.now)
        except PlatformError:
            self._restore(places)
            raise

    def undo(self) -> None:
        """Nothing of it remains."""
        self._restore(list(self._former))
        taken = Observations.concatenate(self._taken)
        if len(taken):
            with suppress(StoreUnavailable):
                self.withdraw(taken, {})

    def _behind(self, wishes: Sequence[Wish], overtaken: Iterable[Identity]) -> list[Row]:
        """What was said of them must not be told of those who were quicker."""
        self._restore(overtaken)
        again = self.placed(wishes)
        with self.to.database.writing() as connection:
            if self.note(connection, again):
                lock(connection)
                grow(connection, self.now)
        return again

    def _remember(self, connection: Connection, places: Sequence[Identity]) -> None:
        found = notes_in(connection, places)
        for one in places:
            self._former.setdefault(one, found.get(one))

    def _restore(self, places: Iterable[Identity]) -> None:
        with self.to.database.writing() as connection:
            for one in set(places).intersection(self._former):
                former = self._former.pop(one)
                if former is None:
                    writing.drop_note(connection, one)
                else:
                    writing.put_note(connection, one, former[0], withdrawn=former[1])


def _is_news(row: Row, written: Written) -> bool:
    kinds = ((True, written.noted), ("result" in row.note, written.wordy))
    spans = ("phenomenonTime" in row.note, written.spanning)
    return any(said and row.series not in series for said, series in (*kinds, spans))
