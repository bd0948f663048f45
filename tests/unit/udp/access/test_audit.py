"""The audit log is only added to, holds no secret, and shows when somebody changed it all the same."""

import sqlite3
from datetime import UTC, datetime

import pytest

from udp.access.audit import AuditLog, shortened
from udp.auth import KeyWish, SqlKeys
from udp.policy import Role
from udp.registry.database import Database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path):
    opened = Database(f"sqlite:///{tmp_path}/registry.sqlite")
    yield opened
    opened.close()


@pytest.fixture
def raw(database, tmp_path):
    AuditLog(database)
    with sqlite3.connect(tmp_path / "registry.sqlite") as connection:
        yield connection


def test_lines_are_read_newest_first_and_hold(database):
    log = AuditLog(database, lambda: NOW)
    for number in range(5):
        log.write("frau s.", "did", subject=str(number), origin="192.0.2.0/24")
    assert [one.subject for one in log.read(3)] == ["4", "3", "2"]
    assert log.read(1)[0].at == NOW.isoformat()
    assert log.broken() is None


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit SET who = 'x'", "DELETE FROM audit", "DELETE FROM audit WHERE id = 2"],
)
def test_the_database_refuses_to_change_a_line(database, raw, statement):
    log = AuditLog(database, lambda: NOW)
    for _ in range(3):
        log.write("a", "b")
    with pytest.raises(sqlite3.DatabaseError, match="append-only"):
        raw.execute(statement)
    assert len(log.read()) == 3


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE audit SET who = 'x' WHERE id = 2", 2),
        ("DELETE FROM audit WHERE id = 2", 3),
        ("UPDATE audit SET at = '2020' WHERE id = 4", 4),
    ],
)
def test_whoever_takes_the_guard_away_is_found_out(database, raw, statement, line):
    log = AuditLog(database, lambda: NOW)
    for _ in range(4):
        log.write("a", "b")
    raw.execute("DROP TRIGGER audit_no_update")
    raw.execute("DROP TRIGGER audit_no_delete")
    raw.execute(statement)
    raw.commit()
    assert log.broken() == line


def test_keys_are_logged_without_what_opens_anything(database):
    keys = SqlKeys(database, now=lambda: NOW)
    key = keys.make(KeyWish(Role.APP, "Müllapp"), "cli:anna")
    number = key.split("_")[1]
    keys.revoke(number, "cli:bert")
    entries = AuditLog(database).read()
    assert [(one.who, one.what, one.subject) for one in entries] == [
        ("cli:bert", "key-revoked", number),
        ("cli:anna", "key-made", number),
    ]
    assert key not in repr(entries)
    assert key.split("_", 2)[2] not in repr(entries)


def test_a_name_cannot_forge_a_line(database):
    log = AuditLog(database, lambda: NOW)
    log.write("anna\n2026 sign-in root\x1b[2J", "b", detail="x" * 9999)
    (one,) = log.read()
    assert one.who == "anna?2026 sign-in root?[2J"
    assert len(one.detail) == 500


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2::7", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
        ("testclient", ""),
        (None, ""),
    ],
)
def test_an_address_is_shortened_to_its_network(address, network):
    assert shortened(address) == network
