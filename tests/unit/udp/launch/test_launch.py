"""The launcher's promises: a broker that forgets nothing and trusts nobody, wishes that are understood."""

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from loopback import free_port

from udp.errors import ConfigurationError
from udp.launch.broker import BrokerPlan, find_mosquitto, write_configuration
from udp.launch.credentials import Credentials
from udp.launch.environment import Environment, require_free_port
from udp.launch.supervisor import Program, Supervisor


@pytest.fixture
def broker(tmp_path):
    program = find_mosquitto()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
    port = free_port()
    plan = BrokerPlan(program, tmp_path / "broker", "127.0.0.1", port)
    configuration = write_configuration(plan, {"gw-a": "secret-a", "gw-b": "secret-b", "ingest": "secret-i"})
    process = subprocess.Popen([program, "-c", str(configuration)], stderr=subprocess.DEVNULL)
    while process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.02)
    yield port
    process.terminate()
    process.wait()


class Client:
    """A paho client whose connection and arrivals can be waited for."""

    def __init__(self, port, user, password, *, client_id="", clean=True):
        self.arrived = []
        self.connected = threading.Event()
        self.subscribed = threading.Event()
        self.reason = None
        self.paho = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv5)
        self.paho.username_pw_set(user, password)
        self.paho.on_connect = self._on_connect
        self.paho.on_subscribe = lambda *_: self.subscribed.set()
        self.paho.on_message = lambda _c, _u, message: self.arrived.append((message.topic, message.payload))
        properties = mqtt.Properties(mqtt.PacketTypes.CONNECT)
        if not clean:
            properties.SessionExpiryInterval = 3600
        self.paho.connect("127.0.0.1", port, clean_start=clean, properties=properties)
        self.paho.loop_start()
        assert self.connected.wait(60)

    def _on_connect(self, _client, _data, _flags, reason, _properties):
        self.reason = reason
        self.connected.set()

    def subscribe(self, topic):
        self.subscribed.clear()
        self.paho.subscribe(topic, qos=1)
        assert self.subscribed.wait(60)

    def publish(self, topic, payload):
        return self.paho.publish(topic, payload, qos=1)

    def close(self):
        self.paho.disconnect()
        self.paho.loop_stop()


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


@pytest.mark.external_service
def test_nobody_gets_in_without_the_right_password(broker):
    stranger = Client(broker, "gw-a", "guessed")
    assert stranger.reason.is_failure
    stranger.close()


@pytest.mark.external_service
def test_an_agent_writes_and_reads_its_own_topics_only(broker):
    ingest = Client(broker, "ingest", "secret-i")
    ingest.subscribe("udp/v1/+/up")
    agent = Client(broker, "gw-a", "secret-a")
    agent.subscribe("udp/v1/#")
    forger = Client(broker, "gw-a", "secret-a")
    forger.publish("udp/v1/gw-b/up", b"forged")
    agent.publish("udp/v1/gw-a/up", b"own")
    ingest.publish("udp/v1/gw-b/ack", b"for the other")
    ingest.publish("udp/v1/gw-a/ack", b"for this one")
    assert until(lambda: ingest.arrived and agent.arrived)
    ingest.publish("udp/v1/gw-a/down", b"last")
    assert until(lambda: ("udp/v1/gw-a/down", b"last") in agent.arrived)
    assert ingest.arrived == [("udp/v1/gw-a/up", b"own")]
    assert [topic for topic, _ in agent.arrived] == ["udp/v1/gw-a/ack", "udp/v1/gw-a/down"]
    for client in (agent, forger, ingest):
        client.close()


@pytest.mark.external_service
def test_what_waits_for_an_absent_consumer_is_all_kept(broker):
    consumer = Client(broker, "ingest", "secret-i", client_id="ingest-test", clean=False)
    consumer.subscribe("udp/v1/+/up")
    consumer.close()
    agent = Client(broker, "gw-a", "secret-a")
    sent = [agent.publish("udp/v1/gw-a/up", b"%d" % n) for n in range(5000)]
    for handle in sent:
        handle.wait_for_publish(60)
    consumer = Client(broker, "ingest", "secret-i", client_id="ingest-test", clean=False)
    assert until(lambda: len(consumer.arrived) >= 5000)
    assert [payload for _, payload in consumer.arrived] == [b"%d" % n for n in range(5000)]
    agent.close()
    consumer.close()


def test_secrets_are_long_random_and_private(tmp_path):
    first = Credentials(tmp_path / "a")
    second = Credentials(tmp_path / "b")
    assert len(first.text("x")) >= 43
    assert len({first.text("x"), first.text("y"), second.text("x")}) == 3
    assert first.text("x") == Credentials(tmp_path / "a").text("x")
    assert first.path("x").stat().st_mode & 0o077 == 0


def test_a_taken_port_is_named_with_the_variable_to_set():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=rf"port {port} is taken.*UDP_HTTP_PORT=\d+ make run"):
            require_free_port("UDP_HTTP_PORT", port)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("UDP_HTTP_PORT", "http"),
        ("UDP_MQTT_PORT", "70000"),
        ("UDP_CITY", "maybe"),
        ("UDP_HISTORY_DAYS", "-1"),
    ],
)
def test_a_wish_that_cannot_be_meant_is_named(variable, value):
    with pytest.raises(ConfigurationError, match=variable):
        Environment.read({variable: value})


def test_a_process_that_dies_is_started_again_and_all_end_together(tmp_path):
    said = []
    clock = iter(range(10_000))
    supervisor = Supervisor(tmp_path, lambda: float(next(clock)), said.append)
    script = "import os,time; print('born', os.getpid(), flush=True); time.sleep(600)"
    supervisor.start(Program("sleeper", [sys.executable, "-c", script]))
    log = supervisor.log_of("sleeper")
    assert until(lambda: "born" in log.read_text())
    os.kill(int(log.read_text().split()[1]), 9)
    assert until(lambda: not supervisor.alive("sleeper"))
    assert until(lambda: supervisor.tick() or log.read_text().count("born") == 2)
    assert any("sleeper ended with code -9" in line for line in said)
    supervisor.stop()
    assert not supervisor.alive("sleeper")


def test_what_a_process_said_in_an_earlier_run_is_no_news(tmp_path):
    def said_by(text):
        supervisor = Supervisor(tmp_path, time.monotonic, lambda _text: None)
        supervisor.start(Program("city", [sys.executable, "-c", f"print({text!r})"]))
        assert until(lambda: not supervisor.alive("city"))
        line = supervisor.newest_line("city")
        supervisor.stop()
        return line

    assert said_by("live") == "live"
    assert said_by("") == ""


def test_the_shipped_broker_configuration_is_the_tested_one():
    template = Path(sys.modules["udp.launch.broker"].__file__).with_name("mosquitto.conf").read_text()
    assert "max_queued_messages 0" in template
    assert "allow_anonymous false" in template
