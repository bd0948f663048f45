"""Mosquitto beside the platform: found or installed, given its limits, passwords and rights."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

_PLACES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")

# Least rights: an agent (user name = agent name) reaches its own four topics and nothing else.
_ACCESS = """\
pattern write udp/v1/%u/up
pattern write udp/v1/%u/status
pattern read udp/v1/%u/ack
pattern read udp/v1/%u/down

user ingest
topic read udp/v1/+/up
topic read udp/v1/+/status
topic write udp/v1/+/ack
topic write udp/v1/+/down
topic read application/+/device/+/event/+
topic read v3/+/devices/+/#
topic readwrite udp/selftest/#
topic read $SYS/#

user chirpstack
topic write application/+/device/+/event/+
topic read application/+/device/+/command/down

user virtual-network-servers
topic write application/+/device/+/event/+
topic write v3/+/devices/+/#
"""


@dataclass(frozen=True, slots=True)
class BrokerPlan:
    """Where the broker listens and keeps its files."""

    program: str
    directory: Path
    address: str
    port: int


def find_mosquitto() -> str | None:
    """The mosquitto program, also where Debian puts it outside a user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path=":".join(_PLACES))


def install_mosquitto(say: Callable[[str], None]) -> str | None:
    """Install Debian's package where that is possible without asking (root and apt-get)."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return None
    say("Mosquitto is not installed: installing Debian's package (apt-get install mosquitto) ...")
    _quietly("apt-get", "update", "-q")
    done = _quietly("apt-get", "install", "-y", "-q", "--no-install-recommends", "mosquitto")
    if done.returncode != 0:
        say("  that did not work; going on without a broker.")
        return None
    if shutil.which("systemctl"):
        # The package starts a broker of its own on port 1883 with the limits that lose messages.
        _quietly("systemctl", "disable", "--now", "mosquitto")
    return find_mosquitto()


def _quietly(*command: str) -> subprocess.CompletedProcess[bytes]:
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    return subprocess.run(command, env=environment, capture_output=True, check=False)  # noqa: S603


def write_configuration(plan: BrokerPlan, passwords: Mapping[str, str]) -> Path:
    """Write mosquitto.conf, the hashed passwords and the access rules; return the configuration."""
    plan.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    template = resources.files("udp.launch").joinpath("mosquitto.conf").read_text(encoding="utf-8")
    # Started by root, Mosquitto becomes the user `mosquitto`, who may not read our directory.
    user = "user root" if os.geteuid() == 0 else ""
    content = template.format(
        port=plan.port, address=plan.address, directory=plan.directory.resolve(), user=user
    )
    configuration = plan.directory / "mosquitto.conf"
    configuration.write_text(content, encoding="utf-8")
    _private(plan.directory / "acl", _ACCESS)
    _hash_passwords(plan, passwords)
    return configuration


def _hash_passwords(plan: BrokerPlan, passwords: Mapping[str, str]) -> None:
    file = plan.directory / "passwords"
    _private(file, "".join(f"{user}:{password}\n" for user, password in passwords.items()))
    tool = shutil.which(
        "mosquitto_passwd", path=f"{Path(plan.program).parent}:/usr/bin:{os.environ.get('PATH', '')}"
    )
    if tool is None:
        raise FileNotFoundError("mosquitto_passwd is missing; it comes with the package mosquitto")
    subprocess.run([tool, "-U", str(file)], check=True, capture_output=True)  # noqa: S603
    file.chmod(0o600)


def _private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
