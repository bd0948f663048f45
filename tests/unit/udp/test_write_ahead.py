"""Who opens a new file while another writes its first line into it waits instead of being refused."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

import pytest

from udp.ledger.engine import open_engine
from udp.registry.sql import SqlRegistry
from udp.write_ahead import write_ahead


@pytest.fixture
def writer(tmp_path):
    """Somebody who writes into a file without a write-ahead log, as its first opener does for a moment."""
    path = tmp_path / "new.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("CREATE TABLE begun (x)")
        connection.execute("BEGIN IMMEDIATE")
        yield path, connection


def _registry(path):
    SqlRegistry(f"sqlite:///{path}").close()


def _engine(path):
    engine = open_engine(f"sqlite:///{path}")
    engine.connect().close()
    engine.dispose()


def _plain(path):
    with closing(sqlite3.connect(path)) as connection:
        write_ahead(connection, 30.0)


@pytest.mark.parametrize("opener", [_registry, _engine, _plain])
def test_it_waits_for_a_writer_without_the_log(writer, opener):
    path, connection = writer
    with closing(sqlite3.connect(path, timeout=5)) as eager, pytest.raises(sqlite3.OperationalError):
        eager.execute("PRAGMA journal_mode = WAL")
    ending = threading.Timer(0.3, connection.execute, ["COMMIT"])
    ending.start()
    opener(path)
    ending.join()
    with closing(sqlite3.connect(path)) as after:
        assert after.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_who_writes_for_longer_is_named_as_a_lock(writer):
    path, _ = writer
    with (
        closing(sqlite3.connect(path)) as connection,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        write_ahead(connection, 0.05)
