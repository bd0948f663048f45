"""Observations in InfluxDB: line protocol in, InfluxQL out (1.8, 2.x, 3.x; 1.6 with write_api "v1").

2.x answers InfluxQL for a bucket through its DBRP mapping (`influx v1 dbrp create --db udp --rp
autogen --default --bucket-id ...`; buckets have one by default since 2.1); 3.x takes the database's
name. InfluxDB 3 Core limits a query to about 72 hours of files: for history use 2.7 or VictoriaMetrics.

Pruning asks for InfluxQL's DELETE (1.x, 2.x; 3.x has none and refuses).

What it cannot promise: a body that fails half-way (retention, type conflict) stays half written;
two processes that write one identity within the same moment overwrite each other (udp.store.occupied).
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from udp.errors import StoreRejected, StoreUnavailable
from udp.store import server_answers as answers
from udp.store import statistics
from udp.store.acceptance import require_storable, storable_span, whole_day
from udp.store.columns import Aggregates, Function, Ints, Observations, Period
from udp.store.influx_pruning import EPOCH, InfluxPruner
from udp.store.influx_writer import InfluxWriter
from udp.store.line_server import LineServer, PlainWriter
from udp.store.occupied import OccupiedPlaces
from udp.store.port import Pruned
from udp.store.server_settings import InfluxDBSettings
from udp.store.statistics import Statistics
from udp.store.web import WebEndpoint

_NAME = "InfluxDB"
# InfluxDB evaluates a list of equalities by its index; beyond this many a pattern is shorter to parse.
_FEW_DATASTREAMS = 50
# In the order of Statistics.
_SELECTORS = {
    "count": "count", "total": "sum", "minimum": "min", "maximum": "max", "first": "first", "last": "last",
}  # fmt: skip


class InfluxDBStore:
    """Translates the port to line protocol and InfluxQL."""

    def __init__(
        self, settings: InfluxDBSettings, now: Callable[[], datetime], *, read_only: bool = False
    ) -> None:
        """Connects with the first call, so ingest starts while the server is still down."""
        self._now = now
        token = settings.token.reveal()
        self._database = settings.database
        web = WebEndpoint(
            settings.url,
            name=_NAME,
            timeout_s=settings.timeout.total_seconds(),
            headers=_authorization(token),
        )
        writer = (
            InfluxWriter(
                settings.url,
                name=_NAME,
                token=token or "none",
                org=settings.org or "-",
                bucket=settings.database,
                timeout=settings.timeout,
            )
            if settings.write_api == "v2"
            else PlainWriter(web, settings.database)
        )
        self._server = LineServer(
            web, writer, name=_NAME, measurement=settings.measurement, read_only=read_only
        )
        self._pruner = InfluxPruner(settings.measurement, self._series, self._server.give)
        self._occupied = OccupiedPlaces(self.read, self.latest, 1)

    def append(self, batch: Observations) -> Ints:
        """See ObservationStore; all or none per 50,000 rows, and only if the server takes every row."""
        self._server.require_writer()
        require_storable(batch)
        kept = np.flatnonzero(~self._pruner.forgotten(batch))
        taken = batch if len(kept) == len(batch) else batch.take(kept)
        refused: Ints = kept[self._server.append(taken, self._occupied)]
        return refused

    def read(
        self, datastreams: Collection[int], period: Period, as_of: datetime | None = None
    ) -> Observations:
        """See ObservationStore."""
        wanted = answers.ascending_ids(datastreams)
        parts = [
            self._select(
                "result, quality, rule, result_time",
                f"{_any_of(some)} AND {_within(*storable_span(period))}",
                "datastream, lead, revision",
            )
            for some in answers.portions(wanted)
        ]
        return answers.visible(_observations(s for part in parts for s in part), as_of)

    def latest(self, datastreams: Collection[int] | None = None) -> Observations:
        """See ObservationStore."""
        if datastreams is None:
            conditions = ["lead = ''"]
        else:
            conditions = [
                f"lead = '' AND {_any_of(some)}"
                for some in answers.portions(answers.ascending_ids(datastreams))
            ]
        series = [
            one
            for condition in conditions
            for one in self._select(
                "last(result) AS result, quality, rule, result_time",
                condition,
                "datastream, revision, bad, doubted",
            )
        ]
        return answers.current_of(_observations(iter(series)), self.read)

    def aggregate(
        self,
        datastreams: Collection[int],
        period: Period,
        every: timedelta,
        functions: Collection[Function],
    ) -> Aggregates:
        """See ObservationStore; corrected Datastreams are aggregated here, all others by the server."""
        length = statistics.microseconds(every)
        start, end = storable_span(period)
        wanted = answers.ascending_ids(datastreams)
        parts = [self._condensed(wanted, start, end, length, answers.needed(functions))]
        if length % statistics.HOUR_US == 0:
            # First in order: of one bucket, what is forgotten is older than what is not.
            parts.insert(0, statistics.condense(self._pruner.hours(wanted, start, end), length))
        return statistics.aggregates(Statistics.concatenate(parts), every, functions)

    def prune(self, datastreams: Collection[int], before: datetime) -> Pruned:
        """See Prunable; the values leave answers at once, and files when the server compacts them."""
        self._server.require_writer()
        day = whole_day(before, self._now())

        def hourly(wanted: Ints, start: int, end: int) -> Statistics:
            condensed = self._condensed(wanted, start, end, statistics.HOUR_US, set(_SELECTORS))
            return statistics.condense(condensed, statistics.HOUR_US)

        values = self._pruner.prune(answers.ascending_ids(datastreams), day, hourly)
        return Pruned(day, values, unreadable=False)

    def pruned(self) -> Mapping[int, datetime]:
        """See Prunable."""
        return self._pruner.pruned()

    def adopt(self, datastreams: Collection[int], before: datetime, hours: Aggregates) -> None:
        """See Prunable."""
        self._server.require_writer()
        kept = statistics.of_hours(hours, datastreams, before)
        there = self.read(datastreams, Period(EPOCH, before))
        if len(there):
            raise StoreRejected(
                f"Datastream {there.datastream[0]} has single values before {before} here: hours of another "
                "past cannot be put in their place"
            )
        self._pruner.adopt(answers.ascending_ids(datastreams), before, kept)

    def close(self) -> None:
        """See ObservationStore; a second call does nothing."""
        self._server.close()

    def _condensed(self, wanted: Ints, start: int, end: int, length: int, needed: set[str]) -> Statistics:
        """Summaries out of raw values: by the server, where nothing was corrected."""
        corrected = np.intersect1d(wanted, self._corrected()) if len(wanted) else wanted
        parts = [
            self._buckets(some, start, end, length, needed)
            for some in answers.portions(np.setdiff1d(wanted, corrected))
        ]
        if len(corrected):
            parts.append(
                statistics.of_observations(self.read(corrected.tolist(), answers.period(start, end)))
            )
        return Statistics.concatenate(parts)

    def _buckets(self, wanted: Ints, start: int, end: int, length: int, needed: set[str]) -> Statistics:
        names = [name for name in _SELECTORS if name in needed or name == "count"]
        series = self._select(
            ", ".join(f"{_SELECTORS[name]}(result)" for name in names),
            f"lead = '' AND revision = '' AND bad = '' AND {_any_of(wanted)} AND {_within(start, end)}",
            f"datastream, time({length}u) fill(none)",
        )
        parts = []
        for one in series:
            time, *columns = zip(*one["values"], strict=True)
            asked = dict(zip(names, (np.array(column, np.float64) for column in columns), strict=True))
            unknown = np.full(len(time), np.nan)
            datastream = np.full(len(time), int(one["tags"]["datastream"]))
            values = (asked.get(name, unknown) for name in _SELECTORS)
            parts.append(Statistics(datastream, np.array(time, np.int64), *values))
        return Statistics.concatenate(parts)

    def _corrected(self) -> Ints:
        """Datastreams with any revision above 0."""
        measurement = self._server.measurement
        query = f"SHOW TAG VALUES FROM {measurement} WITH KEY = datastream WHERE revision != ''"
        return np.unique(
            [int(value) for one in self._series(query) for _, value in one["values"]] or np.empty(0, np.int64)
        )

    def _select(self, fields: str, condition: str, group: str) -> list[dict[str, Any]]:
        measurement = self._server.measurement
        query = f"SELECT {fields} FROM {measurement} WHERE {condition} GROUP BY {group}"  # noqa: S608 - numbers only
        return list(self._series(query))

    def _series(self, query: str) -> Iterator[dict[str, Any]]:
        form = [("db", self._database), ("epoch", "u"), ("chunked", "true"), ("q", query)]
        for answer in self._server.ask_lines("/query", form):
            for result in answer.get("results", []):
                if "error" in result:
                    raise StoreUnavailable(f"{_NAME} could not answer: {result['error']}")
                yield from result.get("series", [])


def _observations(series: Iterator[dict[str, Any]]) -> Observations:
    parts = []
    for one in series:
        tags = one["tags"]
        time, result, quality, rule, known = zip(*one["values"], strict=True)
        parts.append(
            Observations.build(
                int(tags["datastream"]),
                np.array(time, np.int64),
                np.array(result, np.float64),
                result_time=np.array(known, np.int64),
                lead=int(tags.get("lead") or 0),
                quality=np.array(quality, np.uint8),
                rule=np.array(rule, np.uint8),
                revision=int(tags["revision"] or 0),
            )
        )
    return Observations.concatenate(parts)


def _any_of(wanted: Ints) -> str:
    ids = wanted.tolist()
    if len(ids) <= _FEW_DATASTREAMS:
        return "(" + " OR ".join(f"datastream = '{one}'" for one in ids) + ")"
    return f"datastream =~ /^({'|'.join(map(str, ids))})$/"


def _within(start: int, end: int) -> str:
    return f"time >= {start}u AND time < {end}u"


def _authorization(token: str) -> dict[str, str]:
    if not token:
        return {}
    if ":" in token:
        return {"Authorization": "Basic " + base64.b64encode(token.encode()).decode()}
    return {"Authorization": f"Token {token}"}
