"""The ten most usual SensorThings questions over millions of Observations while ingest writes.

Run by hand: python tests/benchmarks/bench_sensorthings.py [--streams 5000] [--days 7] [--repeats 40].
The real server answers over HTTP; another process appends at the rate of such a city (each Datastream
every ten minutes) and does the store's housekeeping, as ingest does. Beside each question stands, from the
same run, the bare read it comes to: SQLite and Parquet without the platform, counted from memory to arrays.
Questions and bare reads take turns, each with other values every time. It prints figures, judges nothing.
"""
# ruff: noqa: E501 - tables of questions are read line by line

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.synchronize
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import numpy as np
import psutil
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from served import serving

from udp.ledger.sql import SqlLedger
from udp.registry.port import CityDescription
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

PER_THING = 3
EVERY_S = 600
# A small city would write nothing while it is asked.
LEAST_ROWS_PER_S = 4.0
# What is asked of the files, also of an empty folder: days close a day after their end.
CLOSED = pa.schema(
    [
        pa.field("datastream", pa.int64()),
        pa.field("phenomenon_time", pa.timestamp("us", "UTC")),
        pa.field("result_time", pa.timestamp("us", "UTC")),
        pa.field("lead", pa.int64()),
        pa.field("result", pa.float64()),
    ]
)


def city(streams: int) -> CityDescription:
    """Three open Datastreams per Thing."""
    things = tuple(
        Thing(f"ding-{n:05}", f"Ding {n}", "pole", "luft", Location(51.5 + n % 97 / 1000, 7.3 + n % 89 / 1000, "castrop", "C"),
              simulated=True)
        for n in range(-(-streams // PER_THING))
    )  # fmt: skip
    described = tuple(
        Datastream(
            n, f"wert_{n % PER_THING}", "Lufttemperatur", f"ding-{n // PER_THING:05}", f"Fühler {n % 7}",
            ObservedProperty(f"p{n % PER_THING}", "Größe", "https://example.org/p"), Unit("Cel", "Grad Celsius"),
            Access.OPEN, None, "dl-de/zero-2-0", EVERY_S,
        )
        for n in range(streams)
    )  # fmt: skip
    return CityDescription("Bank", True, things, described, (), ())


def fill(folder: Path, streams: int, days: int) -> tuple[list[int], int]:
    """A value every ten minutes for each until now; the older days closed into files."""
    now = datetime.now(UTC)
    registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
    registry.import_city(city(streams))
    ids = sorted(registry.inventory().datastreams)
    registry.close()
    SqlLedger(f"sqlite:///{folder}/ledger.sqlite").close()
    store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: now)
    rng = np.random.default_rng(1)
    end = np.datetime64(now.replace(second=0, microsecond=0, tzinfo=None), "us")
    for day in range(days, 0, -1):
        moments = (
            end - np.timedelta64(day, "D") + (np.arange(144) * EVERY_S * 1_000_000).astype("timedelta64[us]")
        )
        stream, moment = np.repeat(ids, 144), np.tile(moments, len(ids))
        store.append(
            Observations.build(stream, moment, np.round(rng.normal(15, 5, len(stream)), 2), quality=1, rule=1)
        )
    while store.maintain(now + timedelta(minutes=5)):
        pass
    store.close()
    return ids, days * 144 * len(ids)


def write_on(folder: Path, ids: list[int], stop: multiprocessing.synchronize.Event) -> None:
    """Another process appends twice a second what has come since, each Datastream every ten minutes."""
    per_s = max(len(ids) / EVERY_S, LEAST_ROWS_PER_S)
    store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: datetime.now(UTC))
    began, written, at_work = time.monotonic(), 0, 0.0
    rng = np.random.default_rng(3)
    while not stop.wait(0.5):
        due = int((time.monotonic() - began) * per_s)
        chosen = np.asarray(ids)[np.arange(written, due) % len(ids)]
        if len(chosen):
            now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")
            store.append(
                Observations.build(
                    np.sort(chosen), now, rng.normal(15, 5, len(chosen)).round(2), quality=1, rule=1
                )
            )
        written, at_work = due, at_work + 0.5
        if at_work >= 5.0:
            store.maintain(datetime.now(UTC))
            at_work = 0.0
    print(f"writer: {written / (time.monotonic() - began):.1f} rows/s, each batch durable, {written} in all")
    store.close()


@dataclass(frozen=True)
class Bare:
    """The same data without the platform: SQLite and Parquet as anybody would ask them."""

    folder: Path

    def sql(self, statement: str, *given: object) -> int:
        """Rows of the open days."""
        with sqlite3.connect(f"file:{self.folder}/store/hot.sqlite?mode=ro", uri=True) as connection:
            return len(connection.execute(statement, given).fetchall())

    def files(self) -> ds.Dataset:
        """The closed days; there may be none yet."""
        return ds.dataset(self.folder / "store" / "observations", schema=CLOSED, format="parquet")

    def parquet(self, condition: pc.Expression, columns: list[str]) -> int:
        """Rows of the closed days."""
        return self.files().scanner(columns=columns, filter=condition).count_rows()

    def latest(self, ids: list[int]) -> int:
        marks = ",".join("?" * len(ids))
        return self.sql(f"SELECT * FROM latest WHERE datastream IN ({marks})", *ids)

    def series(self, number: int, since: datetime) -> int:
        """One Datastream from a time on."""
        micros = int(since.timestamp() * 1e6)
        found = self.sql(
            "SELECT * FROM hot WHERE slot >= ? AND datastream = ? AND time >= ?",
            micros // 3_600_000_000,
            number,
            micros,
        )
        stored = ds.field("phenomenon_time") >= pc.scalar(since)
        table = self.files().to_table(filter=(ds.field("datastream") == number) & stored)
        return found + table.num_rows

    def above(self, limit: float) -> int:
        """How many results of all are greater."""
        found = self.sql("SELECT 1 FROM hot WHERE result > ?", limit)
        return found + self.parquet(ds.field("result") > limit, ["result"])

    def newest(self, ids: list[int], count: int) -> int:
        """The newest of all."""
        return self.sql(
            "SELECT * FROM hot WHERE slot = (SELECT max(slot) FROM hot) ORDER BY time DESC LIMIT ?", count
        )


Question = tuple[str, Callable[[int, float], str], Callable[[int, float], int]]


def questions(bare: Bare, ids: list[int], things: dict[int, int]) -> list[Question]:
    """Name, address and bare read of the ten; both get the Datastream and the number of this turn."""
    now = datetime.now(UTC)
    day, week = now - timedelta(days=1), now - timedelta(days=7)
    said = day.strftime("%Y-%m-%dT%H:%M:%SZ")
    area = "geography'POLYGON ((7.30 51.50,7.35 51.50,7.35 51.55,7.30 51.55,7.30 51.50))'"
    newest = "$orderby=phenomenonTime desc;$top=1"
    return [
        ("Things with places and newest values (a map)", lambda _s, _x: f"Things?$expand=Locations,Datastreams/Observations({newest})", lambda _s, _x: bare.latest(ids[:300])),
        ("one Thing with newest values (a click)", lambda s, _x: f"Things({things[s]})?$expand=Locations,Datastreams($expand=ObservedProperty,Observations({newest}))", lambda s, _x: bare.latest([s])),
        ("Datastreams, counted, with Thing (a list)", lambda _s, _x: "Datastreams?$top=100&$count=true&$expand=Thing,ObservedProperty", lambda _s, _x: bare.latest(ids[:100])),
        ("newest value of a Datastream", lambda s, _x: f"Datastreams({s})/Observations?$orderby=phenomenonTime desc&$top=1", lambda s, _x: bare.latest([s])),
        ("last day of a Datastream (a chart)", lambda s, _x: f"Datastreams({s})/Observations?$filter=phenomenonTime ge {said}&$top=1000&$count=true&$orderby=phenomenonTime asc", lambda s, _x: bare.series(s, day)),
        ("all days of a Datastream as data array", lambda s, _x: f"Datastreams({s})/Observations?$resultFormat=dataArray&$top=1100", lambda s, _x: bare.series(s, week)),
        ("places in a window (QGIS)", lambda _s, _x: f"Locations?$filter=geo.intersects(location,{area})&$top=200&$count=true", lambda _s, _x: bare.latest(ids[:200])),
        ("newest Observations of all", lambda _s, _x: "Observations?$orderby=phenomenonTime desc&$top=100", lambda _s, _x: bare.newest(ids, 100)),
        ("how many Observations there are", lambda _s, _x: "Observations?$top=0&$count=true", lambda _s, _x: bare.sql("SELECT count(*) FROM hot") + bare.parquet(ds.field("lead") >= 0, ["lead"])),
        ("all results above a value, counted", lambda _s, x: f"Observations?$filter=result gt {20 + x:.2f}&$count=true&$top=100", lambda _s, x: bare.above(20 + x)),
        ("highest results of all (beside the ten)", lambda _s, x: f"Observations?$filter=result lt {45 + x:.2f}&$orderby=result desc&$top=10", lambda _s, x: bare.above(34 + x)),
        ("rare results, newest first (beside the ten)", lambda _s, x: f"Observations?$filter=result gt {33 + x / 10:.2f}&$orderby=phenomenonTime desc&$top=20&$count=true", lambda _s, x: bare.above(33 + x / 10)),
    ]  # fmt: skip


def processor_s(of: psutil.Process) -> float:
    """What a process has used; psutil counts in hundredths. Number of its clock: clock_getcpuclockid(3), Linux."""
    return time.clock_gettime(~of.pid << 3 | 2)


def turns(
    address: str, server: psutil.Process, asked: list[Question], ids: list[int], repeats: int
) -> dict[str, list[list[float]]]:
    """Question and bare read in turn: milliseconds of each, and of the server's processor."""
    rng = np.random.default_rng(2)
    taken: dict[str, list[list[float]]] = {name: [[], [], []] for name, *_ in asked}
    with httpx2.Client(base_url=f"{address}/v1.1/", timeout=120) as client:
        for turn in range(repeats + 1):
            for name, path, read in asked:
                stream, limit = int(rng.choice(ids)), float(rng.random() * 10)
                used, began = processor_s(server), time.perf_counter()
                answer = client.get(path(stream, limit))
                ours = 1000 * (time.perf_counter() - began)
                assert answer.status_code == 200, answer.text[:300]
                cpu = 1000 * (processor_s(server) - used)
                began = time.perf_counter()
                read(stream, limit)
                if turn:  # the first fills what is kept in memory, of both
                    for column, value in zip(
                        taken[name], (ours, 1000 * (time.perf_counter() - began), cpu), strict=True
                    ):
                        column.append(value)
                else:
                    print(f"first time: {name:46} {ours:8.1f} ms", flush=True)
    return taken


def report(taken: dict[str, list[list[float]]]) -> None:
    """One line per question, p50 and p95: the server over HTTP, the bare read, the server's processor time."""
    for name, (ours, bare, cpu) in taken.items():
        p50, p95 = np.percentile(ours, [50, 95])
        b50, b95 = np.percentile(bare, [50, 95])
        c50, c95 = np.percentile(cpu, [50, 95])
        print(
            f"summary: {name:44} p50 {p50:6.1f} p95 {p95:6.1f} ms | bare {b50:6.1f} {b95:6.1f} | processor {c50:5.1f} {c95:5.1f}"
        )


def main() -> None:
    """Fill, serve, write, ask, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=40)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.perf_counter()
        ids, count = fill(folder, given.streams, given.days)
        print(
            f"{len(ids):,} Datastreams, {count:,} Observations in {time.perf_counter() - began:.0f} s",
            flush=True,
        )
        stop = multiprocessing.Event()
        writer = multiprocessing.Process(target=write_on, args=(folder, ids, stop))
        with serving(folder, "/v1.1/Things?$top=1") as (address, server):
            writer.start()
            try:
                things = thing_of(address, ids)
                report(turns(address, server, questions(Bare(folder), ids, things), ids, given.repeats))
            finally:
                stop.set()
                writer.join(timeout=60)
            print(
                f"summary: server {server.memory_info().rss / 1e6:.0f} MB; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
            )


def thing_of(address: str, ids: list[int]) -> dict[int, int]:
    """The id of each Datastream's Thing at this interface."""
    found: dict[int, int] = {}
    following: str | None = f"{address}/v1.1/Datastreams?$top=1000&$select=id&$expand=Thing($select=id)"
    while following:
        answer = httpx2.get(following, timeout=120).json()
        found |= {one["@iot.id"]: one["Thing"]["@iot.id"] for one in answer["value"]}
        following = answer.get("@iot.nextLink")
    assert set(ids) <= set(found)
    return found


if __name__ == "__main__":
    main()
