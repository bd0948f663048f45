"""What the launcher writes, every process understands; and what a process prints, it would take again."""

import subprocess
import sys
from pathlib import Path

import pytest

from udp.launch.configuration import Site
from udp.launch.credentials import Credentials
from udp.launch.environment import Environment

PROCESSES = {
    "udp": "udp",
    "ingest": "ingest",
    "dashboards": "dashboards",
    "city": "simulators",
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
