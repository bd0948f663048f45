"""The console script: what it writes down, what it refuses, how it breaks and heals a city."""

from __future__ import annotations

import stat
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from edge.lorawan.sessions import read_sessions
from simulators.__main__ import main
from simulators.city import City, Way
from simulators.coverage import Coverage
from simulators.faults import Fault, FaultKind, read_faults, write_faults
from simulators.state import CityState, write_state
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.sensorthings import LISTED


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
    plain = [one for one in description.things if LISTED in one.properties]
    assert len(description.things) == len(city.devices) + 9 + 2 * 7 + len(plain)
    assert {one.kind for one in plain} == {"waste_bin", "charging_station"}
    assert sum(one.kind == "charging_station" for one in plain) >= 100
    sites = {one.properties["site"] for one in description.things if one.kind == "parking_bay"}
    assert len(sites) == 4
    assert len(description.wired) == 9 * 2 + 7 * 5
    assert {device.dev_eui for device in description.devices} == {one.keys.dev_eui for one in city.devices}


def test_a_gateway_is_found_by_its_eui_and_a_lamp_is_no_measurement_of_the_air(
    described: Path, city: City
) -> None:
    description = read_city(described / "city.toml", load_profiles())
    things = {thing.key: thing for thing in description.things}
    for gateway in city.gateways:
        assert things[gateway.name].properties["gateway_eui"] == gateway.eui.hex().upper()
    units = {}
    for stream in description.datastreams:
        if stream.access == "open":
            units.setdefault(stream.thing, {})[stream.observed_property.key] = stream.unit.symbol
    for pole in city.poles:
        lamp = things[f"{pole.id}-leuchte"]
        assert (things[pole.id].kind, things[pole.id].theme) == ("pole", "luft")
        assert (lamp.kind, lamp.theme) == ("lamp", "energie")
        assert len(units[pole.id]) >= 4
        assert not set(units[pole.id]) & {"power", "light_dim_level", "illuminance"}
        assert set(units[lamp.key]) == {"power", "light_dim_level", "illuminance"}


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


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fault(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    """`udp-city fault` on a city of its own: exit code, output, complaints."""
    path = tmp_path / "city.toml"
    path.write_text(f'data_dir = "{tmp_path}/city"\nseed = 7\n')

    def run(*words: str) -> tuple[int, str, str]:
        try:
            code = main(["fault", *words, "--config", str(path)])
        except SystemExit as ended:  # argparse
            code = int(str(ended.code))
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_faults_are_added_listed_and_cleared_and_each_time_it_is_said(fault: Command, city: City) -> None:
    assert fault("list") == (0, "nothing is broken\n", "")
    assert fault("clear", "all") == (0, "nothing was broken\n", "")
    code, said, _ = fault("add", "silent", "behaelter-001", "--for", "3600")
    assert code == 0
    assert said.startswith("added: silent behaelter-001 since ")
    assert fault("add", "gateway-off", "gw-erin")[0] == 0
    dev_eui = city.device("behaelter-002").keys.dev_eui.hex().upper()
    assert fault("add", "drifting", dev_eui, "--amount", "-2.5")[0] == 0
    listed = fault("list")[1].splitlines()
    assert [line.split(" since")[0] for line in listed] == [
        "silent behaelter-001",
        "gateway-off gw-erin",
        "drifting behaelter-002 amount -2.5",
    ]
    code, said, _ = fault("clear", "behaelter-001")
    assert code == 0
    assert said.startswith("cleared: silent behaelter-001 since ")
    assert fault("clear", dev_eui)[1].startswith("cleared: drifting behaelter-002")
    code, said, complaint = fault("clear", "gw-erin", "--kind", "wrong-clock")
    assert (code, said) == (2, "")
    assert "nothing cleared" in complaint
    assert fault("clear", "all")[1].startswith("cleared: gateway-off gw-erin")
    assert fault("list")[1] == "nothing is broken\n"


def test_clearing_what_is_not_broken_says_what_is(fault: Command) -> None:
    fault("add", "silent", "behaelter-001")
    code, _, complaint = fault("clear", "behaelter-002")
    assert code == 2
    assert "nothing cleared: behaelter-002 has no fault" in complaint
    assert "silent behaelter-001" in complaint
    assert "silent behaelter-001" in fault("list")[1]


def test_the_same_fault_again_replaces_the_first(fault: Command) -> None:
    fault("add", "drifting", "behaelter-001", "--amount", "5")
    assert "it replaces: drifting behaelter-001 amount 5" in fault("add", "drifting", "behaelter-001")[1]
    assert len(fault("list")[1].splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "{add,list,clear}"),
        (["mend"], "invalid choice: 'mend'"),
        (["add"], "KIND, TARGET"),
        (["add", "silent"], "TARGET"),
        (["clear"], "TARGET"),
        (["add", "melted", "behaelter-001"], "known are silent, stuck, drifting"),
        (["clear", "all", "--kind", "melted"], "known are silent, stuck, drifting"),
        (["add", "silent", "nobody"], "no device 'nobody'"),
        (["add", "silent", "behaelter-001", "--for", "-5"], "-5 s is no duration"),
        (["add", "silent", "behaelter-001", "--for", "0"], "0 s is no duration"),
        (["add", "silent", "behaelter-001", "--for", "1e300"], "1e300 s is no duration"),
        (["add", "silent", "behaelter-001", "--for", "nan"], "'nan' is not a number"),
        (["add", "drifting", "behaelter-001", "--amount", "nan"], "'nan' is not a number"),
        (["add", "drifting", "behaelter-001", "--amount", "inf"], "'inf' is not a number"),
        (["add", "drifting", "behaelter-001", "--amount", "much"], "'much' is not a number"),
        (["add", "drifting", "behaelter-001", "--amount", "1e9"], "is not in -1e+06 to 1e+06"),
        (["add", "duplicated", "behaelter-001", "--amount", "0"], "is not in 1 to 100"),
        (["add", "duplicated", "behaelter-001", "--amount", "1.5"], "whole number"),
        (["add", "silent", "behaelter-001", "--amount", "3"], "silent has no amount"),
    ],
)
def test_a_fault_that_cannot_be_meant_is_refused_and_nothing_is_kept(
    words: list[str], complaint: str, fault: Command, tmp_path: Path
) -> None:
    code, said, complained = fault(*words)
    assert (code, said) == (2, "")
    assert complaint in complained.splitlines()[-1]
    assert not (tmp_path / "city" / "faults.toml").exists()


def test_a_fault_without_settings_asks_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["fault", "list"])
    assert "required: --config" in capsys.readouterr().err


def test_a_fault_that_is_over_is_listed_no_more_unless_the_city_is_behind(
    fault: Command, tmp_path: Path
) -> None:
    now = time.time()
    over = Fault(FaultKind.SILENT, "behaelter-001", now - 500, now - 400)
    file, state = tmp_path / "city" / "faults.toml", tmp_path / "city" / "state.json"
    write_faults(file, [over])
    assert fault("list")[1] == "nothing is broken\n"
    write_state(state, CityState(seed=7, began=now - 900, time=now - 450))
    assert "has not come that far" in fault("list")[1]
    fault("add", "stuck", "behaelter-002")
    assert over in read_faults(file), "the city has yet to live through it"
    write_state(state, CityState(seed=7, began=now - 900, time=now))
    fault("add", "stuck", "behaelter-003")
    assert [one.target for one in read_faults(file)] == ["behaelter-002", "behaelter-003"]


def test_faults_of_the_settings_are_listed_as_such(fault: Command, tmp_path: Path) -> None:
    with (tmp_path / "city.toml").open("a") as file:
        file.write('[[fault]]\nkind = "stuck"\ntarget = "behaelter-004"\n')
    assert "stuck behaelter-004" in fault("list")[1]
    assert "(from the settings)" in fault("list")[1]
