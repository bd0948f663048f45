"""SensorThings by MQTT over real processes: others' programs, TLS, WebSocket, and kill -9 while they write."""

# ruff: noqa: E501 - commands are read line by line

import datetime as dt
import ipaddress
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import tomli_w
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from loopback import free_port

from udp.registry.port import CityDescription
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts" / "sensorthings"))

from listening import Ear, ear

KEY = "operator-key-of-this-test"
REQ = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Platform:
    """`udp run` as a process of its own, and the folder both share."""

    folder: Path
    settings: dict[str, object] = field(default_factory=dict)
    http: int = field(default_factory=free_port)
    mqtt: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        (self.folder / "key").write_text(KEY, encoding="utf-8")
        database = f"sqlite:///{self.folder}/registry.sqlite"
        with closing(SqlRegistry(database)) as registry:
            registry.import_city(described())
        EmbeddedStore(EmbeddedSettings(self.folder / "store"), lambda: datetime.now(UTC)).close()
        content = {
            "registry": {"url": database},
            "ledger": {"url": f"sqlite:///{self.folder}/ledger.sqlite"},
            "forecasts": {"url": f"sqlite:///{self.folder}/forecasts.sqlite"},
            "store": {"kind": "embedded", "embedded": {"folder": str(self.folder / "store")}},
            "server": {"port": self.http},
            "api": {"refresh_s": 0.1},
            "operator_key": {"file": str(self.folder / "key")},
            "sensorthings_mqtt": {"port": self.mqtt, **self.settings},
        }
        (self.folder / "udp.toml").write_text(tomli_w.dumps(content), encoding="utf-8")

    def start(self) -> None:
        command = [sys.executable, "-m", "udp", "run", "--config", str(self.folder / "udp.toml")]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        end = time.monotonic() + 120
        while True:
            try:
                self.landing()
            except OSError:
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < end, (self.folder / "log").read_text()
                time.sleep(0.05)
            else:
                return

    def landing(self) -> Any:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.http}/v1.1", timeout=10) as answer:
            return json.load(answer)["serverSettings"]

    def kill(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def subscriptions(self) -> int:
        return self.asked("/api/v1/operations")["mqtt"]["subscriptions"]

    def observations(self) -> list[dict[str, object]]:
        return self.asked("/v1.1/Datastreams(1)/Observations?$top=10000")["value"]

    def asked(self, path: str) -> Any:
        address = f"http://127.0.0.1:{self.http}{path}"
        with urllib.request.urlopen(urllib.request.Request(address, headers={"X-Api-Key": KEY})) as answer:
            return json.load(answer)


def described() -> CityDescription:
    place = Location(51.5, 7.3, "castrop", "Castrop")
    thing = Thing("mast", "Mast", "pole", "luft", place, simulated=True, properties={})
    observed = ObservedProperty("air_temperature", "Lufttemperatur", "")
    stream = Datastream(0, "air_temperature", "Lufttemperatur", "mast", "Fühler", observed, Unit("Cel", "Grad"),
                        Access.OPEN, None, "dl-de/zero-2-0", 600.0)  # fmt: skip
    return CityDescription("Stadt", True, (thing,), (stream,), (), ())


@pytest.fixture
def platform(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Platform]:
    settings = {}
    if getattr(request, "param", None) == "tls":
        certificate, key = certified(tmp_path)
        settings = {"certificate": str(certificate), "private_key": str(key)}
    made = Platform(tmp_path, settings)
    made.prepare()
    made.start()
    yield made
    assert made.process is not None
    if made.process.poll() is None:
        made.process.terminate()
    try:
        # uvicorn ends by the signal it was sent, once everything is closed.
        assert made.process.wait(60) in (0, -signal.SIGTERM)
    except subprocess.TimeoutExpired:
        made.process.kill()
        raise


def certified(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine, its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName(
                [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
            ),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate, private = folder / "certificate.pem", folder / "private.pem"
    certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return certificate, private


def program(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed (mosquitto-clients)")
    return found


def measured(folder: Path, minute: int, result: float) -> None:
    """As ingest writes, in a process that is not the API's."""
    with EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: datetime.now(UTC)) as store:
        moment = (START + timedelta(minutes=minute)).replace(tzinfo=None)
        store.append(Observations.build(1, moment, result))


@pytest.mark.external_service
@pytest.mark.parametrize("platform", ["tls"], indirect=True)
def test_mosquittos_programs_tls_and_websocket(platform):
    addresses = platform.landing()[REQ + "receive-updates-via-mqtt/receive-updates"]["endpoints"]
    assert addresses == [f"mqtts://127.0.0.1:{platform.mqtt}", f"ws://127.0.0.1:{platform.http}/mqtt"]
    trust = [
        "--cafile",
        str(platform.folder / "certificate.pem"),
        "-h",
        "localhost",
        "-p",
        str(platform.mqtt),
    ]
    subscriptions = {
        version: subprocess.Popen(
            [program("mosquitto_sub"), *trust, "-V", version, "-q", "1", "-C", "2", "-W", "120", "-v", "-t",
             "v1.1/+/Observations", "-t", "v1.1/Observations?$select=result"],
            stdout=subprocess.PIPE, text=True,
        )
        for version in ("311", "5")
    }  # fmt: skip
    browser = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, transport="websockets")
    browser.ws_set_options(path="/mqtt")
    heard = []
    browser.on_message = lambda _c, _u, one: heard.append((one.topic, json.loads(one.payload)))
    browser.on_connect = lambda client, *_: client.subscribe("v1.1/Datastreams(1)/Observations")
    browser.connect("127.0.0.1", platform.http)
    browser.loop_start()
    end = time.monotonic() + 60
    while platform.subscriptions() < 5:
        assert time.monotonic() < end, "not all subscriptions are known"
        time.sleep(0.05)
    sent = subprocess.run(
        [program("mosquitto_pub"), *trust, "-V", "5", "-u", "key", "-P", KEY, "-q", "1", "-t",
         "v1.1/Datastreams(1)/Observations", "-m", '{"result": 21.5, "phenomenonTime": "2026-01-01T00:00:00Z"}'],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert sent.returncode == 0, sent.stderr
    for one in subscriptions.values():
        told = [
            line.split(" ", 1)
            for line in one.communicate(timeout=120)[0].splitlines()
            if line.startswith("v1.1/")
        ]
        found = {topic: json.loads(content) for topic, content in told}
        assert found["v1.1/Observations?$select=result"] == {"result": 21.5}
        assert found["v1.1/Datastreams(1)/Observations"]["result"] == 21.5
    measured(platform.folder, 1, 22.5)
    end = time.monotonic() + 60
    while len(heard) < 2 and time.monotonic() < end:
        time.sleep(0.01)
    browser.disconnect()
    browser.loop_stop()
    assert [(topic, told["result"]) for topic, told in heard] == [
        ("v1.1/Datastreams(1)/Observations", 21.5), ("v1.1/Datastreams(1)/Observations", 22.5),
    ]  # fmt: skip
    assert heard[0][1]["@iot.selfLink"].startswith(f"http://localhost:{platform.http}/v1.1/Observations(")
    with pytest.raises(ssl.SSLError), socket.create_connection(("127.0.0.1", platform.mqtt)) as plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname="localhost")


@pytest.mark.external_service
def test_what_is_confirmed_is_there_after_kills_and_subscribers_come_back(platform, capsys):
    chance, sent, rounds = random.Random(7), 0, 3
    acknowledged: list[int] = []
    writer = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    numbers: dict[int, int] = {}
    writer.username_pw_set("key", KEY)
    writer.reconnect_delay_set(min_delay=1, max_delay=1)
    # The answer may come before publish() has returned the number of the packet.
    writer.on_publish = lambda _c, _u, mid, *_: acknowledged.append(mid)
    reader = Ear(platform.mqtt)
    reader.client.reconnect_delay_set(min_delay=1, max_delay=1)
    reader.client.on_connect = lambda client, *_: client.subscribe("v1.1/Datastreams(1)/Observations", qos=1)
    reader.client.reconnect()
    writer.connect("127.0.0.1", platform.mqtt)
    writer.loop_start()
    for _ in range(rounds):
        before, after = len(acknowledged), chance.randint(20, 60)
        end = time.monotonic() + 60
        while len(acknowledged) - before < after and time.monotonic() < end:
            body = {
                "result": float(sent),
                "phenomenonTime": f"{(START + timedelta(minutes=sent)).isoformat()}",
            }
            numbers[writer.publish("v1.1/Datastreams(1)/Observations", json.dumps(body), qos=1).mid] = sent
            sent += 1
            time.sleep(chance.uniform(0, 0.01))
        platform.kill()
        platform.start()
    end = time.monotonic() + 60
    while len(acknowledged) < sent and time.monotonic() < end:
        time.sleep(0.05)
    writer.disconnect()
    writer.loop_stop()
    confirmed = {numbers[one] for one in acknowledged}
    stored = [int(one["result"]) for one in platform.observations()]
    lost, doubled = confirmed - {*stored}, len(stored) - len({*stored})
    with capsys.disabled():
        print(f"\nMQTT PUBLISH: {rounds} kills, sent {sent}, confirmed {len(confirmed)}, stored {len(stored)}, "
              f"lost {len(lost)}, doubled {doubled}")  # fmt: skip
    assert (len(confirmed), lost, doubled) == (sent, set(), 0)
    end = time.monotonic() + 60
    while not any(told["result"] == -7.0 for _, told in list(reader.heard.queue)) and time.monotonic() < end:
        measured(platform.folder, 100_000 + int(time.monotonic()), -7.0)
        time.sleep(0.2)
    assert any(told["result"] == -7.0 for _, told in list(reader.heard.queue)), "who came back hears again"
    reader.close()


@pytest.mark.external_service
def test_a_stop_says_goodbye(platform):
    with ear(platform.mqtt, version=mqtt.MQTTv5) as one:
        one.subscribe("v1.1/Observations")
        platform.process.terminate()
        assert one.wait_for_end() == 0x8B
        assert platform.process.wait(60) in (0, -signal.SIGTERM)
