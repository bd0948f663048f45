"""Of several processes on one register one has the turn, on both databases."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing

import pytest

from udp.errors import RegistryUnavailable
from udp.registry import database
from udp.registry.database import Database


def test_one_at_a_time_and_the_holder_writes(ledger_url: str) -> None:
    """Each with its own connections, as processes have."""
    inside: list[int] = []
    most: list[int] = []

    def take(one: Database) -> None:
        for _ in range(10):
            with one.turn():
                inside.append(1)
                with one.writing():
                    most.append(len(inside))
                inside.pop()

    with ExitStack() as stack, ThreadPoolExecutor(3) as pool:
        opened = [stack.enter_context(closing(Database(ledger_url))) for _ in range(3)]
        list(pool.map(take, opened))
    assert most == [1] * 30


def test_who_waits_too_long_is_told_so(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_S", 1.0)
    with closing(Database(ledger_url)) as one, closing(Database(ledger_url)) as other:
        with one.turn(), pytest.raises(RegistryUnavailable), other.turn():
            pytest.fail("two had the turn")
        with other.turn():
            pass
