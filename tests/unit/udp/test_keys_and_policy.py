"""Who may know what: keys are hashed, shown once, and only what is open with a licence is public."""

import sqlite3
from datetime import UTC, datetime

import pytest

from edge.wire.settings import Secret
from udp.auth import KeyRefused, SqlKeys
from udp.policy import OPERATOR, PUBLIC, Caller, Role
from udp.registry.database import Database


@pytest.fixture
def database(tmp_path):
    opened = Database(f"sqlite:///{tmp_path}/registry.sqlite")
    yield opened
    opened.close()


def test_a_new_key_opens_and_is_kept_only_as_a_hash(database, tmp_path):
    key = SqlKeys(database).create(Role.OPERATOR, "Leitwarte", lambda: datetime(2026, 11, 21, tzinfo=UTC))
    assert len(key) > 40
    assert SqlKeys(database).caller(key) == OPERATOR
    rows = sqlite3.connect(tmp_path / "registry.sqlite").execute("SELECT * FROM access_key").fetchall()
    assert len(rows) == 1
    assert key not in repr(rows)


def test_every_key_is_another(database):
    keys = {SqlKeys(database).create(Role.OPERATOR, "") for _ in range(20)}
    assert len(keys) == 20


@pytest.mark.parametrize("key", ["", "x", "udp_", "ü" * 50])
def test_what_nobody_was_given_is_refused(database, key):
    SqlKeys(database).create(Role.OPERATOR, "")
    with pytest.raises(KeyRefused):
        SqlKeys(database, Secret("other")).caller(key)


def test_the_key_of_the_settings_counts_too(database):
    assert SqlKeys(database, Secret("from-a-file")).caller("from-a-file") == OPERATOR
    with pytest.raises(KeyRefused):
        SqlKeys(database).caller("from-a-file")


def test_whoever_says_nothing_is_the_public():
    assert Caller() == PUBLIC
