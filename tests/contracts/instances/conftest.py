"""Fixtures of whole instances; what one is made of stands in lived_instance.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

sys.path.insert(0, str(Path(__file__).parent))  # for lived_instance.py

from lived_instance import BANK, NOW, Instance, measure, settle

from udp.auth import SqlKeys
from udp.events.sql import SqlEvents
from udp.policy import Role
from udp.registry.sql import SqlRegistry
from udp.retention.proof import Proofs
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store

Make = Callable[..., Instance]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """An empty instance; `store`: settings of another engine, `url`: of another register."""
    opened: list[Instance] = []

    def made(name: str, store: StoreSettings | None = None, url: str = "") -> Instance:
        folder = tmp_path / name
        folder.mkdir()
        registry = SqlRegistry(url or f"sqlite:///{folder}/registry.sqlite")
        settings = store or StoreSettings(embedded=EmbeddedSettings(folder / "store"))
        one = Instance(registry, open_store(settings, lambda: NOW), folder)
        SqlEvents(registry.database)
        Proofs(registry.database)
        opened.append(one)
        return one

    yield made
    for one in opened:
        one.close()


@pytest.fixture
def lived(make: Make) -> Instance:
    """Measured, written through SensorThings, changed and withdrawn there, computed, with a key and a log."""
    one = make("lived")
    settle(one)
    measure(one, "mast-1")
    client = one.client()
    bank = client.post("/v1.1/Things", json=BANK)
    assert bank.status_code == 201, bank.text
    stream = client.get(bank.headers["location"] + "/Datastreams").json()["value"][0]
    rows = client.get(stream["Observations@iot.navigationLink"]).json()["value"]
    assert client.delete(rows[0]["@iot.selfLink"]).status_code == 200
    moved = client.patch(rows[1]["@iot.selfLink"], json={"phenomenonTime": "2026-11-20T20:00:00Z"})
    assert moved.status_code == 200, moved.text
    assert one.derive().new > 100
    SqlKeys(one.registry.database, None, lambda: NOW).create(Role.CLIMATE, "Klimateam")
    one.audit.write("Frau A.", "key created")
    return one


@pytest.fixture
def empty_postgresql(postgresql: str) -> str:
    engine = create_engine(postgresql)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return postgresql
