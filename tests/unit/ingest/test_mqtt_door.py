"""The MQTT door with a real broker: nothing is acknowledged before it is on disk."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edge.wire import cbor, topics
from edge.wire.broker import SessionSettings
from edge.wire.messages import Receipt
from edge.wire.session import Session
from ingest.broker_check import BrokerCheckSettings, DropWatch, try_broker
from ingest.committer import CommitSettings, Committer
from ingest.conditions import Conditions
from ingest.doors import Doors, Watched
from ingest.journal import Entry, JournalReader, JournalSettings, JournalWriter
from ingest.sources.mqtt import MqttSettings
from ingest.sources.things_stack_mqtt import ThingsStackSettings

from .conftest import NOW, envelope, uplink
from .mosquitto import Mosquitto

pytestmark = pytest.mark.external_service
UNBOUNDED = "max_queued_messages 0\nmax_queued_bytes 100000000"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    made = Mosquitto(tmp_path, UNBOUNDED)
    yield made
    made.stop()


def eventually(true: Callable[[], bool], within_s: float = 60.0) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def collect(session: Session, confirmed: set[int]) -> set[int]:
    """`confirmed` with every sequence number of the receipts that have come meanwhile."""
    for one in session.take(1_000):
        for first, last in cbor.decode_receipt(one.payload).ranges:
            confirmed.update(range(first, last + 1))
    return confirmed


class Worker:
    """Doors of one worker on one broker."""

    def __init__(
        self, folder: Path, broker: Mosquitto, *, name: str = "w", share: str = "", keep_free_bytes: int = 0
    ) -> None:
        self.journal = JournalSettings(directory=folder / "journal", keep_free_bytes=keep_free_bytes)
        self.name = name
        self.committer = Committer(JournalWriter(self.journal, name, lambda: NOW), CommitSettings())
        self.committer.start()
        self.conditions = Conditions("w")
        self.doors = Doors(self.committer, self.conditions, name, lambda: NOW)
        settings = SessionSettings(port=broker.port)
        self.doors.open_mqtt([MqttSettings(broker=settings, share=share)])
        self.doors.open_things_stack([ThingsStackSettings(broker=settings)])
        eventually(lambda: not any(one.text(0.0) for one in self.doors._watched))

    def journalled(self) -> list[Entry]:
        reader = JournalReader(self.journal.directory, self.name)
        return [entry for name in reader.names() for entry in reader.read(name, 0, 10_000)]

    def close(self) -> None:
        self.doors.close()
        self.committer.close()


@contextmanager
def agent(broker: Mosquitto, name: str = "crx-gw-1") -> Iterator[Session]:
    session = Session(SessionSettings(port=broker.port), client_id=name, subscriptions=[topics.ack(name)])
    with session:
        assert session.wait_connected(60)
        yield session


def test_agents_get_receipts_for_what_is_on_disk(tmp_path: Path, broker: Mosquitto) -> None:
    worker = Worker(tmp_path, broker)
    with agent(broker) as session:
        for number in range(1, 51):
            assert session.publish(topics.up("crx-gw-1"), envelope(uplink(number), sequence=number))
        confirmed: set[int] = set()

        def all_confirmed() -> bool:
            for one in session.take(100):
                receipt = cbor.decode_receipt(one.payload)
                assert receipt.spool == b"spool-01"
                confirmed.update(n for first, last in receipt.ranges for n in range(first, last + 1))
            return len(confirmed) == 50

        eventually(all_confirmed)
    assert len(worker.journalled()) == 50
    worker.close()


def test_every_topic_finds_its_way(tmp_path: Path, broker: Mosquitto) -> None:
    worker = Worker(tmp_path, broker)
    with agent(broker) as session:
        session.publish("application/1/device/01/event/up", b"{}")
        session.publish("v3/app@ttn/devices/one/up", b"{}")
        session.publish(topics.up("crx-gw-1"), b"\xff no envelope")
        eventually(lambda: len(worker.journalled()) == 3)
    assert sorted(one.way for one in worker.journalled()) == ["chirpstack", "edge", "things_stack"]
    worker.close()


def test_a_journal_that_cannot_be_written_acknowledges_nothing_and_resumes(
    tmp_path: Path, broker: Mosquitto
) -> None:
    blocked = tmp_path / "journal"
    blocked.write_text("in the way")
    worker = Worker(tmp_path, broker)
    with agent(broker) as session:
        session.publish(topics.up("crx-gw-1"), envelope(uplink()))
        eventually(lambda: "cannot be written" in worker.committer.trouble)
        assert session.take(1, 0.5) == []
        blocked.unlink()
        eventually(lambda: len(worker.journalled()) == 1)
        (ack,) = session.take(1, 10.0)
        assert cbor.decode_receipt(ack.payload) == Receipt(b"spool-01", ((1, 1),))
    worker.close()


def test_what_comes_while_we_are_away_waits_at_the_broker(tmp_path: Path, broker: Mosquitto) -> None:
    Worker(tmp_path, broker).close()
    with agent(broker) as session:
        for number in range(1, 1_501):
            assert session.publish(topics.up("crx-gw-1"), envelope(uplink(number), sequence=number))
        worker = Worker(tmp_path, broker)
        eventually(lambda: len(worker.journalled()) == 1_500)
        # What the broker kept arrives before the door counts as connected: its receipts must not be lost.
        confirmed: set[int] = set()
        eventually(lambda: len(collect(session, confirmed)) == 1_500)
    worker.close()


def test_workers_on_a_shared_subscription_divide_the_messages(tmp_path: Path, broker: Mosquitto) -> None:
    workers = [Worker(tmp_path, broker, name=name, share="ingest") for name in ("w-1", "w-2")]
    with agent(broker) as session:
        for number in range(1, 201):
            assert session.publish(topics.up("crx-gw-1"), envelope(uplink(number), sequence=number))
        eventually(lambda: sum(len(worker.journalled()) for worker in workers) == 200)
    assert all(worker.journalled() for worker in workers)
    for worker in workers:
        worker.close()


CHECK = BrokerCheckSettings(messages=1_300)


def test_a_broker_with_default_limits_is_found_out(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, "")
    verdict = try_broker(SessionSettings(port=broker.port), CHECK, "w")
    broker.stop()
    assert verdict.missing == 300
    assert "max_queued_messages" in verdict.text("here") and "max_queued_bytes" in verdict.text("here")


def test_a_broker_that_keeps_everything_passes_and_is_left_clean(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, f"{UNBOUNDED}\nsys_interval 1")
    settings = SessionSettings(port=broker.port)
    assert try_broker(settings, CHECK, "w").missing == 0
    watcher = Session(settings, client_id="watcher", subscriptions=["$SYS/broker/clients/total"])
    with watcher:
        counted: list[int] = []

        def only_the_watcher() -> bool:
            counted.extend(int(one.payload) for one in watcher.take(10))
            return bool(counted) and counted[-1] == 1

        eventually(only_the_watcher)
    broker.stop()


def test_a_broker_that_cannot_be_tried_is_no_verdict(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, "")
    broker.stop()
    verdict = try_broker(SessionSettings(port=broker.port), BrokerCheckSettings(), "w")
    assert verdict.missing == 0
    assert "no connection" in verdict.text("here")


def test_the_verdict_reaches_the_conditions(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, "")
    worker = Worker(tmp_path, broker)
    said: dict[str, object] = {}
    told = threading.Event()
    worker.conditions.say = lambda subject, text: (said.update({subject: text}), text and told.set())  # type: ignore[method-assign,assignment,func-returns-value]
    worker.conditions.figure = lambda name, value: said.update({name: value})  # type: ignore[method-assign]
    worker.doors.check_brokers([MqttSettings(broker=SessionSettings(port=broker.port))], CHECK)
    assert told.wait(30)
    assert said["broker_drops_messages"] == 1
    worker.close()
    broker.stop()


def test_the_count_of_dropped_messages_is_watched_whenever_the_broker_comes(tmp_path: Path) -> None:
    broker = Mosquitto(tmp_path, "sys_interval 1\nmax_queued_messages 10")
    broker.stop()
    counts: list[int] = []
    watch = DropWatch(SessionSettings(port=broker.port), "watch", counts.append)
    watch.start()  # the broker is away
    for _ in range(2):  # it comes, drops, and goes again
        broker.start()
        with Session(SessionSettings(port=broker.port), client_id="away", subscriptions=["t"]) as away:
            assert away.wait_connected(20)
        with agent(broker) as publisher:
            for _ in range(50):
                assert publisher.publish_confirmed("t", b"x", 10)
        eventually(lambda: any(counts))
        counts.clear()
        broker.stop()
    watch.close()


def test_what_the_receive_queue_lost_is_said_for_a_while_and_counted(
    tmp_path: Path, broker: Mosquitto
) -> None:
    session = Session(SessionSettings(port=broker.port), client_id="w")
    watched = Watched("mqtt here", session)
    assert "not connected" in watched.text(0.0)
    with session:
        assert session.wait_connected(20)
        assert watched.text(0.0) == ""
        session.dropped = 3
        assert "3 messages" in watched.text(10.0)
        assert "3 messages" in watched.text(900.0)
        assert (watched.text(1_000.0), watched.dropped) == ("", 3)
