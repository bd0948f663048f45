"""A foreign client certificate writes its own topic and no other; nothing else gets in over TLS."""

import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from installation import listens, wait_until
from loopback import free_port

from edge.wire import topics
from edge.wire.broker import SessionSettings, TlsSettings
from edge.wire.session import Session
from udp.launch.broker import BrokerPlan, find_mosquitto, write_configuration

pytestmark = pytest.mark.external_service


class Authority:
    """The city's own certificate authority, and what it signs."""

    def __init__(self, directory):
        self.directory = directory
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Stadt-CA")])
        self.sign("ca", self.key.public_key(), self.name, authority=True)

    def sign(self, file, public_key, name, *, authority=False):
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(self.name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
            )
        )
        certificate = builder.sign(self.key, hashes.SHA256())
        path = self.directory / f"{file}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        return path

    def issue(self, common_name):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        path = self.sign(common_name, key.public_key(), name)
        private = self.directory / f"{common_name}.key"
        private.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return path, private

    def tls(self, common_name):
        certificate, key = self.issue(common_name)
        return TlsSettings(self.directory / "ca.pem", certificate, key)


@pytest.fixture
def secured(tmp_path):
    program = find_mosquitto()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
    authority = Authority(tmp_path)
    server, key = authority.issue("broker")
    port, plain = free_port(), free_port()
    configuration = write_configuration(
        BrokerPlan(program, tmp_path / "broker", "127.0.0.1", plain), {"x": "unused"}
    )
    text = configuration.read_text().replace(
        f"listener {plain} 127.0.0.1",
        f"listener {port} 127.0.0.1\ncafile {tmp_path / 'ca.pem'}\ncertfile {server}\nkeyfile {key}\n"
        "require_certificate true\nuse_identity_as_username true",
    )
    configuration.write_text("\n".join(line for line in text.splitlines() if "password_file" not in line))
    process = subprocess.Popen([program, "-c", str(configuration)], stderr=subprocess.DEVNULL)
    wait_until(lambda: listens(port), 30, "broker listens")
    yield authority, port
    process.terminate()
    process.wait()


def connect(authority, port, name, *subscriptions):
    settings = SessionSettings(host="127.0.0.1", port=port, tls=authority.tls(name))
    session = Session(settings, client_id=f"test-{name}", subscriptions=subscriptions)
    session.start()
    return session


def test_a_certificate_opens_its_own_topics_and_no_other(secured):
    authority, port = secured
    ingest = connect(authority, port, "ingest", topics.UP_OF_ALL_AGENTS)
    assert ingest.wait_connected(30)
    agent, foreign = connect(authority, port, "gw-a"), connect(authority, port, "gw-b")
    assert agent.wait_connected(30)
    assert foreign.wait_connected(30)
    foreign.publish(topics.up("gw-a"), b"forged")
    assert agent.publish_confirmed(topics.up("gw-a"), b"own", 30)
    arrived = []
    end = time.monotonic() + 30
    while not arrived and time.monotonic() < end:
        arrived += ingest.take(10, timeout=0.5)
    assert [(delivery.topic, delivery.payload) for delivery in arrived] == [(topics.up("gw-a"), b"own")]
    for session in (agent, foreign, ingest):
        session.close()


def test_a_stranger_with_a_certificate_of_another_authority_stays_outside(secured, tmp_path):
    authority, port = secured
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    certificate, key = other.issue("gw-a")
    settings = SessionSettings(
        host="127.0.0.1", port=port, tls=TlsSettings(authority.directory / "ca.pem", certificate, key)
    )
    session = Session(settings, client_id="stranger")
    session.start()
    assert not session.wait_connected(3)
    session.close()
