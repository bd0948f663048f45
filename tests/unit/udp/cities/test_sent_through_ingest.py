"""The same device heard by gateways of the same name in two cities, sent through each city's own ingest."""

from __future__ import annotations

import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from loopback import free_port
from two_in_one import WITHIN_S, ask, pairs

from edge.wire import cbor
from edge.wire.identifiers import DevEUI, GatewayEUI
from edge.wire.messages import Clock, Envelope, Reading, Reception, Uplink

# Tenths of a degree in the payload of a Milesight AM319 (channel 03, type 67).
_SENT = {"Castrop": 141, "Herne": 262}
_BACKLOG = {"Castrop": 31_111.0, "Herne": 32_222.0}


class Ingest:
    """`udp-ingest run` with the settings the launcher wrote for the city."""

    def __init__(self, town, port):
        self.town, self.address = town, f"http://127.0.0.1:{port}"
        path = town.site.file("ingest")
        before = f"port = {town.site.environment.ingest_port}"
        text = path.read_text(encoding="utf-8")
        assert before in text
        path.write_text(text.replace(before, f"port = {port}"), encoding="utf-8")
        self.log = (town.folder / "ingest.log").open("wb")
        command = [sys.executable, "-m", "ingest", "run", "--config", str(path)]
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)

    def post(self, token):
        """The same radio packet and the same agent's own words, but for what was measured."""
        now, name = datetime.now(UTC), self.town.name
        heard = (Reception(GatewayEUI(b"\xaa" * 8), "gw-1", now, -90.0, 7.0),)
        payload = b"\x03\x67" + _SENT[name].to_bytes(2, "little")
        uplink = Uplink(
            DevEUI.parse("A84041000181A001"), b"\x26\x01\x1b\xda", 7, 85, payload, now, Clock.NTP, heard
        )
        reading = Reading("agent", now, now, Clock.NTP, {"backlog_messages": _BACKLOG[name]})
        octets = cbor.encode(Envelope("gw-1", b"spool-of-a-gw-01", 1, 1, now, (uplink, reading)))
        headers = {"Content_Type": "application/cbor", "Authorization": f"Bearer {token}"}
        return ask(f"{self.address}/edge/v1/gw-1/up", "", "POST", octets, **headers).status

    def wait(self):
        until = time.monotonic() + WITHIN_S
        while True:
            assert self.process.poll() is None and time.monotonic() < until
            try:
                ask(f"{self.address}/health")
            except OSError:
                time.sleep(0.1)
            else:
                return

    def stop(self):
        self.process.terminate()
        self.process.wait(40)
        self.log.close()


@pytest.fixture
def doors(instance):
    made = {town.name: Ingest(town, free_port()) for town in instance.towns}
    try:
        for one in made.values():
            one.wait()
        yield made
    finally:
        for one in made.values():
            one.stop()


def test_each_city_takes_its_own_agent_and_tells_its_own_value(instance, doors):
    tokens = {town.name: town.site.credentials.text("agent-gw-1") for town in instance.towns}
    assert len(set(tokens.values())) == 2
    for town, other in pairs(instance.towns):
        assert doors[town.name].post(tokens[other.name]) == 401
        assert doors[town.name].post(tokens[town.name]) in (200, 202)
    for town, other in pairs(instance.towns):
        wanted = (f'"value":{_SENT[town.name] / 10}', f'"value":{_BACKLOG[town.name]}')
        until = time.monotonic() + WITHIN_S
        while not all(word in (text := town.ask("/api/v1/latest", town.key).text) for word in wanted):
            assert time.monotonic() < until, text
            time.sleep(0.2)
        for foreign in (f"{_SENT[other.name] / 10}", f"{_BACKLOG[other.name]:g}"):
            assert foreign not in text
        operations = town.ask("/api/v1/operations", town.key).json()
        assert [agent["agent"] for agent in operations["agents"] if agent.get("last_journalled_at")] == [
            "gw-1"
        ]
