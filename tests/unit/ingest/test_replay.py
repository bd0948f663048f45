"""A replay brings the store level with today's codecs and register, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from edge.codecs.port import Decoded
from edge.wire.messages import Record
from ingest.copies import in_order
from ingest.journal import JournalReader, JournalWriter
from ingest.pipeline import Drawn, Pipeline, Verdict
from ingest.quality import QualityMemory
from ingest.recall import recall_before
from ingest.replay import Replay, Scope, Summary
from udp.ledger.sql import SqlLedger
from udp.registry.port import Channel, Device
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store

from .conftest import BATTERY, BIN, LEVEL, NOW, STRANGER, World, delivery, envelope, inventory, uplink

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=30)
EVERYTHING = Scope(EPOCH, LATER)


def replay(
    world: World,
    scope: Scope = EVERYTHING,
    *,
    dry_run: bool = False,
    readers: Sequence[JournalReader] = (),
    now: datetime = LATER,
) -> Summary:
    pipeline = world.new_pipeline(trust_edge=False)
    pipeline._memory = QualityMemory(recall_before(world.store, scope.since, timedelta(days=3)))
    run = Replay(
        pipeline=pipeline,
        store=world.store,
        ledger=world.ledger,
        waiting=world.ledger,
        now=lambda: now,
        dry_run=dry_run,
        remember=timedelta(days=60),
        restarts=lambda one: one in world.counter_resets or one in pipeline.bindings.restarting,
    )
    return run.run(readers or [world.reader], scope)


def figures(summary: Summary) -> tuple[int, int, int, int]:
    return summary.unchanged, summary.changed, summary.added, summary.missing


@pytest.fixture
def history(world: World) -> World:
    """Five uplinks, each by two gateways, the copies in one place; one of a device nobody knows."""
    for number in range(1, 6):
        at = NOW + timedelta(minutes=number)
        copy = uplink(number, level=600 + number, gateway=2, at=at + timedelta(milliseconds=50))
        world.hear(delivery(envelope(uplink(number, level=600 + number, at=at), sequence=number), at=at))
        world.hear(
            delivery(envelope(copy, agent="crx-gw-2", sequence=number), origin="udp/v1/crx-gw-2/up", at=at)
        )
    world.hear(
        delivery(
            envelope(uplink(1, dev_eui=STRANGER, at=NOW + timedelta(hours=1)), sequence=6),
            at=NOW + timedelta(hours=1),
        )
    )
    world.catch_up()
    return world


def test_a_replay_of_what_is_stored_changes_nothing(history: World) -> None:
    before = history.everything()
    report = history.ledger.report()
    summary = replay(history)
    assert figures(summary) == (10, 0, 0, 0)
    assert (summary.deliveries, summary.messages, summary.quarantined) == (11, 11, 1)
    assert history.everything().revision.tolist() == before.revision.tolist() == [0] * 5
    after = history.ledger.report()
    assert (after.devices, after.gateways, after.agents, after.gaps, after.quarantine, after.counters) == (
        report.devices, report.gateways, report.agents, report.gaps, report.quarantine, report.counters,
    )  # fmt: skip


def test_noise_of_binary_fractions_is_no_new_value(history: World) -> None:
    """As values were kept before results were rounded."""
    noisy = history.everything()
    noisy.result[:] = np.nextafter(np.nextafter(noisy.result, np.inf), np.inf)
    noisy.revision[:] += 1
    noisy.result_time[:] += np.timedelta64(1, "us")
    history.store.append(noisy)
    assert replay(history).changed == 0
    assert history.everything().revision.tolist() == [1] * 5


def test_a_named_device_that_nobody_registered_is_told(history: World) -> None:
    summary = replay(history, Scope(EPOCH, LATER, [BIN, STRANGER]))
    assert summary.unknown == [STRANGER]
    assert f"device {STRANGER} is not registered" in summary.text(dry_run=False)
    assert "not registered" not in replay(history, Scope(EPOCH, LATER, [BIN])).text(dry_run=False)


def test_a_better_codec_writes_higher_revisions_and_the_old_value_stays_traceable(history: World) -> None:
    def corrected(payload: bytes, f_port: int, at: datetime) -> Decoded:
        return Decoded(
            (Record({"level": int.from_bytes(payload[:2], "big") + 1, "battery": payload[2] / 10}),)
        )

    history.codec = corrected
    assert figures(replay(history, dry_run=True)) == (5, 5, 0, 0)
    assert history.everything().revision.tolist() == [0] * 5
    assert figures(replay(history)) == (5, 5, 0, 0)
    stored = history.everything()
    assert stored.result.tolist() == [602, 603, 604, 605, 606]
    assert stored.revision.tolist() == [1] * 5
    assert {str(time) for time in stored.result_time} == {"2026-12-20T12:00:00.000000"}
    old = history.store.read([LEVEL], Period(EPOCH, LATER), as_of=LATER - timedelta(days=1))
    assert old.result.tolist() == [601, 602, 603, 604, 605]
    assert figures(replay(history)) == (10, 0, 0, 0)


def test_new_limits_are_applied_to_old_values(history: World) -> None:
    (device,) = history.inventory.devices.values()
    strict = Device(
        BIN, "b", "test", "two-numbers", (Channel(LEVEL, "level", maximum=603.0), device.channels[1]), 3600.0
    )
    history.inventory = inventory(version=2, extra=[strict])
    assert figures(replay(history)) == (8, 2, 0, 0)
    assert history.everything().revision.tolist() == [0, 0, 0, 1, 1]


def test_what_waited_in_the_quarantine_is_picked_up_and_released(history: World) -> None:
    newcomer = Device(STRANGER, "behaelter-2", "test", "two-numbers", (Channel(99, "level"),), 3600.0)
    history.inventory = inventory(version=2, extra=[newcomer])
    dry = replay(history, dry_run=True)
    assert (figures(dry), dry.released) == ((10, 0, 1, 0), 1)
    assert history.values(99) == []
    wet = replay(history, Scope(EPOCH, LATER, [STRANGER]))
    assert (figures(wet), wet.released, wet.messages) == ((0, 0, 1, 0), 1, 1)
    assert history.values(99) == [(NOW + timedelta(hours=1), 640.0)]
    assert history.ledger.quarantined(10) == []


def test_store_and_ledger_are_rebuilt_from_nothing(history: World, tmp_path: Path) -> None:
    before, report = history.everything(), history.ledger.report()
    receptions = history.ledger.receptions(uplink(1).identity)
    history.store = open_store(
        StoreSettings(embedded=EmbeddedSettings(folder=tmp_path / "store-2")), lambda: NOW
    )
    history.ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger-2.sqlite")
    assert figures(replay(history)) == (0, 0, 10, 0)
    after = history.everything()
    for column in ("phenomenon_time", "result_time", "result", "quality", "rule", "revision"):
        assert getattr(after, column).tolist() == getattr(before, column).tolist()
    rebuilt = history.ledger.report()
    assert (rebuilt.devices, rebuilt.gateways, rebuilt.agents, rebuilt.quarantine) == (
        report.devices, report.gateways, report.agents, report.quarantine,
    )  # fmt: skip
    assert history.ledger.receptions(uplink(1).identity) == receptions


def test_a_period_that_holds_only_the_second_delivery_doubles_nothing(world: World) -> None:
    second = uplink(1, gateway=2, at=NOW + timedelta(seconds=3))
    world.hear(
        delivery(envelope(uplink(1))), delivery(envelope(second, sequence=2), at=NOW + timedelta(hours=1))
    )
    world.catch_up()
    assert figures(replay(world, Scope(NOW + timedelta(minutes=30), LATER))) == (0, 0, 0, 0)
    assert len(world.values()) == 1


def test_until_is_excluded_and_values_no_longer_produced_are_counted(history: World) -> None:
    history.codec = lambda payload, f_port, at: Decoded(
        (Record({"level": int.from_bytes(payload[:2], "big")}),)
    )
    summary = replay(history, Scope(NOW, NOW + timedelta(minutes=3)), dry_run=True)
    assert figures(summary) == (2, 0, 0, 2)
    assert [value for _time, value in history.values(BATTERY)] == [3.6] * 5


def test_the_summary_says_what_a_dry_run_would_do() -> None:
    text = Summary(deliveries=3, changed=2).text(dry_run=True)
    assert "2 values differ and would be written" in text
    assert "were" not in text


def test_a_clock_that_was_ahead_for_a_while_hides_nothing_behind_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.replay._BATCH", 2)
    monkeypatch.setattr("ingest.copies._BATCH", 2)
    ahead = datetime(2099, 1, 1, tzinfo=UTC)
    heard_at = (NOW, NOW, ahead, ahead, NOW + timedelta(hours=1), NOW + timedelta(hours=2))
    for n, at in enumerate(heard_at, 1):
        world.hear(delivery(envelope(uplink(n, at=NOW + timedelta(minutes=n)), sequence=n), at=at))
    summary = replay(world)
    assert (summary.deliveries, summary.added) == (4, 8)


def test_what_a_person_corrected_stays(world: World) -> None:
    world.take(envelope(uplink(1)))
    at = np.array([NOW.replace(tzinfo=None)], "datetime64[us]")
    world.store.append(
        Observations.build([LEVEL], at, [111.0], quality=Quality.GOOD, rule=QualityRule.PERSON, revision=1)
    )
    summary = replay(world)
    assert (summary.unchanged, summary.changed, summary.corrected) == (1, 0, 1)
    assert world.values() == [(NOW, 111.0)]
    assert world.everything().rule.tolist() == [QualityRule.PERSON]


def copies(world: World, n: int, *, between: timedelta = timedelta(hours=2)) -> None:
    """One uplink by two gateways; the second copy waited in a spool."""
    at = NOW + timedelta(minutes=n)
    world.hear(delivery(envelope(uplink(n, level=n, at=at), sequence=n), at=at))
    second = uplink(n, level=n, gateway=2, at=at + timedelta(milliseconds=40))
    world.hear(delivery(envelope(second, sequence=100 + n), at=at + between))


def lose_ledger(world: World) -> None:
    world.ledger = SqlLedger(f"sqlite:///{world.folder}/ledger-{datetime.now(UTC).timestamp()}.sqlite")


@pytest.mark.parametrize("lost", [False, True])
def test_a_period_that_begins_between_two_copies_doubles_nothing(world: World, lost: bool) -> None:
    for n in range(1, 4):
        copies(world, n)
    world.catch_up()
    if lost:
        lose_ledger(world)
    between = Scope(NOW + timedelta(hours=1), LATER)
    assert figures(replay(world, between, dry_run=True)) == (0, 0, 0, 0)
    assert figures(replay(world, between)) == (0, 0, 0, 0)
    assert [value for _time, value in world.values()] == [1, 2, 3]


def test_a_ledger_lost_beside_a_kept_store_counts_the_copies_the_store_has(
    world: World, tmp_path: Path
) -> None:
    """Of two workers the one whose copy was journalled later was quicker to store it."""
    other = JournalWriter(world.journal, "v", lambda: NOW)
    first = uplink(1, at=NOW + timedelta(milliseconds=40))
    world.hear(delivery(envelope(first), at=NOW + timedelta(seconds=1)))
    world.catch_up()
    other.append([delivery(envelope(uplink(1, gateway=2)), at=NOW)])
    other.close()
    reader = JournalReader(world.journal.directory, "v")
    lose_ledger(world)
    for dry_run in (True, False, False):
        assert figures(replay(world, dry_run=dry_run, readers=[world.reader, reader])) == (2, 0, 0, 0)
    assert len(world.values()) == 1
    reader.close()


def test_a_dry_run_that_rebuilds_counts_what_was_sent_again_once(world: World) -> None:
    copies(world, 1)
    for _ in range(3):
        world.hear(delivery(envelope(uplink(1, level=1, at=NOW + timedelta(minutes=1))), at=NOW))
    summary = replay(world, dry_run=True)
    assert figures(summary) == (0, 0, 2, 0)


def test_journals_of_several_workers_are_read_by_time(world: World) -> None:
    other = JournalWriter(world.journal, "v", lambda: NOW)
    readers = [world.reader, JournalReader(world.journal.directory, "v")]
    for n in range(6):
        at = NOW + timedelta(minutes=n)
        one = delivery(envelope(uplink(n, level=n, at=at), sequence=n + 1), at=at)
        (world.writer if n % 2 else other).append([one])
    numbers = [entry.received_at for entry in in_order(readers, lambda _reader, _name: 0)]
    assert numbers == sorted(numbers) and len(numbers) == 6
    assert replay(world, readers=readers).added == 12
    # Each value beside the one before it: no worker's values are judged after all of the other's.
    assert set(world.everything().rule.tolist()) == {QualityRule.PASSED}
    other.close()


def test_forgotten_uplinks_are_compared_and_not_counted_again(world: World) -> None:
    for n in range(1, 6):
        copies(world, n)
    world.catch_up()
    before = world.ledger.report()
    world.now = NOW + timedelta(days=90)
    assert world.ledger.forget(NOW + timedelta(days=1)) == 5
    summary = replay(world, now=NOW + timedelta(days=90))
    assert figures(summary) == (10, 0, 0, 0)
    assert summary.quarantined == 0
    after = world.ledger.report()
    assert (after.devices, after.gateways) == (before.devices, before.gateways)
    assert world.ledger.remembered([uplink(1).identity]) == {}


def test_a_recorded_frame_that_was_set_aside_stays_aside_in_a_replay(world: World) -> None:
    for n in range(1, 6):
        copies(world, n)
    world.catch_up()
    late = NOW + timedelta(days=90)
    world.now = late
    world.ledger.forget(late - timedelta(days=60))
    world.restart()
    world.hear(delivery(envelope(uplink(2, level=2, at=late)), at=late))
    world.catch_up()
    assert world.counter("counters_doubtful") == 1
    for since in (late - timedelta(hours=1), EPOCH):
        summary = replay(world, Scope(since, late + timedelta(days=1)), now=late)
        assert (summary.added, summary.quarantined) == (0, 1)
    assert len(world.values()) == 5


def test_devices_that_were_allowed_to_restart_get_their_second_life_from_the_journal(world: World) -> None:
    copies(world, 1)
    again = NOW + timedelta(days=3)
    for gateway in (1, 2):
        at = again + timedelta(milliseconds=gateway)
        world.hear(delivery(envelope(uplink(1, level=77, at=at, gateway=gateway)), at=at))
    world.catch_up()
    assert world.counter("counters_doubtful") == 2
    world.counter_resets.add(str(BIN))
    for dry_run in (True, False):
        summary = replay(world, dry_run=dry_run)
        assert (figures(summary), summary.released) == ((2, 0, 2, 0), 2)
    assert [value for _time, value in world.values()] == [1, 77]
    assert world.ledger.quarantined(9) == []
    assert figures(replay(world)) == (4, 0, 0, 0)


def test_one_poisoned_delivery_is_set_aside_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(1, 20):
        world.hear(delivery(envelope(uplink(n, level=n, at=NOW + timedelta(minutes=n)), sequence=n)))
    real = Pipeline.judge

    def judge(self: Pipeline, drawn: Drawn) -> Verdict:
        if 7.0 in drawn.columns.raw:
            raise ZeroDivisionError("nobody foresaw this")
        return real(self, drawn)

    monkeypatch.setattr(Pipeline, "judge", judge)
    for dry_run in (True, False):
        summary = replay(world, dry_run=dry_run)
        assert (summary.deliveries, summary.added, summary.quarantined) == (19, 36, 1)
    assert [value for _time, value in world.values()] == [n for n in range(1, 20) if n != 7]
    (entry,) = world.ledger.quarantined(9)
    assert "ZeroDivisionError" in entry.reason
    monkeypatch.undo()
    summary = replay(world)
    assert (summary.added, summary.unchanged) == (2, 36)
