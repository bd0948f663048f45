"""Real time-series servers for the contract suites: Debian's packages on free loopback ports."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest

_START_WITHIN_S = 30.0
_INFLUXDB_1 = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
  dir = "{folder}/meta"
[data]
  dir = "{folder}/data"
  wal-dir = "{folder}/wal"
  query-log-enabled = false
[http]
  bind-address = "127.0.0.1:{port}"
  log-enabled = false
[monitor]
  store-enabled = false
[logging]
  level = "error"
"""


class Server:
    """One server process on its own data folder; may be killed and started again."""

    def __init__(self, command: list[str], folder: Path, url: str, health: str) -> None:
        self.url = url
        self._command = command
        self._log = folder / "log"
        self._health = url + health
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        _wait_until_healthy(self._process, self._health, self._log)

    def kill(self) -> None:
        """As a power cut would, for the process."""
        assert self._process
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()


@contextmanager
def victoriametrics_server(folder: Path) -> Iterator[str]:
    """Address of a VictoriaMetrics that lives as long as the block."""
    with _running(victoriametrics(folder)) as url:
        yield url


@contextmanager
def influxdb_1_server(folder: Path) -> Iterator[str]:
    """Address of an InfluxDB 1.x with the database `udp`."""
    with _running(influxdb_1(folder)) as url:
        _post(f"{url}/query?q={quote('CREATE DATABASE udp')}")
        yield url


def victoriametrics(folder: Path) -> Server:
    """Not yet started."""
    port = _free_port()
    command = [
        _binary("victoria-metrics"),
        f"-storageDataPath={folder / 'data'}",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-retentionPeriod=100y",
        "-dedup.minScrapeInterval=1ms",
        "-search.latencyOffset=0s",
        "-loggerLevel=ERROR",
    ]
    return Server(command, folder, f"http://127.0.0.1:{port}", "/health")


def influxdb_1(folder: Path) -> Server:
    """Not yet started."""
    port = _free_port()
    settings = folder / "influxdb.conf"
    settings.write_text(_INFLUXDB_1.format(port=port, rpc_port=_free_port(), folder=folder))
    command = [_binary("influxd"), "-config", str(settings)]
    return Server(command, folder, f"http://127.0.0.1:{port}", "/ping")


@pytest.fixture(scope="session")
def victoriametrics_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One VictoriaMetrics for the whole run."""
    with victoriametrics_server(tmp_path_factory.mktemp("victoriametrics")) as url:
        yield url


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[Callable[[str], Server]]:
    """Starts a server by its engine's name that the test may kill."""
    started: list[Server] = []

    def start(kind: str) -> Server:
        server = influxdb_1(tmp_path) if kind == "influxdb" else victoriametrics(tmp_path)
        started.append(server)
        server.start()
        if kind == "influxdb":
            _post(f"{server.url}/query?q={quote('CREATE DATABASE udp')}")
        return server

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def show_writes() -> Callable[[str], None]:
    """VictoriaMetrics makes fresh writes visible after a second; this does it now."""
    return lambda url: _post(f"{url}/internal/force_flush")


@pytest.fixture(scope="session")
def influxdb_1_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One InfluxDB 1.x for the whole run."""
    with influxdb_1_server(tmp_path_factory.mktemp("influxdb")) as url:
        yield url


def _binary(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if found is None:
        package = {"influxd": "influxdb"}.get(name, name)
        text = f"{name} is not installed: apt install {package}"
        if os.environ.get("CI"):
            pytest.fail(text)
        pytest.skip(text)
    return found


@contextmanager
def _running(server: Server) -> Iterator[str]:
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_WITHIN_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended at once: {log.read_text()[-500:]}")
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    pytest.fail(f"{url} did not answer within {_START_WITHIN_S:.0f} s: {log.read_text()[-500:]}")


def _post(url: str) -> None:
    with urllib.request.urlopen(urllib.request.Request(url, data=b""), timeout=10):
        pass


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
