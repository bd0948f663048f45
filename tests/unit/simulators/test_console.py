"""The console script: what it writes down, what it refuses, how it breaks and heals a city."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from edge.lorawan.sessions import read_sessions
from simulators.__main__ import main
from simulators.city import City, Way
from simulators.coverage import Coverage
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("described")
    arguments = ["describe", "--seed", "7", "--out", str(folder / "city.toml")]
    arguments += ["--sessions", str(folder / "sessions.toml"), "--agent-sessions", str(folder / "agents")]
    assert main([*arguments, "--gateways", str(folder / "gateways.toml")]) == 0
    return folder


def test_the_platform_can_read_the_city_file(described: Path, city: City) -> None:
    description = read_city(described / "city.toml", load_profiles())
    assert description.simulated
    assert len(description.devices) == len(city.devices)
    assert len(description.things) == len(city.devices) + 9 + 7
    assert len(description.wired) == 9 * 2 + 7 * 5
    assert {device.dev_eui for device in description.devices} == {one.keys.dev_eui for one in city.devices}


def test_every_thing_says_that_it_is_simulated(described: Path) -> None:
    content = tomllib.loads((described / "city.toml").read_text(encoding="utf-8"))
    assert content["city"]["simulated"] is True
    for thing in content["thing"]:
        assert thing["description"].startswith("Simuliert"), thing["key"]
        if thing["access"] == "open":
            assert thing["licence"]
        else:
            assert thing["exemption"]
        if thing["kind"] in ("school_room", "gateway"):
            assert thing["access"] == "internal"


def test_ingest_gets_all_sessions_and_each_agent_those_of_its_reach(described: Path, city: City) -> None:
    complete = {session.dev_eui for session in read_sessions(described / "sessions.toml")}
    assert complete == {one.keys.dev_eui for one in city.devices if not one.way.by_things_stack}
    coverage = Coverage(city)
    for gateway in city.gateways:
        known = {session.dev_eui for session in read_sessions(described / "agents" / f"{gateway.name}.toml")}
        assert known
        assert known == {
            one.keys.dev_eui
            for one in city.devices
            if one.way is Way.RADIO and gateway.index in coverage.reach(one).gateways
        }


def test_files_with_keys_belong_to_their_owner_alone(described: Path) -> None:
    for path in (described / "sessions.toml", *(described / "agents").iterdir()):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name
    keys = [session.nwk_s_key.hex() for session in read_sessions(described / "sessions.toml")]
    public = (described / "city.toml").read_text(encoding="utf-8")
    assert not any(key in public for key in keys)


def test_describing_twice_writes_the_same(described: Path, tmp_path: Path) -> None:
    assert main(["describe", "--seed", "7", "--out", str(tmp_path / "again.toml")]) == 0
    assert (tmp_path / "again.toml").read_bytes() == (described / "city.toml").read_bytes()


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("data_dir = 1", "data_dir"),
        ('data_dir = "x"\nspead = 60', "spead"),
        ('data_dir = "x"\nhistory = -5', "history"),
        ('data_dir = "x"\nsince = "2026-11-01T00:00:00"', "no offset"),
        ('data_dir = "x"\n[[gateway]]\nname = "gw-nowhere"\nport = 1', "gw-nowhere"),
        ('data_dir = "x"\n[[pole]]\nname = "pole"\nport = 1', "pole 'pole' is unknown"),
        ('data_dir = "x"\n[[fault]]\nkind = "silent"\ntarget = "nobody"', "nobody"),
        ('data_dir = "x"\n[[fault]]\nkind = "melted"\ntarget = "behaelter-001"', "melted"),
        ('data_dir = "x"\nchirpstack_encoding = "xml"', "xml"),
        ("data_dir = ", "not valid TOML"),
    ],
)
def test_broken_settings_are_one_clear_line_and_exit_2(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "city.toml"
    path.write_text(text)
    for verb in ("check-config", "run"):
        assert main([verb, "--config", str(path)]) == 2
        said = capsys.readouterr().err.strip()
        assert complaint in said
        assert len(said.splitlines()) == 1


def test_good_settings_are_in_order_and_their_secrets_stay_hidden(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "key").write_text("very-secret")
    path = tmp_path / "city.toml"
    path.write_text(
        f'data_dir = "{tmp_path}"\n[[gateway]]\nname = "gw-erin"\nport = 17002\n'
        f'[door]\nchirpstack_key = {{ file = "{tmp_path}/key" }}\n'
    )
    assert main(["check-config", "--config", str(path)]) == 0
    assert main(["print-config", "--config", str(path)]) == 0
    said = capsys.readouterr().out
    assert "gw-erin" in said
    assert "very-secret" not in said


def test_faults_are_added_listed_and_cleared(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "city.toml"
    path.write_text(f'data_dir = "{tmp_path}/city"\n')
    fault = ["fault", "--config", str(path)]
    assert main([*fault, "add", "silent", "behaelter-001", "--for", "3600"]) == 0
    assert main([*fault, "add", "gateway-off", "gw-erin"]) == 0
    assert main([*fault, "add", "silent", "nobody"]) == 2
    capsys.readouterr()
    assert main([*fault, "list"]) == 0
    listed = capsys.readouterr().out
    assert "silent behaelter-001" in listed
    assert "gateway-off gw-erin" in listed
    assert main([*fault, "clear", "behaelter-001"]) == 0
    assert main([*fault, "list"]) == 0
    assert "behaelter-001" not in capsys.readouterr().out
    assert main([*fault, "clear", "all"]) == 0
    assert main([*fault, "list"]) == 0
    assert capsys.readouterr().out == ""
