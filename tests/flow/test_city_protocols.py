"""The virtual city speaks real protocols to real servers: UDP with loss, Mosquitto, HTTP, Modbus.

Hours of the town are played against servers of this test; what arrives is read with the platform's own
readers and compared with what the city says it has sent.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from loopback import free_port
from paho.mqtt.enums import CallbackAPIVersion

from edge.lorawan.frame import DataUp, SessionKeys, parse_data_up
from edge.lorawan.keyring import Keyring
from edge.lorawan.sessions import read_sessions
from edge.wire.messages import Uplink
from edge.wire.settings import Secret
from ingest.heard import Joined
from ingest.sources import chirpstack, things_stack
from simulators import radio
from simulators.__main__ import main
from simulators.city import City, Way
from simulators.config import BrokerSettings, CitySettings, DoorSettings, GatewaySettings
from simulators.inventory import build_city
from simulators.places import read_places
from simulators.state import read_state
from simulators.town import Town

SEED = 3
SINCE, HALF, UNTIL = "2026-11-10T05:00:00+00:00", "2026-11-10T06:00:00+00:00", "2026-11-10T07:00:00+00:00"
PATIENCE_S = 60.0
LAST = "application/none/device/none/event/last"


class LossyServer(threading.Thread):
    """A Semtech UDP server for all gateways that loses every tenth datagram and every tenth answer."""

    def __init__(self, loss: float = 0.1) -> None:
        super().__init__(daemon=True)
        self._rng = random.Random(4)
        self._loss = loss
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(0.2)
        self._open = True
        self.port = int(self._socket.getsockname()[1])
        self.packets: list[tuple[bytes, dict[str, Any]]] = []
        self.stats: Counter[bytes] = Counter()
        self.lost = 0
        self.start()

    def run(self) -> None:
        while self._open:
            try:
                data, address = self._socket.recvfrom(65_535)
            except TimeoutError:
                continue
            if self._rng.random() < self._loss:
                self.lost += 1
                continue
            if data[3] == 0:
                body = json.loads(data[12:])
                self.packets += [(data[4:12], packet) for packet in body.get("rxpk", [])]
                self.stats[data[4:12]] += "stat" in body
            if data[3] in (0, 2) and self._rng.random() >= self._loss:
                self._socket.sendto(data[:3] + bytes([data[3] * 3 // 2 + 1]), address)

    def close(self) -> None:
        self._open = False
        self.join()
        self._socket.close()


class Door(ThreadingHTTPServer):
    """An HTTP door that is busy at first, keeps every letter, and lets nobody in without a key."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), DoorKeeper)
        self.letters: list[tuple[str, str, bytes]] = []
        self.busy = 5
        self.strangers = 0
        self.lock = threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class DoorKeeper(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            key = "Authorization" if self.path.startswith("/chirpstack") else "X-Api-Key"
            if self.headers.get(key) not in ("Bearer door-key", "door-key"):
                self.server.strangers += 1
                status = 401
            elif self.server.busy:
                self.server.busy -= 1
                status = 503
            else:
                self.server.letters.append((self.path, self.headers["Content-Type"], body))
                status = 204
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[LossyServer]:
    running = LossyServer()
    yield running
    running.close()


@pytest.fixture
def calm_server() -> Iterator[LossyServer]:
    """Loses nothing: where loss is not what is tested, nobody waits for repetitions."""
    running = LossyServer(loss=0.0)
    yield running
    running.close()


@pytest.fixture
def door() -> Iterator[Door]:
    running = Door()
    yield running
    running.shutdown()
    running.server_close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    found = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(found).exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
    port = free_port()
    config = tmp_path / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    process = subprocess.Popen(
        [found, "-c", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    wait_for(lambda: is_open(port))
    yield port
    process.kill()
    process.wait()


def is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Any, seconds: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def city() -> City:
    return build_city(SEED, read_places())


def gateways(city: City, port: int) -> tuple[GatewaySettings, ...]:
    return tuple(GatewaySettings(name=one.name, port=port) for one in city.gateways)


@pytest.fixture(autouse=True)
def quick_repetition(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the loopback an answer that has not come in 50 ms was lost: no need to wait as over a city."""
    monkeypatch.setattr(radio, "_FIRST_TIMEOUT_S", 0.05)
    monkeypatch.setattr(radio, "_LONGEST_TIMEOUT_S", 0.4)


def play(settings: CitySettings) -> int:
    """Play the settings' period; the number of uplinks the devices have sent."""
    return asyncio.run(asyncio.wait_for(Town(settings, lambda _: None).run(), PATIENCE_S)).uplinks


def radio_frames(server: LossyServer) -> dict[bytes, list[tuple[bytes, dict[str, Any]]]]:
    frames: dict[bytes, list[tuple[bytes, dict[str, Any]]]] = {}
    for gateway, packet in server.packets:
        frames.setdefault(base64.b64decode(packet["data"]), []).append((gateway, packet))
    return frames


def test_radio_frames_survive_loss_open_with_their_keys_and_go_on_after_a_stop(
    city: City, server: LossyServer, tmp_path: Path
) -> None:
    main(["describe", "--seed", str(SEED), "--sessions", str(tmp_path / "sessions.toml")])
    settings = {"data_dir": tmp_path / "city", "seed": SEED, "gateway": gateways(city, server.port)}
    play(CitySettings(**settings, since=SINCE, until=HALF))
    middle = read_state(tmp_path / "city" / "state.json", SEED)
    assert middle is not None
    before = radio_frames(server)
    play(CitySettings(**settings, since=SINCE, until=UNTIL))
    frames = radio_frames(server)
    assert server.lost > 0
    assert len(before) < len(frames)

    keyring = Keyring(read_sessions(tmp_path / "sessions.toml"))
    counters: dict[bytes, list[int]] = {}
    spent = read_state(tmp_path / "city" / "state.json", SEED)
    assert spent is not None
    devices = {one.keys.dev_eui: one for one in city.devices}
    for octets, receptions in sorted(frames.items(), key=lambda pair: pair[1][0][1]["time"]):
        opened = keyring.open(parse_data_up(octets))
        assert devices[opened.session.dev_eui].way.by_radio
        counters.setdefault(opened.session.dev_eui, []).append(opened.f_cnt)
        times = {datetime.fromisoformat(packet["time"]) for _, packet in receptions}
        assert (max(times) - min(times)).total_seconds() < 0.001, "all gateways heard it at once"
    for dev_eui, seen in counters.items():
        assert seen == sorted(set(seen)), "no counter twice, none after a later one"
        assert max(seen) < spent.counters[devices[dev_eui].thing]
    assert any(len({gateway for gateway, _ in receptions}) >= 3 for receptions in frames.values())
    assert set(server.stats) == {gateway.eui for gateway in city.gateways}
    first_new = min(datetime.fromisoformat(r[0][1]["time"]) for f, r in frames.items() if f not in before)
    assert first_new >= datetime.fromisoformat(HALF)


@pytest.mark.external_service
def test_chirpstack_and_the_things_stack_speak_over_a_real_broker(
    city: City, server: LossyServer, door: Door, broker: int, tmp_path: Path
) -> None:
    heard: list[tuple[str, bytes, int]] = []
    listener = mqtt.Client(CallbackAPIVersion.VERSION2)
    listener.on_message = lambda _c, _u, message: heard.append((message.topic, message.payload, message.qos))
    subscribed = threading.Event()
    listener.on_subscribe = lambda *_: subscribed.set()
    listener.connect("127.0.0.1", broker)
    listener.subscribe([("application/+/device/+/event/+", 1), ("v3/+/devices/+/+", 1)])
    listener.loop_start()
    assert subscribed.wait(PATIENCE_S)
    play(
        CitySettings(
            data_dir=tmp_path / "city",
            seed=SEED,
            since=SINCE,
            until=UNTIL,
            gateway=gateways(city, server.port),
            broker=BrokerSettings(port=broker),
            door=DoorSettings(url=door.url, project="buerger", things_stack_key=Secret("door-key")),
        )
    )
    # The broker has confirmed everything by now and keeps the order: behind the last nothing comes.
    listener.publish(LAST, b"", qos=1)
    wait_for(lambda: bool(heard) and heard[-1][0] == LAST)
    listener.loop_stop()
    heard.pop()

    assert {qos for _, _, qos in heard} == {1}
    from_chirpstack = [(topic, body) for topic, body, _ in heard if topic.startswith("application/")]
    assert {body[:1] == b"{" for _, body in from_chirpstack} == {True, False}, "JSON and protobuf both"
    assert {topic.rpartition("/")[2] for topic, _ in from_chirpstack} >= {"up", "join"}
    read = [chirpstack.read(topic, body) for topic, body in from_chirpstack]
    uplinks = [one for one in read if isinstance(one, Uplink)]
    assert_same_frames_by_radio(city, server, uplinks)

    by_mqtt = [things_stack.read(topic, body) for topic, body, _ in heard if topic.startswith("v3/")]
    by_webhook = [things_stack.read(path, body) for path, _, body in door.letters]
    assert {path for path, _, _ in door.letters} == {"/things-stack/buerger"}
    assert door.busy == door.strangers == 0
    for messages, way in ((by_mqtt, Way.THINGS_MQTT), (by_webhook, Way.THINGS_WEBHOOK)):
        wanted = {one.keys.dev_eui for one in city.devices if one.way is way}
        assert {one.dev_eui for one in messages if isinstance(one, Uplink)} == wanted
        assert {one.dev_eui for one in messages if isinstance(one, Joined)} <= wanted
        firsts = [one for one in messages if isinstance(one, Uplink) and one.f_cnt == 0]
        assert firsts, "a counter of 0 is absent in the JSON and is read as 0"


def assert_same_frames_by_radio(city: City, server: LossyServer, uplinks: list[Uplink]) -> None:
    """Devices known to both ways said the same under the same counter."""
    devices = {one.keys.dev_eui: one for one in city.devices}
    keyrings = {
        eui: (one.keys.nwk_s_key, one.keys.app_s_key) for eui, one in devices.items() if one.also_chirpstack
    }
    air: dict[bytes, list[DataUp]] = {}
    for octets in radio_frames(server):
        frame = parse_data_up(octets)
        air.setdefault(bytes(frame.dev_addr), []).append(frame)
    both = 0
    for uplink in uplinks:
        if uplink.dev_eui in keyrings:
            reader = SessionKeys(*keyrings[uplink.dev_eui])
            twins = [f for f in air[uplink.session] if reader.vouches_for(f, uplink.f_cnt)]
            assert len(twins) == 1
            assert reader.decrypt(twins[0], uplink.f_cnt) == uplink.payload
            both += 1
    only = {one.dev_eui for one in uplinks} - set(keyrings)
    assert both > 50
    known = [one for one in city.devices if one.way is Way.CHIRPSTACK]
    assert only <= {one.keys.dev_eui for one in known}
    assert {one.keys.dev_eui for one in known if one.interval_s <= 3600 and one.kind != "waste_bin"} <= only


def test_without_a_broker_everything_goes_through_the_door(city: City, door: Door, tmp_path: Path) -> None:
    key = Secret("door-key")
    play(
        CitySettings(
            data_dir=tmp_path / "city",
            seed=SEED,
            since=SINCE,
            until=HALF,
            door=DoorSettings(url=door.url, chirpstack_key=key, things_stack_key=key),
        )
    )
    paths = Counter(path.partition("?")[0] for path, _, _ in door.letters)
    assert set(paths) == {"/chirpstack", "/things-stack/castrop-rauxel-buerger"}
    assert {kind for path, kind, _ in door.letters if path.startswith("/chirpstack")} == {
        "application/json",
        "application/octet-stream",
    }
    senders: dict[bytes, list[int]] = {}
    for path, _, body in door.letters:
        one = chirpstack.read(path, body) if path.startswith("/chirpstack") else things_stack.read(path, body)
        if isinstance(one, Uplink):
            senders.setdefault(one.dev_eui, []).append(one.f_cnt)
    assert all(counters == sorted(counters) for counters in senders.values()), "in order per device"
    assert {one.keys.dev_eui for one in city.devices if one.way.by_things_stack} <= set(senders)


def test_a_wrong_key_is_said_aloud_and_does_not_stop_the_city(
    door: Door, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    play(
        CitySettings(
            data_dir=tmp_path / "city", seed=SEED, since=SINCE, until=HALF, door=DoorSettings(url=door.url)
        )
    )
    assert door.strangers > 10
    assert not door.letters
    assert "check the key" in caplog.text


def test_the_process_stops_cleanly_on_sigterm_and_goes_on_where_it_was(
    city: City, calm_server: LossyServer, tmp_path: Path
) -> None:
    config = tmp_path / "city.toml"
    tables = "".join(
        f'[[gateway]]\nname = "{one.name}"\nport = {calm_server.port}\n' for one in city.gateways
    )
    config.write_text(f'data_dir = "{tmp_path}/city"\nseed = {SEED}\nhistory = 14400\n{tables}')
    command = [sys.executable, "-m", "simulators", "run", "--config", str(config)]
    states = []
    for _ in range(2):
        seen = len(calm_server.packets)
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda seen=seen: len(calm_server.packets) > seen + 20)
        process.send_signal(signal.SIGTERM)
        output, complaints = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, complaints
        assert "stopped at" in output
        state = read_state(tmp_path / "city" / "state.json", SEED)
        assert state is not None
        states.append(state)
    first, second = states
    assert second.began == first.began
    assert second.time >= first.time
    assert all(second.counters[thing] >= number for thing, number in first.counters.items())
    assert first.time <= datetime.now(UTC).timestamp()
