"""Engines for the suites of ObservationStore, what they cannot keep, and real servers to run them on.

Servers are Debian's packages on free loopback ports; InfluxDB 2 is used where UDP_TEST_INFLUXDB_URL says.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from urllib.parse import quote

import pytest
from loopback import free_port
from sqlalchemy import create_engine, text

from edge.wire.settings import Secret
from udp.store.columns import Ints, Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, maintain, open_store
from udp.store.port import ObservationStore
from udp.store.server_settings import InfluxDBSettings, VictoriaMetricsSettings

NOW = datetime(2026, 2, 3, 12, tzinfo=UTC)
_START_WITHIN_S = 90.0
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


# (engine, test of the promise) -> why it cannot be kept there; the test must fail.
DEVIATIONS = {
    ("victoriametrics", "test_times_keep_their_microseconds"): "times are kept in whole milliseconds",
    ("victoriametrics", "test_this_engine_can_forget"): "the server deletes whole series only",
}


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
    port = free_port()
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
    port = free_port()
    settings = folder / "influxdb.conf"
    settings.write_text(_INFLUXDB_1.format(port=port, rpc_port=free_port(), folder=folder))
    command = [_binary("influxd"), "-config", str(settings)]
    return Server(command, folder, f"http://127.0.0.1:{port}", "/ping")


@pytest.fixture(scope="session")
def victoriametrics_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One VictoriaMetrics for the whole run."""
    with victoriametrics_server(tmp_path_factory.mktemp("victoriametrics")) as url:
        yield url


@pytest.fixture(scope="session")
def influxdb_1_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One InfluxDB 1.x for the whole run."""
    with influxdb_1_server(tmp_path_factory.mktemp("influxdb")) as url:
        yield url


@dataclass
class Engine:
    """One opened store; `settle` lets maintenance close days where the engine's name says so."""

    name: str
    settings: StoreSettings
    settle: Callable[[], None]
    store: ObservationStore
    another: Callable[[], Engine]

    def append(self, batch: Observations) -> Ints:
        ignored = self.store.append(batch)
        self.settle()
        return ignored

    def reopen(self) -> None:
        self.store.close()
        self.store = open_store(self.settings, lambda: NOW)

    def housekeep(self, now: datetime = NOW) -> None:
        for _ in range(1_000):
            if not maintain(self.store, now):
                return
        pytest.fail("maintenance found no end")


@pytest.fixture(
    params=[
        "embedded",
        "embedded, days closed",
        pytest.param("influxdb", marks=pytest.mark.external_service),
        pytest.param("influxdb 2", marks=pytest.mark.external_service),
        pytest.param("victoriametrics", marks=pytest.mark.external_service),
    ]
)
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Every engine, empty; fixtures of servers are asked for only when needed."""
    name = request.param
    opened = _engine(name, request, tmp_path_factory)
    try:
        _expect_deviation(request, opened.name)
        yield opened
    finally:
        opened.store.close()


@pytest.fixture(params=["influxdb", "victoriametrics"])
def engine_that_dies(
    request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[tuple[Server, ObservationStore]]:
    """A server of its own, which the test may kill and start again, and its store."""
    kind: str = request.param
    server = influxdb_1(tmp_path) if kind == "influxdb" else victoriametrics(tmp_path)
    store = open_store(_at_address(kind, server.url), lambda: NOW)
    try:
        server.start()
        if kind == "influxdb":
            _post(f"{server.url}/query?q={quote('CREATE DATABASE udp')}")
        _expect_deviation(request, kind)
        yield server, store
    finally:
        store.close()
        server.stop()


def _expect_deviation(request: pytest.FixtureRequest, kind: str) -> None:
    """Marks the test as one that must fail on this engine, where the tables above say so."""
    deviation = (kind, request.function.__name__)
    if reason := DEVIATIONS.get(deviation):
        request.applymarker(pytest.mark.xfail(reason=f"{kind}: {reason}", strict=True, raises=AssertionError))


def _at_address(kind: str, url: str) -> StoreSettings:
    """Settings of a server of Debian's packages; InfluxDB 1.6 has no /api/v2/write yet (1.8 has)."""
    if kind == "influxdb":
        return StoreSettings(kind, influxdb=InfluxDBSettings(url=url, write_api="v1"))
    return StoreSettings(kind, victoriametrics=VictoriaMetricsSettings(url=url))


def _engine(name: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    measurement = f"observation_{uuid.uuid4().hex}"
    settings = StoreSettings(kind=name.partition(" ")[0].rstrip(","))
    if settings.kind == "influxdb":
        influxdb = _influxdb_2() if name == "influxdb 2" else _influxdb_1(request)
        settings = replace(settings, influxdb=replace(influxdb, measurement=measurement))
    elif settings.kind == "victoriametrics":
        url = request.getfixturevalue("victoriametrics_url")
        settings = replace(
            settings, victoriametrics=VictoriaMetricsSettings(url=url, measurement=measurement)
        )
    else:
        embedded = EmbeddedSettings(
            folder=tmp_path_factory.mktemp("store"), settle=timedelta(0), fold_after=timedelta(0)
        )
        settings = replace(settings, embedded=embedded)
    store = open_store(settings, lambda: NOW)
    another = partial(_engine, name, request, tmp_path_factory)
    opened = Engine(settings.kind, settings, lambda: None, store, another)
    if name == "embedded, days closed":
        opened.settle = opened.housekeep
    return opened


def _influxdb_1(request: pytest.FixtureRequest) -> InfluxDBSettings:
    return _at_address("influxdb", request.getfixturevalue("influxdb_1_url")).influxdb


def _influxdb_2() -> InfluxDBSettings:
    url = os.environ.get("UDP_TEST_INFLUXDB_URL")
    if not url:
        pytest.skip("set UDP_TEST_INFLUXDB_URL, _TOKEN and _ORG (and _BUCKET, default udp) to run this")
    return InfluxDBSettings(
        url=url,
        token=Secret(os.environ["UDP_TEST_INFLUXDB_TOKEN"]),
        org=os.environ["UDP_TEST_INFLUXDB_ORG"],
        database=os.environ.get("UDP_TEST_INFLUXDB_BUCKET", "udp"),
    )


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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """A server of our own on a free loopback port; it refuses to run as root, so root lends it a user."""
    binaries = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)
    if binaries is None:
        missing = "no PostgreSQL below /usr/lib/postgresql; install the Debian package postgresql"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pg-") as folder:
        lent = []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            lent = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

        def run(*command: str) -> None:
            subprocess.run([*lent, *command], check=True, timeout=120, stdout=subprocess.DEVNULL, cwd=folder)

        run(f"{binaries}/initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "udp", "--no-sync")
        options = f"-h 127.0.0.1 -p {port} -k {folder} -c fsync=off"
        control = (f"{binaries}/pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log")
        run(*control, "-o", options, "start")
        try:
            yield f"postgresql+psycopg://udp@127.0.0.1:{port}/postgres"
        finally:
            run(*control, "-m", "immediate", "stop")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.external_service)])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database for a ledger."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/ledger.sqlite"
    server: str = request.getfixturevalue("postgresql")
    engine = create_engine(server)
    with engine.begin() as connection:
        connection.execute(text("DROP SCHEMA IF EXISTS public CASCADE"))
        connection.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    return server
