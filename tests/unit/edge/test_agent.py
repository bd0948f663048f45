"""A command is acknowledged only when its result is in the spool, however long that takes."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.agent import Agent, Wake
from edge.health import Health
from edge.outbox import Outbox, SendingSettings
from edge.spool import Spool, SpoolSettings, SpoolUnavailable
from edge.transports.port import Refusal
from edge.wire import cbor
from edge.wire.messages import Clock, Command, CommandResult, Reading, Receipt

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Line:
    """A transport that brings down what a test puts there and remembers what it was told."""

    def __init__(self) -> None:
        self.connection: int | None = 1
        self.down: list[Receipt | Command | Refusal] = []
        self.sent: list[bytes] = []
        self.settled = 0

    def send(self, envelope: bytes) -> bool:
        self.sent.append(envelope)
        return True

    def take(self) -> Sequence[Receipt | Command | Refusal]:
        taken, self.down = self.down, []
        return taken

    def done(self) -> None:
        self.settled += 1

    def close(self) -> None:
        pass


def agent_with(spool: Spool, line: Line, sending: SendingSettings, now: Callable[[], datetime]) -> Agent:
    return Agent(
        "gw-1", sources=(), spool=spool, transport=line, outbox=Outbox(sending, random.Random(1)),
        sending=sending, health=Health(timedelta(seconds=1), Clock.NTP, lambda: None), wake=Wake(), now=now,
    )  # fmt: skip


def test_refused_envelopes_take_no_place_from_what_is_heard_and_are_told(tmp_path: Path) -> None:
    line, sending = Line(), SendingSettings(window=4)
    clock = itertools.count()
    with closing(Spool(SpoolSettings(tmp_path / "spool.sqlite"), lambda: NOW)) as spool:
        # Every turn the agent has something new to say of itself.
        agent = agent_with(spool, line, sending, lambda: NOW + timedelta(seconds=next(clock)))
        for turn in range(20):
            agent.turn()
            opened = cbor.open_envelope(line.sent[-1])
            assert (len(line.sent), opened.sequence) == (turn + 1, turn + 1), "what is new is sent at once"
            line.down = [Refusal(spool.identity, turn + 1, turn + 1, too_large=False)]
        assert spool.state().messages == 20, "refused is not forgotten"
    told = [message for octets in line.sent for message in cbor.decode(octets).messages]
    assert [m.fields["refused_messages"] for m in told if isinstance(m, Reading)] == list(range(20))


def test_a_spool_that_breaks_while_it_is_read_does_not_end_the_agent(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    line, sending = Line(), SendingSettings(max_messages=1)
    clock = itertools.count()
    with closing(Spool(SpoolSettings(tmp_path / "spool.sqlite"), lambda: NOW)) as spool:
        spool.write([Reading("air", NOW, NOW, Clock.NTP, {"text": "x" * 500, "n": n}) for n in range(1000)])
        agent = agent_with(spool, line, sending, lambda: NOW + timedelta(seconds=next(clock)))
        before = spool.identity
        spool._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with (tmp_path / "spool.sqlite").open("r+b") as file:
            file.seek(4096 * 60)
            file.write(b"\xff" * 4096 * 200)
        spool._database.execute("PRAGMA shrink_memory")
        for _ in range(2000):
            agent.turn()
            opened = [cbor.open_envelope(octets) for octets in line.sent]
            line.sent.clear()
            line.down = [Receipt(one.spool, ((one.sequence, one.sequence),)) for one in opened]
            if not opened and spool.identity != before and not spool.state().messages:
                break
        assert spool.identity != before
        assert "is damaged" in caplog.text
        agent.turn()
        assert len(line.sent) == 1, "what is heard now is sent"


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
