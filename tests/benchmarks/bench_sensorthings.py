"""How long the usual SensorThings questions take over millions of Observations, beside the bare read.

Run by hand: python tests/benchmarks/bench_sensorthings.py [--streams 5000] [--days 7] [--with-writer].
The answers are made in this process, from path and query to JSON text, without the HTTP around them.
It prints figures and judges nothing.
"""
# ruff: noqa: E501 - tables of questions are read line by line

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.synchronize
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from udp.api.sensorthings import catalogue
from udp.api.sensorthings.answering import Question, answer
from udp.api.sensorthings.options import Limits
from udp.api.view import read_views
from udp.datasets.reading import read_policy
from udp.policy import PUBLIC, Gate
from udp.registry.port import CityDescription
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

PER_THING = 3
EVERY_S = 600
NOW = datetime(2026, 11, 21, 11, 50, tzinfo=UTC)


def city(streams: int) -> CityDescription:
    """Three open Datastreams per Thing."""
    things = tuple(
        Thing(f"ding-{n:05}", f"Ding {n}", "pole", "luft", Location(51.5 + n % 97 / 1000, 7.3 + n % 89 / 1000, "castrop", "C"),
              simulated=True)
        for n in range(streams // PER_THING)
    )  # fmt: skip
    described = tuple(
        Datastream(
            n, f"wert_{n % PER_THING}", "Lufttemperatur", f"ding-{n // PER_THING:05}", f"Fühler {n % 7}",
            ObservedProperty(f"p{n % PER_THING}", "Größe", "https://example.org/p"), Unit("Cel", "Grad Celsius"),
            Access.OPEN, None, "dl-de/zero-2-0", EVERY_S,
        )
        for n in range(len(things) * PER_THING)
    )  # fmt: skip
    return CityDescription("Bank", True, things, described, (), ())


def fill(store: EmbeddedStore, ids: list[int], days: int) -> int:
    """A value every ten minutes for each; the older days closed into files."""
    rng = np.random.default_rng(1)
    end = np.datetime64(NOW.replace(tzinfo=None), "us")
    for day in range(days, 0, -1):
        moments = (
            end - np.timedelta64(day, "D") + (np.arange(144) * EVERY_S * 1_000_000).astype("timedelta64[us]")
        )
        stream, moment = np.repeat(ids, 144), np.tile(moments, len(ids))
        values = np.round(rng.normal(15, 5, len(stream)), 2)
        store.append(Observations.build(stream, moment, values, quality=1, rule=1))
    while store.maintain(NOW + timedelta(minutes=5)):
        pass
    return days * 144 * len(ids)


def write_on(folder: Path, ids: list[int], stop: multiprocessing.synchronize.Event) -> None:
    """Another process appends as ingest does: 1,000 rows ten times a second, durable each."""
    store = EmbeddedStore(EmbeddedSettings(folder), lambda: datetime.now(UTC))
    step = 0
    while not stop.is_set():
        moment = np.datetime64(NOW.replace(tzinfo=None), "us") + np.timedelta64(step, "s")
        store.append(Observations.build(np.resize(np.roll(ids, -step * 1000), 1000), moment, 1.0))
        step += 1
        stop.wait(0.1)
    store.close()


def measure(name: str, repeats: int, ask: Callable[[int], int]) -> None:
    """One line: first, median and 95th percentile in milliseconds, and the size of the answer."""
    taken, size = [], 0
    for number in range(repeats):
        began = time.perf_counter()
        size = ask(number)
        taken.append(1000 * (time.perf_counter() - began))
    p50, p95 = np.percentile(taken[1:], [50, 95])
    print(f"{name:78} first={taken[0]:8.1f}  p50={p50:7.1f}  p95={p95:7.1f} ms  {size:9,} bytes", flush=True)


def main() -> None:
    """Fill, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=5000)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--with-writer", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
        registry.import_city(city(given.streams))
        views = read_views(registry, Gate(read_policy()), None)
        ids = sorted(views.inventory.datastreams)
        store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: NOW)
        began = time.perf_counter()
        count = fill(store, ids, given.days)
        print(f"{len(ids):,} Datastreams, {count:,} Observations in {time.perf_counter() - began:.0f} s")
        began = time.perf_counter()
        known = catalogue.build(views.of(PUBLIC), catalogue.numbers(views.inventory))
        print(f"catalogue made in {1000 * (time.perf_counter() - began):.0f} ms")
        stop = multiprocessing.Event()
        writer = multiprocessing.Process(target=write_on, args=(folder / "store", ids, stop))
        if given.with_writer:
            writer.start()
        try:
            questions(store, known, ids, given.repeats)
        finally:
            stop.set()
            if given.with_writer:
                writer.join()
            store.close()
            registry.close()


def questions(store: EmbeddedStore, known: catalogue.Catalogue, ids: list[int], repeats: int) -> None:
    """The usual ones of QGIS, Masterportal and people; then the bare reads beneath them."""
    rng = np.random.default_rng(2)
    picked = rng.choice(ids, repeats).tolist()
    area = "geography'POLYGON ((7.30 51.50,7.35 51.50,7.35 51.55,7.30 51.55,7.30 51.50))'"
    for path, query in (
        ("Observations", "$top=0&$count=true"),
        ("Observations", ""),
        ("Observations", "$orderby=phenomenonTime desc&$top=100"),
        ("Datastreams({})/Observations", "$orderby=phenomenonTime desc&$top=100"),
        ("Datastreams({})/Observations", "$filter=phenomenonTime ge 2026-11-20T00:00:00Z&$top=1000&$count=true"),
        ("Datastreams({})/Observations", "$filter=resultTime gt now() sub duration'PT24H'&$top=1000"),
        ("Datastreams({})/Observations", "$filter=result gt 20&$count=true&$resultFormat=dataArray&$top=1000"),
        ("Datastreams", "$top=100&$count=true&$expand=Thing,ObservedProperty"),
        ("Things", "$expand=Locations,Datastreams/Observations($orderby=phenomenonTime desc;$top=1)"),
        ("Things", "$expand=Datastreams/Observations($orderby=phenomenonTime desc;$top=10)"),
        ("Locations", f"$filter=geo.intersects(location,{area})&$top=200&$count=true"),
        ("Things", "$filter=startswith(Datastreams/name,'Luft') and Datastreams/Sensor/name eq 'Fühler 3'&$count=true"),
        ("Observations", "$filter=Datastream/Thing/name eq 'Ding 7' and result gt 20&$count=true"),
        ("Observations", "$filter=result gt 34&$count=true&$top=10"),
        ("Observations", "$filter=result gt 34&$orderby=result desc&$top=10"),
    ):  # fmt: skip

        def ask(number: int, path: str = path, query: str = query) -> int:
            asked = Question("http://x/v1.1", path.format(picked[number]), query, known, NOW, Limits())
            return len(answer(asked, store).body or "")

        measure(f"{path}?{query}"[:77], repeats if "result gt 34" not in query else 4, ask)
    day = Period(NOW - timedelta(days=1), NOW)
    measure("bare: latest of all", repeats, lambda _n: len(store.latest()))
    measure("bare: one series, one day", repeats, lambda n: len(store.read([picked[n]], day)))
    week = Period(NOW - timedelta(days=7), NOW)
    measure("bare: one series, seven days", repeats, lambda n: len(store.read([picked[n]], week)))


if __name__ == "__main__":
    main()
