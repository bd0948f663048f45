"""The table `latest`: one current value per Datastream, changed in the transaction that changes the rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from udp.sensorthings import QualityRule
from udp.store.acceptance import END
from udp.store.columns import Observations
from udp.store.currency import current, doubted
from udp.store.embedded import hot
from udp.store.embedded.places import Span
from udp.store.embedded.reading import Reader
from udp.store.statistics import DAY_US

_CLOCK = QualityRule.CLOCK.value
_LATEST = f"""
INSERT INTO latest VALUES (?, ?, ?, ?, ?) ON CONFLICT (datastream) DO UPDATE SET
    time = excluded.time, result = excluded.result,
    result_time = excluded.result_time, mark = excluded.mark
WHERE (excluded.time = time AND excluded.mark >> 16 > mark >> 16)
    OR (excluded.mark & 255 = {_CLOCK}) < (mark & 255 = {_CLOCK})
    OR (excluded.time > time AND (excluded.mark & 255 = {_CLOCK}) = (mark & 255 = {_CLOCK}))
"""  # noqa: S608 - a constant
# How far back the search for another current value goes, in turn; then through everything.
_LOOK_BACK_US = (3 * DAY_US, 40 * DAY_US)
_ALWAYS = Span(0, int(END.astype(np.int64)))


def offer(connection: sqlite3.Connection, taken: Observations, reader: Reader) -> None:
    """Rows just taken in: each Datastream's most current one takes its place if it is more current."""
    measured = taken if not taken.lead.any() else taken.take(taken.lead == 0)
    ascending = bool(np.all(np.diff(measured.datastream) > 0))
    connection.executemany(_LATEST, _rows(measured if ascending else current(measured)))
    doubts = measured.take(doubted(measured) & (measured.revision > 0))
    if not len(doubts):
        return
    known = doubts.phenomenon_time.astype(np.int64).tolist()
    times = set(zip(doubts.datastream.tolist(), known, strict=True))
    shown = hot.read_latest(connection, np.unique(doubts.datastream))
    for datastream, time in zip(
        shown.datastream.tolist(), shown.phenomenon_time.astype(np.int64).tolist(), strict=True
    ):
        if (datastream, time) in times:
            spans = [Span(max(0, time - back), time + 1) for back in _LOOK_BACK_US]
            _reelect(connection, reader, datastream, [*spans, _ALWAYS])


def withdraw(connection: sqlite3.Connection, reader: Reader, datastream: int, before: int) -> None:
    """What is forgotten is not current either; a younger value of a doubted clock may be."""
    found = connection.execute("DELETE FROM latest WHERE datastream = ? AND time < ?", (datastream, before))
    if found.rowcount:
        _reelect(connection, reader, datastream, [Span(before, _ALWAYS.end)])


def _reelect(connection: sqlite3.Connection, reader: Reader, datastream: int, spans: Iterable[Span]) -> None:
    """Look through `spans` in turn for a value whose clock is not doubted; else the last one's best."""
    for span in spans:
        rows = reader.observations(connection, np.array([datastream]), span)
        found = current(rows.take(rows.lead == 0))
        if len(found) and not doubted(found)[0]:
            break
    connection.executemany("INSERT OR REPLACE INTO latest VALUES (?, ?, ?, ?, ?)", _rows(found))


def _rows(rows: Observations) -> Iterator[tuple[Any, ...]]:
    return zip(
        rows.datastream.tolist(),
        rows.phenomenon_time.astype(np.int64).tolist(),
        rows.result.tolist(),
        rows.result_time.astype(np.int64).tolist(),
        hot.mark_of(rows).tolist(),
        strict=True,
    )
