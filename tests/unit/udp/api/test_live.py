"""Live values: all first, then what changed, to everybody who may know it, held up by nobody."""

import asyncio
import json
import socket
import threading
import time
from datetime import timedelta

import httpx2
import pytest
import uvicorn

from udp.api.app import create_app
from udp.api.current import read_snapshot
from udp.api.desk import Ports
from udp.api.live import LiveFeed
from udp.api.problems import Overloaded
from udp.api.refreshed import Refreshed
from udp.api.settings import ApiSettings
from udp.api.view import Filter, read_views
from udp.datasets.reading import read_policy
from udp.errors import StoreUnavailable
from udp.policy import OPERATOR, PUBLIC, Gate

EVERYTHING = Filter()
PATIENCE_S = 60
GATE = Gate(read_policy())


def feed_of(city, **more):
    limits = {
        "every_s": 0.01, "most_listeners": 3, "most_per_client": 2, "queue_size": 4,
        "heartbeat_s": 0.05, "listening_s": 30.0,
    } | more  # fmt: skip
    views = Refreshed(lambda before: read_views(city.registry, GATE, before), 0.0, time.monotonic)
    current = Refreshed(lambda before: read_snapshot(city.store, before), 0.0, time.monotonic)
    return LiveFeed(views, current, lambda: city.clock[0], **limits)


def values(event):
    lines = event.decode().splitlines()
    (data,) = [line.removeprefix("data: ") for line in lines if line.startswith("data: ")]
    return {one["datastream"]: one["value"] for one in json.loads(data)}


async def next_values(events):
    async with asyncio.timeout(PATIENCE_S):
        async for event in events:
            if b"data:" in event:
                return values(event)
    raise AssertionError("the stream ended")


def test_first_all_then_changes(measured):
    warm, full = measured.ids["wetter-1/air_temperature"], measured.ids["behaelter-1/fill_level"]

    async def listen():
        feed = feed_of(measured)
        events = feed.events(await feed.join(PUBLIC, EVERYTHING))
        assert await next_values(events) == {full: 47.0, warm: -3.5}
        measured.measure("wetter-1/air_temperature", [measured.clock[0]], [21.5])
        assert await next_values(events) == {warm: 21.5}
        await events.aclose()
        assert feed.listening == 0

    asyncio.run(listen())


def test_listeners_hear_only_what_they_may_know_and_want(measured):
    """The restricted value changes first; whatever the public hears next must be the open one."""

    async def listen():
        feed = feed_of(measured)
        public = feed.events(await feed.join(PUBLIC, EVERYTHING))
        weather = feed.events(await feed.join(PUBLIC, Filter(theme="wetter")))
        operator = feed.events(await feed.join(OPERATOR, EVERYTHING))
        assert len(await next_values(public)) == 2
        assert len(await next_values(weather)) == 1
        assert len(await next_values(operator)) == 6
        measured.measure("geheim-1/fill_level", [measured.clock[0]], [1.0])
        assert await next_values(operator) == {measured.ids["geheim-1/fill_level"]: 1.0}
        measured.measure("behaelter-1/fill_level", [measured.clock[0]], [2.0])
        assert await next_values(public) == {measured.ids["behaelter-1/fill_level"]: 2.0}
        measured.measure("wetter-1/air_temperature", [measured.clock[0]], [3.0])
        assert await next_values(weather) == {measured.ids["wetter-1/air_temperature"]: 3.0}

    asyncio.run(listen())


def test_a_corrected_value_is_a_change(measured):
    async def listen():
        feed = feed_of(measured)
        events = feed.events(await feed.join(PUBLIC, Filter(theme="wetter")))
        await next_values(events)
        found = measured.store.latest([measured.ids["wetter-1/air_temperature"]])
        found.revision[:] = 1
        found.result[:] = 7.0
        found.result_time[:] = found.result_time + 1
        measured.store.append(found)
        assert list((await next_values(events)).values()) == [7.0]

    asyncio.run(listen())


def test_a_slow_listener_is_dropped_and_others_stay(measured):
    async def listen():
        feed = feed_of(measured)
        slow = await feed.join(PUBLIC, EVERYTHING)
        quick = feed.events(await feed.join(PUBLIC, EVERYTHING))
        await next_values(quick)
        for count in range(8):
            at = measured.clock[0] + timedelta(seconds=count)
            measured.measure("wetter-1/air_temperature", [at], [float(count)])
            assert list((await next_values(quick)).values()) == [float(count)]
        assert slow.gone.is_set()
        assert (feed.listening, feed.dropped) == (1, 1)
        assert slow.queue.qsize() <= 4
        assert [event async for event in feed.events(slow)][1:] == []

    asyncio.run(listen())


def test_silence_is_filled_with_heartbeats(measured):
    async def listen():
        feed = feed_of(measured)
        events = feed.events(await feed.join(PUBLIC, EVERYTHING))
        await next_values(events)
        async with asyncio.timeout(PATIENCE_S):
            assert await anext(events) == b": still here\n\n"

    asyncio.run(listen())


def test_there_is_room_for_so_many_and_no_more(measured):
    async def listen():
        feed = feed_of(measured)
        for _ in range(3):
            await feed.join(PUBLIC, EVERYTHING)
        with pytest.raises(Overloaded, match="3 listeners"):
            await feed.join(PUBLIC, EVERYTHING)
        feed.close()
        assert feed.listening == 0
        await feed.join(PUBLIC, EVERYTHING)
        feed.close()

    asyncio.run(listen())


def test_one_address_cannot_take_the_room_of_all(measured):
    async def listen():
        feed = feed_of(measured)
        for _ in range(2):
            await feed.join(PUBLIC, EVERYTHING, "192.0.2.1")
        with pytest.raises(Overloaded, match="your address"):
            await feed.join(PUBLIC, EVERYTHING, "192.0.2.1")
        await feed.join(PUBLIC, EVERYTHING, "192.0.2.2")
        assert feed.listening == 3
        feed.close()

    asyncio.run(listen())


def test_the_room_is_counted_also_when_all_come_at_once(measured):
    async def listen():
        feed = feed_of(measured)
        joining = [feed.join(PUBLIC, EVERYTHING, "192.0.2.1") for _ in range(8)]
        found = await asyncio.gather(*joining, return_exceptions=True)
        assert sum(isinstance(one, Overloaded) for one in found) == 6
        assert feed.listening == 2
        feed.close()

    asyncio.run(listen())


def test_a_store_that_is_away_for_a_while_is_survived(measured, monkeypatch):
    away = threading.Event()
    latest = measured.store.latest

    def sometimes(datastreams=None):
        if away.is_set():
            raise StoreUnavailable("the disk is away")
        return latest(datastreams)

    monkeypatch.setattr(measured.store, "latest", sometimes)

    async def listen():
        feed = feed_of(measured)
        events = feed.events(await feed.join(PUBLIC, EVERYTHING))
        await next_values(events)
        away.set()
        assert await anext(events) == b": still here\n\n"
        measured.measure("wetter-1/air_temperature", [measured.clock[0]], [5.0])
        away.clear()
        assert list((await next_values(events)).values()) == [5.0]

    asyncio.run(listen())


@pytest.fixture
def server(measured):
    """The same application behind a real socket."""
    ports = Ports(
        measured.registry, measured.store, measured.ledger, measured.keys,
        settings=ApiSettings(refresh_s=0.02, heartbeat_s=0.1), now=lambda: measured.clock[0],
    )  # fmt: skip
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        app = create_app(ports)
        config = uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1)
        running = uvicorn.Server(config)
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}", app
        finally:
            running.should_exit = True
            thread.join(timeout=PATIENCE_S)
            assert not thread.is_alive()


def test_over_a_real_connection(measured, server):
    address, app = server
    with httpx2.stream(
        "GET", f"{address}/api/v1/live?theme=wetter", headers={"Last-Event-ID": "unsinn"}, timeout=PATIENCE_S
    ) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert "content-encoding" not in answer.headers
        lines = answer.iter_lines()
        assert next(lines).startswith("retry:")
        first = next(line for line in lines if line.startswith("data:"))
        assert json.loads(first.removeprefix("data:"))[0]["value"] == -3.5
        measured.measure("wetter-1/air_temperature", [measured.clock[0]], [30.0])
        second = next(line for line in lines if line.startswith("data:"))
        assert json.loads(second.removeprefix("data:"))[0]["value"] == 30.0
        assert app.state.feed.listening == 1
    deadline = time.monotonic() + PATIENCE_S
    while app.state.feed.listening and time.monotonic() < deadline:
        time.sleep(0.01)
    assert app.state.feed.listening == 0
