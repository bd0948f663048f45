"""How fast the data API answers 50 requests a second, at rest and while ingest writes.

Run by hand: python tests/benchmarks/bench_api.py [--with-writer]. It starts the real server over a
filled store and asks in an open loop (a slow answer delays no other question), so waiting counts.
It prints figures and judges nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import multiprocessing.synchronize
import os
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx2
import numpy as np
from served import serving

from udp.ledger.sql import SqlLedger
from udp.registry.port import CityDescription
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

STREAMS = 1500
DAYS = 3
EVERY = timedelta(minutes=10)


def city() -> CityDescription:
    """Three Datastreams per Thing, all open."""
    districts, themes = ("castrop", "ickern", "rauxel"), ("luft", "wetter", "papier-und-abfall")
    count = STREAMS // 3
    things = tuple(
        Thing(
            f"ding-{n:04}", f"Ding {n}", "pole", themes[n % 3],
            Location(51.5, 7.3, districts[n % 3], districts[n % 3].capitalize()), simulated=True,
        )
        for n in range(count)
    )  # fmt: skip
    streams = tuple(
        Datastream(
            id=n, key=f"wert_{n % 3}", name="Lufttemperatur", thing=f"ding-{n // 3:04}", sensor="Fühler",
            observed_property=ObservedProperty("air_temperature", "Lufttemperatur", "https://example.org/t"),
            unit=Unit("Cel", "Grad Celsius"), access=Access.OPEN, exemption=None, licence="dl-de/zero-2-0",
            expected_interval_s=EVERY.total_seconds(),
        )
        for n in range(STREAMS)
    )  # fmt: skip
    return CityDescription("Bank", True, things, streams, (), ())


def fill(folder: Path) -> list[int]:
    """Register, ledger and store of a small city; returns the Datastream ids."""
    registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
    registry.import_city(city())
    ids = sorted(registry.inventory().datastreams)
    registry.close()
    SqlLedger(f"sqlite:///{folder}/ledger.sqlite").close()
    store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: datetime.now(UTC))
    rng = np.random.default_rng(1)
    end = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")
    for step in range(DAYS * 144, 0, -1):
        moment = end - np.timedelta64(step * 600, "s")
        store.append(Observations.build(ids, moment, rng.normal(15, 5, len(ids)), quality=1, rule=1))
    store.close()
    return ids


def write_on(folder: Path, ids: list[int], rows_per_s: int, stop: multiprocessing.synchronize.Event) -> None:
    """Another process appends as ingest does: a batch every 100 ms, durable each."""
    store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: datetime.now(UTC))
    rng = np.random.default_rng(2)
    batch, due, written, began = max(1, rows_per_s // 10), time.monotonic(), 0, time.monotonic()
    while not stop.is_set():
        now = np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us")
        chosen = np.resize(np.asarray(ids), batch)
        moments = now + (np.arange(batch) // len(ids)).astype("timedelta64[us]")
        store.append(Observations.build(chosen, moments, rng.normal(15, 5, batch), quality=1, rule=1))
        written += batch
        due += 0.1
        stop.wait(max(0.0, due - time.monotonic()))
    print(f"writer: {written / (time.monotonic() - began):,.0f} rows/s, each batch durable")
    store.close()


async def storm(address: str, ids: list[int], rate: int, seconds: float) -> dict[str, list[float]]:
    """Milliseconds per route, from when the question was due."""
    taken: dict[str, list[float]] = {}
    failed: Counter[str] = Counter()
    rng = np.random.default_rng(3)
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100, keepalive_expiry=10)
    async with httpx2.AsyncClient(base_url=address, timeout=30, limits=limits) as client:

        async def ask(route: str, path: str, due: float) -> None:
            answer = await client.get(path)
            taken.setdefault(route, []).append(1000 * (time.perf_counter() - due))
            failed[route] += answer.status_code != 200

        began = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(rate * seconds)):
                due = began + number / rate
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                one = f"/api/v1/datastreams/{rng.choice(ids)}/observations"
                route, path = (
                    ("/latest", "/api/v1/latest"),
                    ("/observations (24 h, single)", one),
                    ("/latest?theme=luft", "/api/v1/latest?theme=luft"),
                    ("/observations (3 d, hourly)", f"{one}?every=1h&from={_ago(3)}"),
                )[number % 4]
                group.create_task(ask(route, path, due))
    for route, count in failed.items():
        if count:
            print(f"{route}: {count} answers were no 200")
    return taken


def _ago(days: int) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat(timespec="seconds").replace("+00:00", "Z")


def report(taken: dict[str, list[float]]) -> None:
    """One line per route, and one for all."""
    everything = [one for times in taken.values() for one in times]
    for route, times in [*sorted(taken.items()), ("all", everything)]:
        p50, p95, p99 = np.percentile(times, [50, 95, 99])
        mark = "summary: " if times is everything else ""
        print(f"{mark}{route:32} n={len(times):5}  p50={p50:7.1f} ms  p95={p95:7.1f} ms  p99={p99:7.1f} ms")


def main() -> None:
    """Fill, serve, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=50, help="requests per second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--with-writer", action="store_true", help="append to the store meanwhile")
    parser.add_argument("--rows-per-s", type=int, default=5000, help="what the writer appends")
    parser.add_argument("--json", type=Path, help="write the milliseconds there too")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        began = time.monotonic()
        ids = fill(folder)
        print(f"{STREAMS} datastreams, {STREAMS * DAYS * 144:,} values in {time.monotonic() - began:.1f} s")
        stop = multiprocessing.Event()
        writer = multiprocessing.Process(target=write_on, args=(folder, ids, given.rows_per_s, stop))
        with serving(folder, "/api/v1/latest") as (address, server):
            if given.with_writer:
                writer.start()
            used = sum(server.cpu_times()[:2])
            try:
                taken = asyncio.run(storm(address, ids, given.rate, given.seconds))
            finally:
                stop.set()
                if given.with_writer:
                    writer.join(timeout=30)
            used = sum(server.cpu_times()[:2]) - used
            megabytes = server.memory_info().rss / 1e6
        report(taken)
        # On a busy machine the times above say more about the neighbours than about the server.
        print(
            f"summary: server: {1000 * used / sum(map(len, taken.values())):.1f} ms of processor a request, "
            f"{used / given.seconds:.0%} of one core, {megabytes:.0f} MB; "
            f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
        if given.json:
            given.json.write_text(json.dumps(taken), encoding="utf-8")


if __name__ == "__main__":
    main()
