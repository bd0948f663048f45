"""Who subscribes to everything at the shipped broker hears its own topics and nothing else."""

import contextlib
import os
import subprocess
import time
from collections import deque

import paho.mqtt.client as paho
import pytest
from loopback import free_port

from udp.launch.broker import BrokerPlan, find_mosquitto, write_configuration

PASSWORDS = {"ingest": "i", "spy": "s", "chirpstack": "c", "neighbour": "n", "forger": "f"}
WILDCARDS = (
    "#", "+/#", "udp/#", "udp/v1/#", "udp/v1/+/up", "udp/v1/+/ack", "application/#", "v3/#", "$SYS/#",
    "udp/selftest/#", "udp/v1/spy/ack",
)  # fmt: skip
pytestmark = pytest.mark.external_service


def until(condition, what):
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.02)


class Client:
    """One account; what it heard."""

    def __init__(self, port, name):
        self.code, self.heard, self.granted = None, deque(), deque()
        self.paho = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=f"t-{name}", protocol=paho.MQTTv5)
        if name in PASSWORDS:
            self.paho.username_pw_set(name, PASSWORDS[name])
        self.paho.on_connect = lambda _c, _u, _f, code, _p: setattr(self, "code", code)
        self.paho.on_message = lambda _c, _u, message: self.heard.append((message.topic, message.payload))
        self.paho.on_subscribe = lambda *given: self.granted.append(given)
        until(lambda: self._reached(port), "the broker listens")
        self.paho.loop_start()
        until(lambda: self.code is not None, f"{name} is answered")

    def _reached(self, port):
        with contextlib.suppress(OSError):
            return self.paho.connect("127.0.0.1", port) == 0
        return False

    def hear(self, *topics):
        for topic in topics:
            self.paho.subscribe(topic, 1)
        until(lambda: len(self.granted) == len(topics), "every subscription is answered")

    def say(self, topic, payload):
        self.paho.publish(topic, payload, 1).wait_for_publish(10)


@pytest.fixture
def broker(tmp_path):
    program = find_mosquitto()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
    port = free_port()
    configuration = write_configuration(
        BrokerPlan(program, tmp_path / "broker", "127.0.0.1", port), PASSWORDS
    )
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([program, "-c", str(configuration)], **quiet)
    clients = []

    def client(name):
        clients.append(Client(port, name))
        return clients[-1]

    yield client
    for one in clients:
        one.paho.loop_stop()
    process.terminate()
    process.wait(timeout=20)


def test_nobody_without_an_account_comes_in(broker):
    assert broker("nobody").code.is_failure


def test_a_wildcard_subscription_hears_nothing_of_others(broker):
    spy, neighbour, ingest, chirpstack = (broker(one) for one in ("spy", "neighbour", "ingest", "chirpstack"))
    spy.hear(*WILDCARDS)
    ingest.hear("udp/v1/+/up", "application/+/device/+/event/+")
    neighbour.say("udp/v1/neighbour/up", b"kanarie")
    # A refused message costs its sender the connection: one who does nothing else.
    broker("forger").say("udp/v1/spy/ack", b"forged")
    broker("forger").say("udp/v1/neighbour/up", b"forged")
    chirpstack.say("application/1/device/2/event/up", b"kanarie")
    ingest.say("udp/v1/neighbour/ack", b"kanarie")
    ingest.say("udp/v1/spy/ack", b"own")
    until(lambda: len(ingest.heard) >= 2, f"ingest has both: {ingest.heard}")
    until(lambda: spy.heard, "the spy has its own")
    assert set(spy.heard) == {("udp/v1/spy/ack", b"own")}
    assert {payload for _, payload in ingest.heard} == {b"kanarie"}
