"""Observations in VictoriaMetrics: line protocol in; /api/v1/export and MetricsQL out.

One machine: url = "http://host:8428". Cluster (tenant 0): write_url =
"http://vminsert:8480/insert/0/influx", url = "http://vmselect:8481/select/0/prometheus"; put
`accountID:projectID` for the 0 when several cities share one. Start single node, vmselect and vmstorage with
`-dedup.minScrapeInterval=1ms`, so that a repeated write counts once, with a `-retentionPeriod` that
fits (its default is one month; older values are dropped silently), and with `-snapshotsMaxAge=1d`,
which removes what a crash between two of our requests may leave.

It cannot be pruned: the server deletes whole series only, whatever their age, and a value that came
between saving the younger ones and the deletion would be lost. Keep Datastreams with a duty to
delete in another engine, or in a server of their own with a short -retentionPeriod.

What it cannot promise: times are cut to whole milliseconds, so the second of two values of a Datastream
within one millisecond is not taken (append says so); values more than two days ahead of the server's clock
are dropped; two processes that write one identity within the same moment, or with `durable = false` one that
writes it twice within a second, may replace the first (udp.store.occupied); all or none holds per line only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from udp.store import server_answers as answers
from udp.store import statistics
from udp.store.acceptance import END, storable_span
from udp.store.columns import Aggregates, Floats, Function, Ints, Observations, Period
from udp.store.currency import doubted
from udp.store.digits import rounded
from udp.store.influx_writer import InfluxWriter
from udp.store.line_protocol import FIELDS
from udp.store.line_server import LineServer
from udp.store.occupied import OccupiedPlaces
from udp.store.server_settings import VictoriaMetricsSettings
from udp.store.settling import Disk
from udp.store.statistics import Statistics
from udp.store.web import WebEndpoint

_NAME = "VictoriaMetrics"
_MILLISECOND_US = 1_000
_CLEAR_OF_1970 = 4
# Below -search.maxPointsPerTimeseries, 30,000 by default.
_BUCKETS_PER_QUERY = 25_000
# `latest` looks back so many days from tomorrow, in turn, until every Datastream asked for has
# answered: almost all do within two, and a longer look reads a multiple of the values.
_LOOK_BACK_DAYS = (3, 40)
# Then at all times, from the end of what can be stored: what begins before 1970 finds nothing (1.79).
_END_MS = int(END.astype("datetime64[ms]").astype(np.int64))
_ALL_TIMES_DAYS = _END_MS // 86_400_000 - 150
_ALL_FIELDS = f"({'|'.join(FIELDS)})"
_AHEAD = timedelta(days=1)
_ROLLUPS = {
    "count": "count_over_time", "total": "sum_over_time", "minimum": "min_over_time",
    "maximum": "max_over_time", "first": "first_over_time", "last": "last_over_time",
}  # fmt: skip


SeriesKey = tuple[int, int, int, str, str]
"""datastream, lead, revision, bad, doubted"""


class VictoriaMetricsStore:
    """Translates the port to line protocol and MetricsQL."""

    resolution_us = _MILLISECOND_US

    def __init__(
        self, settings: VictoriaMetricsSettings, now: Callable[[], datetime], *, read_only: bool = False
    ) -> None:
        """Connects with the first call, so ingest starts while the server is still down."""
        token = settings.token.reveal()
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout_s = settings.timeout.total_seconds()

        def endpoint(url: str) -> WebEndpoint:
            return WebEndpoint(url, name=_NAME, timeout_s=timeout_s, headers=headers)

        self._settings = settings
        self._now = now
        writer = InfluxWriter(
            settings.write_url or settings.url,
            name=_NAME,
            token=token or "none",
            org="-",
            bucket="-",
            timeout=settings.timeout,
        )
        web, name = endpoint(settings.url), settings.measurement
        self._server = LineServer(web, writer, name=_NAME, measurement=name, read_only=read_only)
        self._occupied = OccupiedPlaces(self.read, self.latest, self.resolution_us)
        disks = (settings.storage_urls or (settings.url,)) if settings.durable else ()
        self._disks = [Disk(endpoint(url), _NAME, settings.snapshot_key.reveal()) for url in disks]

    def append(self, batch: Observations) -> Ints:
        """See ObservationStore; with `durable = false` it shows after a second and is on disk after five."""
        refused = self._server.append(batch, self._occupied)
        if len(batch):
            for disk in self._disks:
                disk.settle()
        return refused

    def read(
        self, datastreams: Collection[int], period: Period, as_of: datetime | None = None
    ) -> Observations:
        """See ObservationStore; times in whole milliseconds."""
        start, end = (-(-moment // _MILLISECOND_US) for moment in storable_span(period))
        wanted = answers.ascending_ids(datastreams)
        if start >= end:
            return Observations.empty()
        parts = [self._export(some, start, end - 1) for some in answers.portions(wanted)]
        return answers.visible(Observations.concatenate(parts), as_of)

    def latest(self, datastreams: Collection[int] | None = None) -> Observations:
        """See ObservationStore."""
        missing = self._known() if datastreams is None else answers.ascending_ids(datastreams)
        parts = []
        tomorrow = int((self._now() + _AHEAD).timestamp() * 1_000)
        looks = [*((tomorrow, days) for days in _LOOK_BACK_DAYS), (_END_MS, _ALL_TIMES_DAYS)]
        for number, (moment_ms, days) in enumerate(looks):
            if not len(missing):
                break
            everything = datastreams is None and number == 0
            asked = [""] if everything else [_any_of(some) for some in answers.portions(missing)]
            found = Observations.concatenate([self._last(selector, moment_ms, days) for selector in asked])
            parts.append(found)
            missing = np.setdiff1d(missing, found.datastream[~doubted(found)])
        return answers.current_of(Observations.concatenate(parts), self.read)

    def aggregate(
        self,
        datastreams: Collection[int],
        period: Period,
        every: timedelta,
        functions: Collection[Function],
    ) -> Aggregates:
        """See ObservationStore; whole buckets of uncorrected Datastreams are aggregated by the server."""
        length = statistics.microseconds(every)
        start, end = storable_span(period)
        wanted = answers.ascending_ids(datastreams)
        # A rollup also looks behind its first bucket; before 1970 that finds nothing at all (1.79).
        inner = (max(-(-start // length), _CLEAR_OF_1970) * length, end // length * length)
        if length % _MILLISECOND_US or not self._settings.deduplicated or inner[0] >= inner[1]:
            return statistics.aggregates(self._summaries(wanted, start, end), every, functions)
        # These have several series each, and the server would answer for every one.
        several = np.intersect1d(wanted, self._known('revision!=""', 'doubted!=""'))
        plain = np.setdiff1d(wanted, several)
        needed = answers.needed(functions)
        parts = [
            self._buckets(some, *some_time, length, needed)
            for some in answers.portions(plain)
            for some_time in _stretches(*inner, length)
        ]
        parts.append(self._summaries(several, *inner))
        parts += [self._summaries(wanted, start, inner[0]), self._summaries(wanted, inner[1], end)]
        return statistics.aggregates(Statistics.concatenate(parts), every, functions)

    def close(self) -> None:
        """See ObservationStore; a second call does nothing."""
        self._server.close()
        for disk in self._disks:
            disk.close()

    def _summaries(self, wanted: Ints, start: int, end: int) -> Statistics:
        if start >= end or not len(wanted):
            return Statistics.concatenate([])
        return statistics.of_observations(self.read(wanted.tolist(), answers.period(start, end)))

    def _buckets(self, wanted: Ints, start: int, end: int, length: int, needed: set[str]) -> Statistics:
        # A rollup at time t covers (t - length, t]: one millisecond earlier makes that [t - length, t).
        step = length // _MILLISECOND_US
        selector = self._selector("result", f'{_any_of(wanted)},lead="",revision="",bad=""')
        rollups = ",".join(f'"{_ROLLUPS[name]}"' for name in sorted(needed))
        form = [
            ("query", f"aggr_over_time(({rollups}),{selector}[{step}ms])"),
            ("start", _seconds(start // _MILLISECOND_US + step - 1)),
            ("end", _seconds(end // _MILLISECOND_US - 1)),
            ("step", f"{step}ms"),
            ("nocache", "1"),
        ]
        columns: dict[int, dict[str, tuple[Ints, Floats]]] = {}
        names = {rollup: name for name, rollup in _ROLLUPS.items()}
        for one in self._ask("/api/v1/query_range", form)["data"]["result"]:
            times, values = zip(*one["values"], strict=True)
            bucket = np.rint(np.array(times, np.float64) * 1_000).astype(np.int64) + 1 - step
            column = (bucket * _MILLISECOND_US, np.array([float(value) for value in values]))
            columns.setdefault(int(one["metric"]["datastream"]), {})[names[one["metric"]["rollup"]]] = column
        return Statistics.concatenate([_statistics(of, each) for of, each in columns.items()])

    def _export(self, wanted: Ints, first_ms: int, last_ms: int) -> Observations:
        form = [
            ("match[]", self._selector(_ALL_FIELDS, _any_of(wanted))),
            ("start", _seconds(first_ms)),
            ("end", _seconds(last_ms)),
        ]
        fields: dict[SeriesKey, dict[str, tuple[Ints, Any]]] = {}
        for one in self._server.ask_lines("/api/v1/export", form):
            column = (np.array(one["timestamps"], np.int64), np.array(one["values"], np.float64))
            fields.setdefault(_key(one["metric"]), {})[self._field(one["metric"])] = column
        return _observations(fields)

    def _last(self, selector: str, moment_ms: int, days: int) -> Observations:
        form = [("time", _seconds(moment_ms)), ("nocache", "1")]
        fields: dict[SeriesKey, dict[str, tuple[Ints, Any]]] = {}
        condition = f'{selector + "," if selector else ""}lead=""'
        when = f"tlast_over_time({self._selector('result', condition)}[{days}d])"
        times = {
            _key(one["metric"]): np.rint(np.array([float(one["value"][1])]) * 1_000).astype(np.int64)
            for one in self._ask("/api/v1/query", [("query", when), *form])["data"]["result"]
        }
        what = f"last_over_time({self._selector(_ALL_FIELDS, condition)}[{days}d])"
        for one in self._ask("/api/v1/query", [("query", what), *form])["data"]["result"]:
            key = _key(one["metric"])
            if key in times:
                column = (times[key], np.array([float(one["value"][1])]))
                fields.setdefault(key, {})[self._field(one["metric"])] = column
        return _observations(fields)

    def _known(self, *conditions: str) -> Ints:
        """Datastreams that have a series of any of these kinds; of measurements when none is named."""
        form = [("match[]", self._selector("result", one)) for one in conditions or ('lead=""',)]
        form.append(("start", "0"))
        values = self._ask("/api/v1/label/datastream/values", form)["data"]
        return answers.ascending_ids([int(value) for value in values])

    def _selector(self, field_pattern: str, condition: str) -> str:
        return f'{{__name__=~"{self._settings.measurement}_{field_pattern}",{condition}}}'

    def _field(self, metric: dict[str, str]) -> str:
        return metric["__name__"].removeprefix(f"{self._settings.measurement}_")

    def _ask(self, path: str, form: Iterable[tuple[str, str]]) -> dict[str, Any]:
        return self._server.ask(path, list(form))


def _observations(series: dict[SeriesKey, dict[str, tuple[Ints, Any]]]) -> Observations:
    parts = []
    for (datastream, lead, revision, *_), fields in series.items():
        if "result" not in fields:
            continue
        time, first = np.unique(fields["result"][0], return_index=True)
        columns = {name: _at(time, *fields[name]) for name in FIELDS if name in fields}
        parts.append(
            Observations.build(
                datastream,
                time * _MILLISECOND_US,
                # 7.09533333333 comes back as 7.095333333329: decimals are good for twelve digits there.
                rounded(fields["result"][1][first]),
                result_time=np.rint(columns.get("result_time", time * _MILLISECOND_US)).astype(np.int64),
                lead=lead,
                quality=columns.get("quality", 0),
                rule=columns.get("rule", 0),
                revision=revision,
            )
        )
    return Observations.concatenate(parts)


def _at(wanted: Ints, times: Ints, values: Any) -> Any:
    """`values` at `wanted`; a line's fields share its time, so every one is there once it shows."""
    if len(wanted) == len(times) and bool(np.all(wanted == times)):
        return values
    order = np.argsort(times, kind="stable")
    at = np.searchsorted(times[order], wanted)
    at[at == len(times)] = 0
    found = times[order][at] == wanted
    return np.where(found, values[order][at], 0)


def _statistics(datastream: int, columns: dict[str, tuple[Ints, Floats]]) -> Statistics:
    time = next(iter(columns.values()))[0]
    unknown = np.full(len(time), np.nan)
    values = (columns[name][1] if name in columns else unknown for name in _ROLLUPS)
    return Statistics(np.full(len(time), datastream), time, *values)


def _key(metric: dict[str, str]) -> SeriesKey:
    return (
        int(metric["datastream"]),
        int(metric.get("lead", 0)),
        int(metric.get("revision", 0)),
        metric.get("bad", ""),
        metric.get("doubted", ""),
    )


def _any_of(wanted: Ints) -> str:
    return f'datastream=~"{"|".join(map(str, wanted.tolist()))}"'


def _stretches(start: int, end: int, length: int) -> Iterator[tuple[int, int]]:
    """[start, end) in stretches of so many buckets as the server answers at once."""
    stretch = length * _BUCKETS_PER_QUERY
    for begin in range(start, end, stretch):
        yield begin, min(begin + stretch, end)


def _seconds(milliseconds: int) -> str:
    return f"{milliseconds // 1_000}.{milliseconds % 1_000:03d}"
