"""The console script: import without harm, keys once, broken settings in one clear line."""

import subprocess
import sys
from pathlib import Path

import pytest

from udp.__main__ import _GROUPS, main
from udp.auth import SqlKeys
from udp.forecasting.placing import beside
from udp.policy import OPERATOR, Caller, Role
from udp.registry.sql import SqlRegistry

CITY = """format = 1
[city]
name = "Castrop-Rauxel"
simulated = true
[[thing]]
key = "crx-pole-1"
name = "CRX-Pole 1"
kind = "pole"
theme = "luft"
district = "castrop"
district_name = "Castrop (Altstadt)"
latitude = 51.55
longitude = 7.31
access = "open"
licence = "dl-de/zero-2-0"
[[thing.wired]]
agent = "crx-pole-1"
sensor = "weather"
profile = "pole-weather"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "api.toml"
    path.write_text(
        f'[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n'
        f'[ledger]\nurl = "sqlite:///{tmp_path}/ledger.sqlite"\n'
        f'[store.embedded]\nfolder = "{tmp_path}/store"\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def city(tmp_path: Path) -> Path:
    path = tmp_path / "city.toml"
    path.write_text(CITY, encoding="utf-8")
    return path


def things(tmp_path):
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    try:
        return set(registry.inventory().things)
    finally:
        registry.close()


def test_an_import_tells_what_it_did_and_repeats_without_harm(config, city, tmp_path, capsys):
    arguments = ["import-city", str(city), "--config", str(config)]
    assert main(arguments) == 0
    assert "Castrop-Rauxel: 5 added, 0 changed, 0 unchanged, 0 retired" in capsys.readouterr().out
    assert main(arguments) == 0
    assert "0 added, 0 changed, 5 unchanged" in capsys.readouterr().out
    assert things(tmp_path) == {"crx-pole-1"}


def test_a_dry_run_only_tells(config, city, tmp_path, capsys):
    assert main(["import-city", str(city), "--dry-run", "--config", str(config)]) == 0
    assert "5 would be added" in capsys.readouterr().out
    assert things(tmp_path) == set()


def test_a_broken_city_imports_nothing(config, city, tmp_path, capsys):
    city.write_text(CITY.replace("luft", "luftig").replace("51.55", "951.55"), encoding="utf-8")
    assert main(["import-city", str(city), "--config", str(config)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert len([line for line in lines if "thing 'crx-pole-1'" in line]) == 2
    assert things(tmp_path) == set()


def test_a_key_is_printed_alone_and_works(config, tmp_path, capsys):
    assert main(["key", "create", "--role", "operator", "--config", str(config)]) == 0
    told = capsys.readouterr()
    (key,) = told.out.split()
    assert key not in told.err
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    assert SqlKeys(registry.database).caller(key) == OPERATOR
    registry.close()


def test_a_key_for_a_scraper_is_one(config, tmp_path, capsys):
    assert main(["key", "create", "--role", "metrics", "--config", str(config)]) == 0
    (key,) = capsys.readouterr().out.split()
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    assert SqlKeys(registry.database).caller(key) == Caller(Role.METRICS)
    registry.close()


def test_without_the_folder_of_the_data_a_key_is_refused_with_the_remedy(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["key", "create", "--role", "operator"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "mkdir -p var" in line
    assert "--config" in line


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nport = 99999", ("port", "65535")),
        ("[server]\nprot = 1", ("prot", "port")),
        ('[registry]\nurl = "nonsense"', ("nonsense", "sqlite:///")),
        ('[registry]\nurl = "postgresql+psycopg://a:geheim@h/d"', ("password",)),
        ("[store]\nkind = 'papier'", ("papier", "embedded")),
        ("[[", ("not valid TOML",)),
        ("operator_key = 'klartext'", ("operator_key", "never plain text")),
    ],
)
@pytest.mark.parametrize("verb", ["check-config", "run"])
def test_broken_settings_are_one_clear_line_and_exit_2(tmp_path, capsys, verb, text, words):
    path = tmp_path / "api.toml"
    path.write_text(text, encoding="utf-8")
    assert main([verb, "--config", str(path)]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert [word for word in words if word not in line] == []
    assert "geheim" not in line


def test_settings_can_be_checked_and_shown(config, capsys, tmp_path):
    secret = tmp_path / "key"
    secret.write_text("very-secret\n", encoding="ascii")
    config.write_text(f'operator_key = {{ file = "{secret}" }}\n' + config.read_text(), encoding="utf-8")
    assert main(["check-config", "--config", str(config)]) == 0
    assert main(["print-config", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert "in order" in out
    assert "[server]" in out
    assert "port = 8080" in out
    assert "very-secret" not in out


def test_nothing_heavy_is_built_by_asking_for_help():
    answer = subprocess.run(
        [sys.executable, "-m", "udp", "--help"], capture_output=True, text=True, check=True, timeout=60
    )
    assert "import-city" in answer.stdout


@pytest.mark.parametrize("group", list(_GROUPS))
def test_every_group_of_verbs_knows_its_own_help(group: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main([group, "--help"])
    assert left.value.code == 0
    assert f"udp {group}" in capsys.readouterr().out


def test_help_names_every_group_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    told = capsys.readouterr().out
    assert left.value.code == 0
    assert all(f"    {name} " in told for name, (_, _, meaning) in _GROUPS.items() if meaning)


def test_a_command_of_the_register_loads_no_engine_and_no_web_framework(tmp_path: Path) -> None:
    """Together they cost seconds at every call."""
    asked = (
        "import sys; from udp.__main__ import main; assert main(['devices', 'columns']) == 0; "
        "heavy = {'fastapi', 'influxdb_client', 'numpy', 'pandas', 'pyarrow', 'grpc', 'uvicorn'}; "
        "sys.exit(' '.join(heavy & sys.modules.keys()) or 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], check=False, capture_output=True, text=True, cwd=tmp_path
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_folder_that_is_missing_is_named_before_anything_starts(tmp_path, capsys):
    path = tmp_path / "api.toml"
    path.write_text(
        f'[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n'
        f'[ledger]\nurl = "sqlite:///{tmp_path}/nowhere/ledger.sqlite"\n',
        encoding="utf-8",
    )
    assert main(["run", "--config", str(path)]) != 0
    assert f"mkdir -p {tmp_path}/nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("registry", "forecasts"),
    [
        ("sqlite:////srv/udp/registry.sqlite", "sqlite:////srv/udp/forecasts.sqlite"),
        ("sqlite:///var/registry.sqlite", "sqlite:///var/forecasts.sqlite"),
        ("sqlite://", "sqlite://"),
        ("postgresql+psycopg://udp:s3@db/city", "postgresql+psycopg://udp:s3@db/city"),
    ],
)
def test_forecasts_are_kept_beside_the_registry_unless_told_otherwise(registry, forecasts):
    assert beside(registry) == forecasts
