"""What the launcher writes, every process understands; and what a process prints, it would take again."""

import subprocess
import sys
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from udp.launch.configuration import Site
from udp.launch.credentials import Credentials
from udp.launch.environment import Environment
from udp.registry.profiles import load_profiles

PROCESSES = {
    "udp": "udp",
    "ingest": "ingest",
    "dashboards": "dashboards",
    "city": "simulators",
    "models": "models",
    "gw-rathaus": "edge",
    "crx-pole-1": "edge",
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    environment = Environment.read({"UDP_DATA_DIR": str(tmp_path / "var")})
    credentials = Credentials(tmp_path / "secrets")
    made = Site(environment, credentials, with_broker=True, gateways=("gw-rathaus",), poles=("crx-pole-1",))
    made.write()
    return made


def ask(module: str, verb: str, path: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", module, verb, "--config", str(path)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_a_process_prints_is_what_it_would_take_again(site: Site, tmp_path: Path) -> None:
    for name, module in PROCESSES.items():
        printed = ask(module, "print-config", site.file(name))
        again = tmp_path / f"{name}-again.toml"
        again.write_text(printed, encoding="utf-8")
        ask(module, "check-config", again)
        for secret in (tmp_path / "secrets").iterdir():
            assert secret.read_text().strip() not in printed, f"{name} prints {secret.name}"


def test_only_the_virtual_citys_weather_is_simulated(site: Site, tmp_path: Path) -> None:
    real = Environment.read({"UDP_DATA_DIR": str(tmp_path / "real"), "UDP_CITY": "off"})
    other = Site(real, Credentials(tmp_path / "other"), with_broker=True, gateways=(), poles=())
    other.write()
    found = [tomllib.loads(ask("udp", "print-config", one.file("udp"))) for one in (site, other)]
    assert [one["weather"]["simulated"] for one in found] == [True, False]


def test_every_pole_module_is_asked_often_enough_for_what_is_computed_of_it():
    """The air quality index needs three quarters of an hour's expected values of one pollutant."""
    text = resources.files("udp.launch").joinpath("pole.toml").read_text(encoding="utf-8")
    profiles = load_profiles()
    for sensor in tomllib.loads(text)["sensor"]:
        expected = profiles[f"pole-{sensor['name']}"].expected_interval_s
        assert sensor["interval_s"] <= expected, f"{sensor['name']} is asked too seldom"
