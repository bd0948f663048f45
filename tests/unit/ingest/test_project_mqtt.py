"""Fetching a citizen's uplinks by MQTT: a real broker with TLS, users and passwords."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from ingest.sources.projects import ProjectMqttSettings
from udp.launch.broker import find_mosquitto

from .mosquitto import Mosquitto
from .village import Village, eventually, ttn_uplink

pytestmark = pytest.mark.external_service
USER, PASSWORD = "mein-balkon@ttn", "NNSXS.AAAAAAAAAAAAAAAAAAAAAAAA.RIGHT"
TOPIC = f"v3/{USER}/devices/balkon/up"


def certificate(folder: Path) -> tuple[Path, Path]:
    """(certificate that vouches for itself as 127.0.0.1, its key)."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ttn.test")])
    now = datetime.now(UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "server.pem", folder / "server.key"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return public, private


class Ttn:
    """The MQTT server of The Things Network as far as it goes: TLS, users, one topic each, QoS 0."""

    def __init__(self, folder: Path) -> None:
        self.authority, key = certificate(folder)
        passwords, rights = folder / "passwords", folder / "rights"
        passwords.touch()
        for user, password in ((USER, PASSWORD), ("network", "network")):
            command = ["mosquitto_passwd", "-b", str(passwords), user, password]
            subprocess.run(command, check=True, capture_output=True)
        rights.write_text(f"user network\ntopic write v3/#\nuser {USER}\ntopic read v3/{USER}/#\n")
        self.broker = Mosquitto(
            folder,
            f"certfile {self.authority}\nkeyfile {key}\npassword_file {passwords}\nacl_file {rights}\n"
            f"allow_anonymous false\n{'user root' if os.geteuid() == 0 else ''}",
        )

    @property
    def settings(self) -> ProjectMqttSettings:
        return ProjectMqttSettings(True, "127.0.0.1", self.broker.port, self.authority)

    def publish(self, topic: str, body: object) -> None:
        client = mqtt.Client(CallbackAPIVersion.VERSION2)
        client.username_pw_set("network", "network")
        client.tls_set_context(ssl.create_default_context(cafile=str(self.authority)))
        client.connect("127.0.0.1", self.broker.port)
        client.loop_start()
        client.publish(topic, json.dumps(body), qos=1).wait_for_publish(60)
        client.disconnect()
        client.loop_stop()


@pytest.fixture
def ttn(tmp_path: Path) -> Iterator[Ttn]:
    if find_mosquitto() is None:
        Mosquitto(tmp_path, "")  # says what a missing broker means here
    made = Ttn(tmp_path)
    yield made
    made.broker.stop()


@pytest.fixture
def village(tmp_path: Path, ttn: Ttn) -> Iterator[Village]:
    made = Village(tmp_path, ttn.settings)
    yield made
    made.close()


def told(village: Village, word: str) -> bool:
    village.project_doors.write_to(village.ledger)
    return any(word in one.detail for one in village.ledger.packets(village.project.slug, 20))


def listening(village: Village) -> None:
    village.projects.listen(village.project.slug, "mein-balkon", PASSWORD)
    eventually(lambda: told(village, "connected"))


def test_uplinks_are_fetched_with_the_owners_key(village: Village, ttn: Ttn) -> None:
    listening(village)
    ttn.publish(TOPIC, ttn_uplink(1))
    ttn.publish(TOPIC, ttn_uplink(1))
    eventually(lambda: len(village.journalled()) == 2)
    village.settle()
    assert village.values() == [21.5, 48.0]
    assert sorted(village.outcomes()) == ["connection", "duplicate", "stored"]


def test_the_same_uplink_by_both_ways_is_one(village: Village, ttn: Ttn) -> None:
    listening(village)
    both = ttn_uplink(5)
    ttn.publish(TOPIC, both)
    assert village.post(both, village.key()).status_code == 200
    eventually(lambda: len(village.journalled()) == 2)
    village.settle()
    assert village.values() == [21.5, 48.0]


def test_a_wrong_key_is_told_and_a_right_one_helps(village: Village, ttn: Ttn) -> None:
    village.projects.listen(village.project.slug, "mein-balkon", PASSWORD.replace("RIGHT", "WRONG"))
    eventually(lambda: told(village, "uthori"))  # as the server says it: not authorized
    listening(village)
    ttn.publish(TOPIC, ttn_uplink(1))
    eventually(lambda: len(village.journalled()) == 1)


def test_it_connects_again_when_the_server_was_away(village: Village, ttn: Ttn) -> None:
    listening(village)
    ttn.broker.stop()
    ttn.broker.start()

    def arrived() -> bool:
        ttn.publish(TOPIC, ttn_uplink(1))  # QoS 0 to us: what comes before we are back is gone
        return bool(village.journalled())

    eventually(arrived, 90)


def test_who_leaves_is_disconnected_and_a_flood_is_bounded(village: Village, ttn: Ttn) -> None:
    listening(village)
    while village.project_doors.may_come(village.project.slug):
        pass  # as if all of this minute had come already
    ttn.publish(TOPIC, ttn_uplink(1))
    eventually(lambda: told(village, "deliveries per minute"))
    assert village.journalled() == []
    village.projects.withdraw(village.project.slug)
    name = f"project-{village.project.slug}"
    eventually(lambda: name not in {one.name for one in threading.enumerate()})


def test_without_trust_in_the_server_nothing_is_said_to_it(tmp_path: Path, ttn: Ttn) -> None:
    stranger = tmp_path / "other"
    stranger.mkdir()
    untrusted, _ = certificate(stranger)
    village = Village(stranger, ProjectMqttSettings(True, "127.0.0.1", ttn.broker.port, untrusted))
    village.projects.listen(village.project.slug, "mein-balkon", PASSWORD)
    eventually(lambda: told(village, "did not answer"))
    assert not told(village, "connected")
    village.close()
