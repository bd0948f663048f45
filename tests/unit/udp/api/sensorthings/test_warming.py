"""Who asks first after the start waits no longer than who asks second, and a stop waits for nothing."""

import asyncio
import gc
import logging
import threading
from collections import Counter
from dataclasses import replace

import pytest

from udp.api.desk import Desk
from udp.api.late_store import LateStore
from udp.api.sensorthings.answering import Question, answer
from udp.api.sensorthings.options import Limits
from udp.api.sensorthings.routes import made
from udp.api.sensorthings.warming import warmed
from udp.api.standing import Standing
from udp.errors import StoreUnavailable
from udp.policy import PUBLIC
from udp.store.embedded import counting, sifting
from udp.store.embedded.cold import ColdFolder

FIRST = [
    ("Datastreams", "$count=true&$expand=Thing"),
    ("Observations", "$top=0&$count=true"),
    ("Observations", "$filter=result%20gt%201e9&$count=true"),
]


@pytest.fixture
def desk(filled):
    yield Desk(replace(filled.client.app.state.desk.ports, standing=Standing()))
    gc.unfreeze()


@pytest.fixture
def work(monkeypatch):
    """How often a file was read, an hour counted, an hour's results looked through."""
    done = Counter()
    for owner, name in ((ColdFolder, "_table"), (counting, "_grouped"), (sifting, "_results_of")):
        real = getattr(owner, name)

        def instead(*given, real=real, name=name):
            done[name] += 1
            return real(*given)

        monkeypatch.setattr(owner, name, instead)
    return done


def at_work() -> list[asyncio.Task]:
    return [one for one in asyncio.all_tasks() if one.get_name() == "warm start"]


async def start(desk, catalogues, *, finish: bool) -> None:
    async with warmed(desk, catalogues):
        while finish and at_work():
            await asyncio.sleep(0.01)
    assert not at_work()


def test_the_first_questions_look_at_nothing_anew(desk, work, monkeypatch):
    monkeypatch.setattr("udp.api.sensorthings.narrowing._FEW", 0)
    room = made(desk)
    asyncio.run(start(desk, room.catalogues, finish=True))
    assert work["_table"] and work["_grouped"] and work["_results_of"]
    assert gc.get_freeze_count() > 1000
    work.clear()
    views = desk.views.newest
    assert views is not None
    known = room.catalogues.of(views, PUBLIC, desk.ports.writing and desk.ports.writing.database)
    for path, query in FIRST:
        answer(Question("http://x/v1.1", path, query, known, desk.now(), Limits()), desk.ports.store)
    assert not work


def test_a_stop_ends_it_after_the_file_it_is_at(filled, desk, monkeypatch):
    begun, go_on, seen = threading.Event(), threading.Event(), []
    real = counting.Counter.census

    def slow(*given):
        begun.set()
        seen.append(go_on.wait(10))
        return real(*given)

    monkeypatch.setattr(counting.Counter, "census", slow)

    async def stopped() -> None:
        async with warmed(desk, made(desk).catalogues):
            await asyncio.to_thread(begun.wait, 10)
            asyncio.get_running_loop().call_later(0.05, go_on.set)

    asyncio.run(stopped())
    files = list((filled.store._cold.folder).glob("*.parquet"))
    assert len(files) > 1 and seen == [True]


def test_without_a_store_it_says_so_and_serves(desk, caplog):
    def missing():
        raise StoreUnavailable("no store here yet")

    desk.ports = replace(desk.ports, store=LateStore(missing))
    with caplog.at_level(logging.INFO, "udp.api"):
        asyncio.run(start(desk, made(desk).catalogues, finish=True))
    assert "no store here yet" in caplog.text


def test_a_defect_in_it_is_told_and_stops_nothing(desk, caplog, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(counting.Counter, "census", broken)
    asyncio.run(start(desk, made(desk).catalogues, finish=True))
    assert "warm start has failed" in caplog.text and "ZeroDivisionError" in caplog.text
