"""What the certificate script makes lets exactly the named gateway in, and is never made twice."""

import ipaddress
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from edge.wire.broker import TlsSettings

SCRIPT = Path(__file__).parents[3] / "gateway-firmware/bin/certificates"


@pytest.fixture
def make(tmp_path: Path):
    if shutil.which("openssl") is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("openssl is not installed")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(SCRIPT), str(tmp_path / "pki"), *arguments], capture_output=True, text=True, check=False
        )

    return run


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def test_gateways_and_broker_are_signed_by_the_city(tmp_path: Path, make) -> None:
    assert make("broker", "udp.stadt.example").returncode == 0
    assert make("gw-rathaus", "gw-erin").returncode == 0
    folder = tmp_path / "pki"
    authority = read(folder / "ca.pem")
    for name, common_name, usage in (
        ("broker", "udp.stadt.example", ExtendedKeyUsageOID.SERVER_AUTH),
        ("gw-rathaus", "gw-rathaus", ExtendedKeyUsageOID.CLIENT_AUTH),
        ("gw-erin", "gw-erin", ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        certificate = read(folder / f"{name}.pem")
        certificate.verify_directly_issued_by(authority)
        (subject,) = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
        assert subject.value == common_name
        assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [usage]
        assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        assert (folder / f"{name}.key").stat().st_mode & 0o077 == 0
        TlsSettings(folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key").context()
    names = read(folder / "broker.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["udp.stadt.example"]


def test_a_broker_may_be_named_by_its_address(tmp_path: Path, make) -> None:
    assert make("broker", "10.1.2.3").returncode == 0
    names = read(tmp_path / "pki/broker.pem").extensions.get_extension_for_class(x509.SubjectAlternativeName)
    assert names.value.get_values_for_type(x509.IPAddress) == [ipaddress.ip_address("10.1.2.3")]


def test_what_exists_is_left_alone(tmp_path: Path, make) -> None:
    make("gw-rathaus")
    before = {path.name: path.read_bytes() for path in (tmp_path / "pki").glob("*.[pk]e*")}
    assert "left alone" in make("gw-rathaus").stdout
    assert {path.name: path.read_bytes() for path in (tmp_path / "pki").glob("*.[pk]e*")} == before


@pytest.mark.parametrize("name", ["Gw", "gw/1", "../x", "-x", ""])
def test_a_name_no_agent_may_have_is_refused(make, name: str) -> None:
    refused = make(name)
    assert refused.returncode == 2
    assert "no agent name" in refused.stderr


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"gw-1\.pem"):
        TlsSettings(certificate_file=tmp_path / "gw-1.pem").context()
