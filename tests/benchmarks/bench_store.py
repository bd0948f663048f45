"""Store engines beside each other on the same data in the same run: rates, bytes, five questions.

    python tests/benchmarks/bench_store.py [--scale 0.1] [--repeat 15] [--engines embedded,victoriametrics]

Scale 1: 5,000 series, one value per 10 minutes, 36 days = 25.9 million values; smaller scales have
fewer series. a: latest of all. b: one series, one month, raw. c: one series, all time, hourly.
d: a tenth of the series, 7 days, hourly. e: city's daily mean, all time. Each is asked through the
port, answers in numpy arrays. `VictoriaMetrics, bare` is the leanest question for the values alone,
timed until the last byte of the answer and not parsed. Never fails on a time.
"""

from __future__ import annotations

import argparse
import importlib.util
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Function, Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, maintain, open_store
from udp.store.port import ObservationStore
from udp.store.server_settings import InfluxDBSettings, VictoriaMetricsSettings

START = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 36
END = START + timedelta(days=DAYS)
PER_DAY = 144
ALL_TIME = Period(START, END)
QUESTIONS = "abcde"
# An engine that needs longer than this is not asked more often than that.
SLOW_S, SLOW_REPEAT = 1.0, 3
Question = Callable[[], Any]


def city(series: int) -> Iterator[Observations]:
    """One batch per ten minutes: daily wave, noise, one decimal, known two to seven seconds later."""
    rng = np.random.default_rng(2026)
    datastream = np.arange(1, series + 1)
    level = rng.uniform(0, 30, series)
    for step in range(DAYS * PER_DAY):
        time_us = int(START.timestamp()) * 1_000_000 + step * 600_000_000
        wave = 5 * np.sin(2 * np.pi * step / PER_DAY)
        yield Observations.build(
            datastream,
            time_us,
            np.round(level + wave + rng.normal(0, 0.3, series), 1),
            result_time=time_us + rng.integers(2_000_000, 7_000_000, series),
            quality=Quality.GOOD,
            rule=QualityRule.PASSED,
        )


def questions(store: ObservationStore, series: int) -> dict[str, Question]:
    """The five questions of the design, through the port."""
    hour, day, mean = timedelta(hours=1), timedelta(days=1), [Function.MEAN]
    some = range(series // 3, series // 3 + max(1, series // 10))
    month = Period(END - timedelta(days=30), END)
    week = Period(END - timedelta(days=7), END)

    def city_mean() -> Any:
        daily = store.aggregate(range(1, series + 1), ALL_TIME, day, mean)
        _, position = np.unique(daily.bucket, return_inverse=True)
        return np.bincount(position, daily.values[Function.MEAN]) / np.bincount(position)

    return {
        "a": store.latest,
        "b": lambda: store.read([series // 2], month),
        "c": lambda: store.aggregate([series // 2], ALL_TIME, hour, mean),
        "d": lambda: store.aggregate(some, week, hour, mean),
        "e": city_mean,
    }


def expected_lengths(series: int) -> dict[str, int]:
    """An answer that is not complete is no answer."""
    return {"a": series, "b": 30 * PER_DAY, "c": DAYS * 24, "d": max(1, series // 10) * 7 * 24, "e": DAYS}


def bare_questions(url: str, series: int) -> dict[str, Question]:
    """The same of VictoriaMetrics without the adapter: values only, answer not parsed."""

    def ask(path: str, **form: str) -> bytes:
        body = urllib.parse.urlencode({key.replace("match", "match[]"): value for key, value in form.items()})
        with urllib.request.urlopen(f"{url}{path}", body.encode()) as answer:
            content: bytes = answer.read()
        return content

    end, start = END.timestamp() - 0.001, START.timestamp()
    one = f'observation_result{{datastream="{series // 2}"}}'
    some = "|".join(map(str, range(series // 3, series // 3 + max(1, series // 10))))

    def over(query: str, step_s: int, since: float) -> bytes:
        first = since + step_s - 0.001
        return ask(
            "/api/v1/query_range",
            query=query,
            start=f"{first:.3f}",
            end=f"{end:.3f}",
            step=f"{step_s}s",
            nocache="1",
        )

    week = END.timestamp() - 7 * 86_400
    return {
        "a": lambda: ask(
            "/api/v1/query", query="last_over_time(observation_result[3d])", time=f"{end + 86_400:.3f}"
        ),
        "b": lambda: ask("/api/v1/export", match=one, start=f"{end - 30 * 86_400:.3f}", end=f"{end:.3f}"),
        "c": lambda: over(f"avg_over_time({one}[1h])", 3_600, start),
        "d": lambda: over(f'avg_over_time(observation_result{{datastream=~"{some}"}}[1h])', 3_600, week),
        "e": lambda: over("avg(avg_over_time(observation_result[1d]))", 86_400, start),
    }


class Bench:
    """Fills one engine after the other, asks all in turn; keeps what was measured."""

    def __init__(self, series: int, repeat: int, folder: Path) -> None:
        self.series = series
        self.repeat = repeat
        self.folder = folder
        self.lines: dict[str, dict[str, float]] = {}
        self.asked: dict[str, dict[str, Question]] = {}
        self.clock = START

    def fill(self, kind: str, store: ObservationStore, data: Path, settle: Callable[[], None]) -> None:
        """Measure appending, check that every question is answered in full."""
        appending, whole, rows = self._fill(store)
        settle()
        line = self.lines[kind] = {"rows/s": rows / appending, "with maintenance": rows / whole}
        line["bytes/value"] = sum(f.stat().st_size for f in data.rglob("*") if f.is_file()) / rows
        if (data / "hot.sqlite").exists():
            print(f"{kind}: {_parts(data, rows)}", flush=True)
        self.asked[kind] = questions(store, self.series)
        for name, question in self.asked[kind].items():
            found, expected = len(question()), expected_lengths(self.series)[name]
            if found != expected:
                raise SystemExit(f"{kind}: question {name} has {found} answers, expected {expected}")
        print(f"{kind}: " + ", ".join(f"{name} {value:,.2f}" for name, value in line.items()), flush=True)

    def append_again(self, store: ObservationStore) -> None:
        """Median milliseconds of an append of one value per series that waits for the disk."""
        batches = [batch for batch, _ in zip(city(self.series), range(20), strict=False)]
        times = []
        for batch in batches:
            begin = time.perf_counter()
            store.append(batch)
            times.append(time.perf_counter() - begin)
        print(f"victoriametrics, durable on return: {statistics.median(times) * 1e3:.0f} ms an append")

    def ask(self) -> None:
        """Medians of `repeat` rounds; engines answer in turn, so a busy machine is busy for all."""
        for name in QUESTIONS:
            times: dict[str, list[float]] = {kind: [] for kind in self.asked}
            for number in range(self.repeat):
                for kind, of_kind in self.asked.items():
                    if number >= SLOW_REPEAT and statistics.median(times[kind]) > SLOW_S:
                        continue
                    begin = time.perf_counter()
                    of_kind[name]()
                    times[kind].append(time.perf_counter() - begin)
            for kind, measured in times.items():
                self.lines.setdefault(kind, {})[name] = statistics.median(measured) * 1_000

    def _fill(self, store: ObservationStore) -> tuple[float, float, int]:
        appending = maintaining = 0.0
        rows = 0
        for number, batch in enumerate(city(self.series)):
            self.clock = START + timedelta(minutes=10 * number)
            begin = time.perf_counter()
            store.append(batch)
            appending += time.perf_counter() - begin
            rows += len(batch)
            if number % 6 == 5:
                begin = time.perf_counter()
                while maintain(store, self.clock):
                    pass
                maintaining += time.perf_counter() - begin
        return appending, appending + maintaining, rows

    def table(self) -> str:
        """Markdown; ratios to VictoriaMetrics in the same run, below 1 is faster."""
        columns = ["rows/s", "with maintenance", "bytes/value", *QUESTIONS]
        lines = ["| store | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
        for kind, line in self.lines.items():
            cells = [
                "" if name not in line else f"{line[name]:,.0f}" if line[name] >= 100 else f"{line[name]:.2f}"
                for name in columns
            ]
            lines.append(f"| {kind} | " + " | ".join(cells) + " |")
        for reference in ("victoriametrics", "VictoriaMetrics, bare"):
            if "embedded" in self.lines and reference in self.lines:
                ratios = [self.lines["embedded"][name] / self.lines[reference][name] for name in QUESTIONS]
                cells = ["", "", "", *(f"{ratio:.2f}" for ratio in ratios)]
                lines.append(f"| embedded : {reference} | " + " | ".join(cells) + " |")
        return "\n".join(lines)

    def summary(self) -> list[str]:
        """What the table comes to, in a line or two per comparison."""
        lines = [
            f"{kind:22}{line['with maintenance']:10,.0f} rows/s {line['bytes/value']:6.2f} bytes/value  "
            + "  ".join(f"{name} {line[name]:.1f}" for name in QUESTIONS)
            + " ms"
            for kind, line in self.lines.items()
            if "rows/s" in line
        ]
        for reference in ("victoriametrics", "VictoriaMetrics, bare", "influxdb"):
            if "embedded" in self.lines and reference in self.lines:
                ratios = [
                    f"{name} {self.lines['embedded'][name] / self.lines[reference][name]:.2f}"
                    for name in QUESTIONS
                ]
                lines.append(f"embedded takes, of {reference}'s time: " + "  ".join(ratios))
        return lines


def _parts(data: Path, rows: int) -> str:
    """What the embedded store's bytes a value are made of."""
    columns: dict[str, int] = {}
    for path in (data / "observations").glob("*.parquet"):
        footer = pq.read_metadata(path)
        for group in map(footer.row_group, range(footer.num_row_groups)):
            for column in map(group.column, range(group.num_columns)):
                name = column.path_in_schema
                columns[name] = columns.get(name, 0) + column.total_compressed_size
    dearest = sorted(columns.items(), key=lambda one: -one[1])[:2]
    with closing(sqlite3.connect(data / "hot.sqlite")) as connection:
        (page,), (pages,), (free,) = (
            connection.execute(f"PRAGMA {name}").fetchone()
            for name in ("page_size", "page_count", "freelist_count")
        )
        (waiting,) = connection.execute("SELECT count(*) FROM hot").fetchone()
    told = ", ".join(f"{name} {size / rows:.2f}" for name, size in dearest)
    return (
        f"bytes/value: Parquet {sum(columns.values()) / rows:.2f} ({told}), SQLite {page * pages / rows:.2f} "
        f"({waiting} open rows, statistics, {page * free / rows:.2f} free for the next day), "
        f"its log {(data / 'hot.sqlite-wal').stat().st_size / rows:.2f}"
    )


def main() -> None:
    """Run the engines asked for, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--scale", type=float, default=1.0, help="share of 5,000 series")
    parser.add_argument("--repeat", type=int, default=15, help="askings per question")
    parser.add_argument("--engines", default="embedded,victoriametrics,influxdb")
    arguments = parser.parse_args()
    engines = arguments.engines.split(",")
    series = max(10, round(5_000 * arguments.scale))
    folder = Path(tempfile.mkdtemp(prefix="bench-store-"))
    try:
        bench = Bench(series, arguments.repeat, folder)
        print(
            f"{series} series x {DAYS * PER_DAY} values = {series * DAYS * PER_DAY / 1e6:.1f} million",
            flush=True,
        )
        run(bench, engines)
        print(bench.table())
        for line in bench.summary():
            print(f"summary: {line}")
    finally:
        shutil.rmtree(folder)


def run(bench: Bench, engines: list[str]) -> None:
    """Fill each engine, keep all of them open, ask them in turn."""
    servers = _servers()
    with ExitStack() as stack:

        def opened(settings: StoreSettings) -> ObservationStore:
            store = open_store(settings, lambda: bench.clock)
            stack.callback(store.close)
            return store

        def folder(name: str) -> Path:
            (bench.folder / name).mkdir()
            return bench.folder / name

        if "embedded" in engines:
            data = folder("embedded")
            bench.fill("embedded", opened(StoreSettings(embedded=EmbeddedSettings(data))), data, lambda: None)
        if "victoriametrics" in engines and shutil.which("victoria-metrics"):
            data = folder("victoriametrics")
            url = stack.enter_context(servers.victoriametrics_server(data))
            # Confirmed from memory, as its own figures are; what waiting for the disk costs is asked below.
            quick = VictoriaMetricsSettings(url, durable=False)
            server = StoreSettings("victoriametrics", victoriametrics=quick)
            # Writes show after about a second and reach their files after about five.
            bench.fill("victoriametrics", opened(server), data, lambda: time.sleep(8))
            bench.asked["VictoriaMetrics, bare"] = bare_questions(url, bench.series)
            waiting = StoreSettings("victoriametrics", victoriametrics=VictoriaMetricsSettings(url))
            bench.append_again(opened(waiting))
        if "influxdb" in engines and shutil.which("influxd"):
            data = folder("influxdb")
            url = stack.enter_context(servers.influxdb_1_server(data))
            slow = InfluxDBSettings(url, write_api="v1", timeout=timedelta(seconds=300))
            bench.fill(
                "influxdb", opened(StoreSettings("influxdb", influxdb=slow)), data, lambda: time.sleep(2)
            )
        bench.ask()


def _servers() -> Any:
    """The suites' way of starting servers."""
    path = Path(__file__).parents[1] / "contracts" / "conftest.py"
    specification = importlib.util.spec_from_file_location("contract_servers", path)
    if specification is None or specification.loader is None:
        raise SystemExit(f"{path} is missing")
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module  # dataclasses look their module up
    specification.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
