"""A command is acknowledged only when its result is in the spool, however long that takes."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.agent import Agent, Wake
from edge.health import Health
from edge.outbox import Outbox, SendingSettings
from edge.spool import Spool, SpoolSettings, SpoolUnavailable
from edge.wire import cbor
from edge.wire.messages import Clock, Command, CommandResult, Receipt

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Line:
    """A transport that brings down what a test puts there and remembers what it was told."""

    def __init__(self) -> None:
        self.connection: int | None = 1
        self.down: list[Receipt | Command] = []
        self.sent: list[bytes] = []
        self.settled = 0

    def send(self, envelope: bytes) -> bool:
        self.sent.append(envelope)
        return True

    def take(self) -> Sequence[Receipt | Command]:
        taken, self.down = self.down, []
        return taken

    def done(self) -> None:
        self.settled += 1

    def close(self) -> None:
        pass


def test_a_result_that_could_not_be_stored_is_kept_and_acknowledged_only_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, sending = Line(), SendingSettings()
    with closing(Spool(SpoolSettings(tmp_path / "spool.sqlite"), lambda: NOW)) as spool:
        agent = Agent(
            "gw-1", sources=(), spool=spool, transport=line, outbox=Outbox(sending, random.Random(1)),
            sending=sending, health=Health(timedelta(hours=1), Clock.NTP, lambda: None), wake=Wake(),
            now=lambda: NOW,
        )  # fmt: skip

        def full(*_: object) -> None:
            raise SpoolUnavailable("full")

        with monkeypatch.context() as patch:
            patch.setattr(spool, "write", full)
            line.down = [Command("c-1", "lamp", 1, b"", NOW + timedelta(hours=1))]
            agent.turn()
            line.down = [Receipt(spool.identity, ((1, 1),))]
            agent.turn()
            assert line.settled == 0
        agent.turn()
        assert line.settled == 1
        agent.turn()
        assert line.settled == 1
    results = [
        m for octets in line.sent for m in cbor.decode(octets).messages if isinstance(m, CommandResult)
    ]
    assert [result.command_id for result in results] == ["c-1"]
