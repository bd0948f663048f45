"""A real Mosquitto on a port of its own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from loopback import free_port


class Mosquitto:
    """A broker with `options` in its configuration; it can be stopped and started again."""

    def __init__(self, folder: Path, options: str) -> None:
        program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
        if program is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)(
                "mosquitto is not installed (apt-get install mosquitto)"
            )
        self._program = str(program)
        self.port = free_port()
        self._configuration = folder / "mosquitto.conf"
        anonymous = "" if "allow_anonymous" in options else "allow_anonymous true\n"
        self._configuration.write_text(f"listener {self.port} 127.0.0.1\n{anonymous}{options}\n")
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._configuration)], stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 60
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        pytest.fail("mosquitto did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(60)
