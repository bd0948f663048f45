"""Laws of the MQTT session, on a real broker."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from loopback import free_port

from edge.wire.arrivals import Delivery, Token
from edge.wire.broker import SessionSettings
from edge.wire.session import OFFLINE, ONLINE, Session
from edge.wire.settings import Secret

pytestmark = pytest.mark.external_service
PATIENCE_S = 60.0


class Broker:
    """A Mosquitto process on a free loopback port, which can die and come back."""

    def __init__(self, folder: Path, *more: str) -> None:
        found = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
        if not Path(found).exists():
            (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
        self.port = free_port()
        self.binary = found
        self.configuration = folder / "mosquitto.conf"
        self.configuration.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            + "".join(f"{line}\n" for line in ("set_tcp_nodelay true", *more))
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


def test_nothing_is_acknowledged_between_two_connections(broker: Broker) -> None:
    """What is given to paho then may go out on the next one, where the number names another message."""
    with session(broker, "consumer", "t/#") as consumer, session(broker, "producer") as producer:
        assert consumer.wait_connected(PATIENCE_S)
        assert producer.wait_connected(PATIENCE_S)
        assert producer.publish_confirmed("t/x", b"1", PATIENCE_S)
        tokens = [one.token for one in take(consumer, 1)]
        broker.kill()
        deadline = time.monotonic() + PATIENCE_S
        while consumer.connection is not None and time.monotonic() < deadline:
            time.sleep(0.01)
        consumer.acknowledge(tokens)
        assert not consumer._client.want_write()


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


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[Broker]:
    """A broker whose access list refuses every subscription, until somebody allows it."""
    plugin = next(Path("/usr/lib").glob("*/mosquitto_dynamic_security.so"), None)
    if plugin is None or shutil.which("mosquitto_ctrl") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(
            "mosquitto's dynamic security is not installed"
        )
    rules = tmp_path / "rules.json"
    subprocess.run(
        ["mosquitto_ctrl", "dynsec", "init", str(rules), "admin", "secret"], check=True, capture_output=True
    )
    # Started by root, Mosquitto becomes another user, who may not read this folder.
    user = f"user {getpass.getuser()}"
    running = Broker(tmp_path, f"plugin {plugin}", f"plugin_opt_config_file {rules}", user)
    administer(running, "removeRoleACL", "admin", "subscribePattern", "#")
    yield running
    running.kill()


def administer(broker: Broker, *order: str) -> None:
    """Tell the broker's access list something as its administrator."""
    who = ["-p", str(broker.port), "-u", "admin", "-P", "secret"]
    subprocess.run(["mosquitto_ctrl", *who, "dynsec", *order], check=True, capture_output=True)


def test_a_refused_subscription_is_no_connection_and_is_tried_again(
    guarded: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("edge.wire.session._SUBSCRIBE_AGAIN_S", 0.5)
    settings = SessionSettings(port=guarded.port, username="admin", password=Secret("secret"))
    with Session(settings, client_id="agent", subscriptions=("ours/ack", "ours/down")) as deaf:
        deadline = time.monotonic() + PATIENCE_S
        while "ours/ack (Not authorized)" not in deaf.trouble:
            assert time.monotonic() < deadline, deaf.trouble
            time.sleep(0.05)
        assert not deaf.wait_connected(2.0), "some attempts later"
        assert deaf.connection is None
        assert caplog.text.count("refuses subscriptions") == 1, "said once, not at every attempt"
        administer(guarded, "addRoleACL", "admin", "subscribePattern", "#", "allow")
        assert deaf.wait_connected(PATIENCE_S)
        assert deaf.trouble == ""


def test_an_answer_does_not_wait_for_the_acknowledgement_of_the_packet_before(broker: Broker) -> None:
    """Without TCP_NODELAY the second small packet in a row waits 40 ms for the first one's TCP ACK."""
    with session(broker, "agent", "t/ack") as agent, session(broker, "ingest", "t/up") as ingest:
        assert agent.wait_connected(PATIENCE_S)
        assert ingest.wait_connected(PATIENCE_S)
        trips = []
        for _ in range(40):
            begun = time.monotonic()
            assert agent.publish("t/up", b"envelope")
            (up,) = take(ingest, 1)
            ingest.acknowledge([up.token])
            assert ingest.publish("t/ack", b"receipt")
            (ack,) = take(agent, 1)
            agent.acknowledge([ack.token])
            trips.append(time.monotonic() - begun)
        opened = agent._client.socket()
        assert isinstance(opened, socket.socket)
        assert opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY), "88 ms instead of 0.3 ms"
    trips.sort()
    print(f"\nenvelope to receipt: median {trips[20] * 1e3:.1f} ms, nine tenths {trips[36] * 1e3:.1f} ms")


@pytest.mark.parametrize("plain", [False, True], ids=["QoS 1", "QoS 0 of MQTT 3.1.1"])
def test_what_is_not_taken_takes_no_more_memory_than_allowed_and_is_not_lost(
    broker: Broker, plain: bool
) -> None:
    bounded = SessionSettings(port=broker.port, receive_bytes=100_000)
    consumer = Session(bounded, client_id="consumer", subscriptions=("t/#",), plain=plain)
    with consumer, session(broker, "producer") as producer:
        assert consumer.wait_connected(PATIENCE_S)
        assert producer.wait_connected(PATIENCE_S)
        for number in range(40):
            assert producer.publish_confirmed("t/x", bytes([number]) * 10_000, PATIENCE_S)
        deadline = time.monotonic() + PATIENCE_S
        while consumer.waiting_bytes < 90_000 and time.monotonic() < deadline:
            time.sleep(0.01)
        assert 90_000 <= consumer.waiting_bytes <= 100_000
        seen = []
        while len(seen) < 40 and (some := take(consumer, 1)):
            assert consumer.waiting_bytes <= 100_000
            consumer.acknowledge([one.token for one in some])
            seen += [one.payload[0] for one in some]
        assert seen == list(range(40))


def test_qos_0_that_comes_faster_than_it_is_taken_is_counted_and_said(
    broker: Broker, caplog: pytest.LogCaptureFixture
) -> None:
    with session(broker, "consumer", "t/#") as consumer:
        assert consumer.wait_connected(PATIENCE_S)
        sender = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "sender")
        sender.connect("127.0.0.1", broker.port)
        for number in range(25):
            sender.publish("t/x", bytes([number]), qos=0)
        deadline = time.monotonic() + PATIENCE_S
        while consumer.dropped < 15 and time.monotonic() < deadline:
            sender.loop(0.01)
        sender.disconnect()
        assert [one.payload[0] for one in take(consumer, 10)] == list(range(10))
        assert consumer.dropped == 15
    assert caplog.text.count("come faster than they are taken") == 1


def test_publishing_without_a_connection_says_so(tmp_path: Path) -> None:
    settings = SessionSettings(port=1)
    with Session(settings, client_id="lonely") as lonely:
        assert not lonely.publish("t", b"x")
        assert not lonely.publish_confirmed("t", b"x", 0.1)


def test_a_password_never_travels_in_clear_text_to_another_machine() -> None:
    with pytest.raises(ValueError, match="clear text"):
        SessionSettings(host="broker.example", username="agent", password=Secret("x"))
