"""What lies ready for a gateway can be meant by the agent it is for."""

import subprocess
import sys
from pathlib import Path

FIRMWARE = Path(__file__).parents[3] / "gateway-firmware"


def test_the_agents_example_settings_are_understood():
    done = subprocess.run(
        [sys.executable, "-m", "edge", "check-config", "--config", FIRMWARE / "etc" / "udp-edge.toml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_the_unit_starts_the_command_with_the_settings_the_readme_names():
    unit = (FIRMWARE / "systemd" / "udp-edge.service").read_text()
    assert "udp-edge run --config /etc/udp/udp-edge.toml" in unit
    assert "/etc/udp/udp-edge.toml" in (FIRMWARE / "README.md").read_text()
