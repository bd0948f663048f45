"""The audit log has an end: old lines go with a proof, and the chain of those that stay is unbroken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from udp.access.audit import AuditLog
from udp.errors import RegistryUnavailable
from udp.registry.database import Database
from udp.retention.audit_ageing import DATASET, forget_audit
from udp.retention.proof import Proofs

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
YEAR = timedelta(days=365)


class Log:
    def __init__(self, url: str) -> None:
        self.time = NOW - 3 * YEAR
        self.database = Database(url)
        self.audit = AuditLog(self.database, lambda: self.time)
        for number in range(30):
            self.time = NOW - 3 * YEAR + number * timedelta(days=36)
            self.audit.write(f"Frau {number}", "key created")
        self.time = NOW

    def forget(self, kept: timedelta | None = YEAR) -> Any:
        return forget_audit(self.database, kept, "digest", lambda: self.time)

    def names(self) -> list[str]:
        return [one.who for one in self.audit.read(1000)]


@pytest.fixture
def log(ledger_url: str) -> Any:
    made = Log(ledger_url)
    yield made
    made.database.close()


def test_old_lines_go_and_their_deletion_is_proven_and_told(log: Log) -> None:
    proof = log.forget()
    assert (proof.dataset, proof.what, proof.count, proof.deleted, proof.left_over) == (
        DATASET,
        "audit",
        21,
        21,
        0,
    )
    assert proof.holds
    assert (proof.summed_before, proof.summed_after) == (9, 9)
    assert log.names() == ["udp retention", *(f"Frau {number}" for number in range(29, 20, -1))]
    assert log.audit.broken() is None
    assert Proofs(log.database).read()[0] == proof


def test_repeating_deletes_nothing_and_the_chain_goes_on(log: Log) -> None:
    log.forget()
    assert log.forget() is None
    log.audit.write("Herr B.", "signed in")
    log.time += 40 * timedelta(days=1)
    assert log.forget().count == 1
    assert log.audit.broken() is None


def test_a_log_of_which_everything_is_old_goes_on_from_its_proof(log: Log) -> None:
    log.time = NOW + 10 * YEAR
    assert log.forget().count == 30
    assert log.names() == ["udp retention"]
    assert log.audit.broken() is None
    log.time += 2 * YEAR
    assert log.forget().count == 1
    log.audit.write("Frau C.", "signed in")
    assert log.audit.broken() is None


def test_without_a_limit_nothing_goes(log: Log) -> None:
    assert log.forget(None) is None
    assert len(log.names()) == 30


def test_who_deletes_by_hand_is_still_seen(log: Log) -> None:
    """Retention opens the guard for its own transaction only, and only a beginning goes with a proof."""
    log.forget()
    with pytest.raises(RegistryUnavailable, match="append-only"), log.database.writing() as connection:
        connection.execute(text("DELETE FROM audit WHERE who = 'Frau 25'"))
    postgresql = log.database.name.startswith("postgresql")
    with log.database.writing() as connection:
        connection.execute(
            text(
                "ALTER TABLE audit DISABLE TRIGGER audit_append_only"
                if postgresql
                else "DROP TRIGGER audit_no_delete"
            )
        )
        connection.execute(text("DELETE FROM audit WHERE who IN ('Frau 21', 'Frau 22')"))
    assert log.audit.broken() is not None


def test_a_younger_line_with_an_older_stamp_behind_it_keeps_what_follows(log: Log) -> None:
    """A clock that was set back must not tear a hole into the chain."""
    log.time = NOW - 5 * YEAR
    log.audit.write("Uhr falsch", "signed in")
    log.time = NOW
    assert log.forget().count == 21
    assert "Uhr falsch" in log.names()
    assert log.audit.broken() is None
