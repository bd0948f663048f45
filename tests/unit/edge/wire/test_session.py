"""Laws of the MQTT session, on a real broker."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from edge.wire.session import OFFLINE, ONLINE, Delivery, Session, SessionSettings, Token
from edge.wire.settings import Secret

pytestmark = pytest.mark.external_service
PATIENCE_S = 20.0


class Broker:
    """A Mosquitto process on a free loopback port, which can die and come back."""

    def __init__(self, folder: Path) -> None:
        found = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        if not Path(found).exists():
            (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.binary = found
        self.configuration = folder / "mosquitto.conf"
        self.configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
        )
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.binary, "-c", str(self.configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("mosquitto did not open its port")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    running = Broker(tmp_path)
    yield running
    running.kill()


def session(broker: Broker, name: str, *subscriptions: str, presence: str | None = None) -> Session:
    settings = SessionSettings(port=broker.port, receive_maximum=10)
    return Session(settings, client_id=name, subscriptions=subscriptions, presence=presence)


def take(consumer: Session, count: int) -> list[Delivery]:
    taken: list[Delivery] = []
    deadline = time.monotonic() + PATIENCE_S
    while len(taken) < count and time.monotonic() < deadline:
        taken += consumer.take(count - len(taken), timeout=0.5)
    return taken


def test_the_broker_sends_no_more_than_receive_maximum_until_somebody_acknowledges(broker: Broker) -> None:
    with session(broker, "consumer", "t/#") as consumer, session(broker, "producer") as producer:
        assert consumer.wait_connected(PATIENCE_S)
        assert producer.wait_connected(PATIENCE_S)
        for number in range(35):
            assert producer.publish_confirmed("t/x", str(number).encode(), PATIENCE_S)
        first = take(consumer, 10)
        assert [delivery.payload for delivery in first] == [str(number).encode() for number in range(10)]
        assert consumer.take(1, timeout=0.3) == []
        seen = list(first)
        while len(seen) < 35:
            consumer.acknowledge(delivery.token for delivery in first)
            first = take(consumer, min(10, 35 - len(seen)))
            assert first
            seen += first
        assert [delivery.payload for delivery in seen] == [str(number).encode() for number in range(35)]


def test_what_nobody_acknowledged_comes_again_to_the_next_process_of_that_name(broker: Broker) -> None:
    with session(broker, "consumer", "t/#") as consumer, session(broker, "producer") as producer:
        assert consumer.wait_connected(PATIENCE_S)
        assert producer.wait_connected(PATIENCE_S)
        for number in range(3):
            assert producer.publish_confirmed("t/x", str(number).encode(), PATIENCE_S)
        one, *_ = take(consumer, 3)
        consumer.acknowledge([one.token])
        assert producer.publish_confirmed("t/x", b"3", PATIENCE_S)
        assert take(consumer, 1)[0].payload == b"3"
    with session(broker, "consumer", "t/#") as successor:
        assert [delivery.payload for delivery in take(successor, 3)] == [b"1", b"2", b"3"]


def test_repetitions_for_who_is_away_do_not_pile_up_when_they_expire(broker: Broker) -> None:
    with session(broker, "consumer", "t/#") as consumer:
        assert consumer.wait_connected(PATIENCE_S)
    with session(broker, "producer") as producer:
        assert producer.wait_connected(PATIENCE_S)
        for number in range(12):
            assert producer.publish("t/x", b"%d" % number, expiry=timedelta(seconds=2))
            time.sleep(0.5)  # the passing of time is what is tested
        assert producer.publish_confirmed("t/x", b"for ever", PATIENCE_S)
    with session(broker, "consumer", "t/#") as back:
        seen: list[bytes] = []
        while not seen or seen[-1] != b"for ever":
            taken = take(back, 1)
            assert taken
            back.acknowledge([taken[0].token])
            seen.append(taken[0].payload)
    assert len(seen) <= 8, (
        "of twelve repetitions those older than two (by the broker's clock three) s are gone"
    )


def test_a_token_of_an_earlier_connection_acknowledges_nothing(broker: Broker) -> None:
    with session(broker, "consumer", "t/#") as consumer, session(broker, "producer") as producer:
        assert consumer.wait_connected(PATIENCE_S)
        assert producer.wait_connected(PATIENCE_S)
        assert producer.publish_confirmed("t/x", b"kept", PATIENCE_S)
        token = take(consumer, 1)[0].token
        assert token is not None
        consumer.acknowledge([Token(token.connection - 1, token.packet)])
    with session(broker, "consumer", "t/#") as successor:
        assert take(successor, 1)[0].payload == b"kept"


def test_a_broker_without_memory_finds_the_session_subscribed_again(broker: Broker) -> None:
    with session(broker, "consumer", "t/#") as consumer, session(broker, "producer") as producer:
        assert consumer.wait_connected(PATIENCE_S)
        before = consumer.connection
        broker.kill()
        broker.start()
        deadline = time.monotonic() + PATIENCE_S
        while consumer.connection in (None, before) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert producer.wait_connected(PATIENCE_S)
        assert producer.publish_confirmed("t/x", b"again", PATIENCE_S)
        assert [delivery.payload for delivery in take(consumer, 1)] == [b"again"]


def test_presence_is_online_while_connected_and_offline_afterwards(broker: Broker) -> None:
    with session(broker, "watcher", "agent/status") as watcher:
        assert watcher.wait_connected(PATIENCE_S)
        with session(broker, "agent", presence="agent/status") as agent:
            assert agent.wait_connected(PATIENCE_S)
            assert take(watcher, 1)[0].payload == ONLINE
        assert take(watcher, 1)[0].payload == OFFLINE


def test_publishing_without_a_connection_says_so(tmp_path: Path) -> None:
    settings = SessionSettings(port=1)
    with Session(settings, client_id="lonely") as lonely:
        assert not lonely.publish("t", b"x")
        assert not lonely.publish_confirmed("t", b"x", 0.1)


def test_a_password_never_travels_in_clear_text_to_another_machine() -> None:
    with pytest.raises(ValueError, match="clear text"):
        SessionSettings(host="broker.example", username="agent", password=Secret("x"))
