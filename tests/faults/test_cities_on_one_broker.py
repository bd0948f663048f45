"""Two cities on one real broker, with gateways of the same name: none speaks for or hears the other's.

The rights are those the paper tells the IT team to write.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from loopback import free_port
from paho.mqtt.enums import CallbackAPIVersion

from edge.wire import topics
from edge.wire.broker import SessionSettings
from edge.wire.session import Session
from edge.wire.settings import Secret
from ingest.broker_check import BrokerCheckSettings, try_broker
from udp.launch.broker import BrokerPlan, find_mosquitto, write_configuration

pytestmark = pytest.mark.external_service
_PAPER = Path(__file__).parents[2] / "gateway-firmware" / "README.md"
_WITHIN_S = 60.0


def rights() -> str:
    """The block of the paper."""
    part = _PAPER.read_text(encoding="utf-8").split("## Two cities on one broker")[1]
    found = re.search(r"```\n(user gw-1\n.*?)```", part, re.S)
    assert found is not None
    return found[1]


@pytest.fixture
def port(tmp_path):
    program = find_mosquitto()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
    number = free_port()
    users = re.findall(r"^user (\S+)$", rights(), re.M)
    plan = BrokerPlan(program, tmp_path / "broker", "127.0.0.1", number)
    configuration = write_configuration(plan, {user: f"password-of-{user}" for user in users})
    (tmp_path / "broker" / "acl").write_text(rights(), encoding="utf-8")
    process = subprocess.Popen([program, "-c", str(configuration)])
    until = time.monotonic() + _WITHIN_S
    with socket.socket() as probe:
        while probe.connect_ex(("127.0.0.1", number)):
            assert time.monotonic() < until
            time.sleep(0.02)
    yield number
    process.terminate()
    process.wait(10)


def settings(port: int, user: str, prefix: str) -> SessionSettings:
    return SessionSettings(port=port, username=user, password=Secret(f"password-of-{user}"), prefix=prefix)


def city(port: int, prefix: str) -> tuple[Session, Session]:
    """Agent and ingest of one city, as the processes open them."""
    before = f"{prefix}." if prefix else ""
    agent = Session(
        settings(port, f"{before}gw-1", prefix), client_id="udp-edge-gw-1",
        subscriptions=(topics.ack("gw-1"), topics.down("gw-1")), presence=topics.status("gw-1"),
    )  # fmt: skip
    ingest = Session(
        settings(port, f"{before}ingest", prefix), client_id="udp-ingest-ingest-1",
        subscriptions=(topics.UP_OF_ALL_AGENTS, "$SYS/broker/version"),
    )  # fmt: skip
    for one in (ingest, agent):
        one.start()
        assert one.wait_connected(_WITHIN_S), one.trouble
    return agent, ingest


def heard(session: Session, topic: str) -> list[bytes]:
    """Until the last word has come, what came before it."""
    found: list[bytes] = []
    until = time.monotonic() + _WITHIN_S
    while time.monotonic() < until and b"last" not in found:
        for one in session.take(100, 0.2):
            if one.topic == topic:
                found.append(one.payload)
            else:
                assert one.topic == "$SYS/broker/version", one.topic
            session.acknowledge([one.token])
    return found


def test_gateways_of_one_name_reach_their_own_city_only(port):
    (agent, ingest), (other_agent, other_ingest) = city(port, ""), city(port, "herne")
    try:
        for name, one in (("castrop", agent), ("herne", other_agent)):
            assert one.publish_confirmed(topics.up("gw-1"), name.encode(), _WITHIN_S)
            assert one.publish_confirmed(topics.up("gw-1"), b"last", _WITHIN_S)
        assert heard(ingest, topics.up("gw-1")) == [b"castrop", b"last"]
        assert heard(other_ingest, topics.up("gw-1")) == [b"herne", b"last"]
        for name, one in (("castrop", ingest), ("herne", other_ingest)):
            assert one.publish_confirmed(topics.ack("gw-1"), name.encode(), _WITHIN_S)
            assert one.publish_confirmed(topics.ack("gw-1"), b"last", _WITHIN_S)
        assert heard(agent, topics.ack("gw-1")) == [b"castrop", b"last"]
        assert heard(other_agent, topics.ack("gw-1")) == [b"herne", b"last"]
    finally:
        for one in (agent, ingest, other_agent, other_ingest):
            one.close()


def test_no_account_speaks_or_listens_under_the_other_s_prefix(port):
    _agent, ingest = city(port, "")
    _other_agent, other_ingest = city(port, "herne")
    # As somebody who took the card out of one city's gateway and changed its settings.
    thief = Session(settings(port, "herne.gw-1", ""), client_id="thief")
    thief_back = Session(settings(port, "gw-1", "herne"), client_id="thief-back")
    deaf = Session(
        settings(port, "herne.ingest", ""), client_id="deaf", subscriptions=(topics.UP_OF_ALL_AGENTS,)
    )
    try:
        for one in (thief, thief_back):
            one.start()
            assert one.wait_connected(_WITHIN_S)
            one.publish_confirmed(topics.up("gw-1"), b"forged", _WITHIN_S)
        deaf.start()
        # Mosquitto grants every subscription, and looks at each message before it delivers it.
        assert deaf.wait_connected(_WITHIN_S)
        for one in (_agent, _other_agent):
            assert one.publish_confirmed(topics.up("gw-1"), b"last", _WITHIN_S)
        assert heard(ingest, topics.up("gw-1")) == [b"last"]
        assert heard(other_ingest, topics.up("gw-1")) == [b"last"]
        assert deaf.take(10, 1.0) == []
    finally:
        for one in (thief, thief_back, deaf, _agent, _other_agent, ingest, other_ingest):
            one.close()


def test_whoever_takes_the_other_s_client_name_gets_nothing_of_its_queue(port):
    agent, ingest = city(port, "")
    ingest.close()
    assert agent.publish_confirmed(topics.up("gw-1"), b"waits for ingest", _WITHIN_S)
    got: list[bytes] = []
    stranger = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="udp-ingest-ingest-1", protocol=mqtt.MQTTv5)
    stranger.username_pw_set("herne.gw-1", "password-of-herne.gw-1")
    stranger.on_message = lambda _c, _u, one: got.append(one.payload)
    stranger.connect("127.0.0.1", port, clean_start=False)
    stranger.loop_start()
    assert agent.publish_confirmed(topics.up("gw-1"), b"and this", _WITHIN_S)
    time.sleep(1)  # long enough for what would come
    stranger.disconnect()
    stranger.loop_stop()
    agent.close()
    assert got == []


def test_the_broker_is_tried_for_each_city_below_its_own_topics(port):
    check = BrokerCheckSettings()
    for user, prefix in (("ingest", ""), ("herne.ingest", "herne")):
        verdict = try_broker(settings(port, user, prefix), check, "ingest-1")
        assert (verdict.missing, verdict.trouble) == (0, "")
