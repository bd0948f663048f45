"""Settings of the network server: what cannot be meant is refused with the remedy, secrets stay hidden."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from edge.wire import settings as files
from edge.wire.identifiers import DevEUI
from edge.wire.settings import Secret, SettingsError
from udp.config import Settings
from udp.network.port import Downlink
from udp.network.settings import ChirpStackSettings

EUI = DevEUI.parse("70B3D50000000001")


def test_a_file_says_where_chirpstack_is(tmp_path):
    (tmp_path / "token").write_text("geheim\n", encoding="ascii")
    path = tmp_path / "platform.toml"
    text = f'[chirpstack]\nserver = "[::1]:8080"\ntoken = {{ file = "{tmp_path}/token" }}\ntimeout = 3\n'
    path.write_text(text, encoding="utf-8")
    found = files.load(Settings, path)
    assert found.chirpstack is not None
    assert (found.chirpstack.tls, found.chirpstack.token.reveal()) == (True, "geheim")
    assert "geheim" not in files.render(found)


@pytest.mark.parametrize(
    ("change", "remedy"),
    [
        ({"server": "http://chirpstack:8080"}, "write host:port"),
        ({"server": "chirpstack"}, "write host:port"),
        ({"server": "chirpstack:0"}, "write host:port"),
        ({"tenant_id": "1"}, "copy it from the tenant's page"),
        ({"tenant": ""}, "must not be empty"),
        ({"mac_version": "1.1.0"}, "is none of 1.0.0"),
        ({"parallel": 0}, "between 1 and 64"),
    ],
)
def test_what_cannot_be_meant(change, remedy):
    with pytest.raises(ValueError, match=remedy):
        ChirpStackSettings(**({"server": "chirpstack:8080", "token": Secret("x")} | change))


def test_an_unknown_key_is_an_error(tmp_path):
    path = tmp_path / "platform.toml"
    path.write_text('[chirpstack]\nserver = "a:1"\ntokn = "x"\n', encoding="utf-8")
    with pytest.raises(SettingsError, match="unknown key 'tokn'"):
        files.load(Settings, path)


@pytest.mark.parametrize(
    "change",
    [
        {"f_port": 0},
        {"f_port": 224},
        {"payload": b""},
        {"payload": bytes(223)},
        {"expires_at": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is what must not be
    ],
)
def test_a_downlink_that_cannot_be_sent_cannot_be_built(change):
    good = {"f_port": 1, "payload": b"\x01", "expires_at": datetime(2026, 1, 1, tzinfo=UTC)}
    Downlink(EUI, **good)
    with pytest.raises(ValueError, match=r"application port|octets|time zone"):
        Downlink(EUI, **good | change)
