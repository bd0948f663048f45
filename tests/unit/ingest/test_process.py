"""`udp-ingest` as a process: its verbs, its errors, and what a kill at the worst moment leaves."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import httpx2
import psutil
import pytest
from loopback import free_port

from edge.wire import cbor
from edge.wire.messages import Receipt
from ingest.__main__ import main
from udp.errors import StoreUnavailable
from udp.ledger.port import Page
from udp.ledger.sql import SqlLedger
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.store.columns import Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

from .conftest import NOW, World, delivery, envelope, uplink

CITY = """
format = 1
[city]
name = "Teststadt"
simulated = true
[[thing]]
key = "zaehler-1"
name = "Zähler"
kind = "meter"
theme = "energie"
district = "castrop"
district_name = "Castrop"
latitude = 51.55
longitude = 7.31
[[thing.device]]
dev_eui = "0102030405060708"
profile = "milesight-em300-di"
"""


def configuration(folder: Path, port: int) -> Path:
    (folder / "token").write_text("secret-token")
    path = folder / "ingest.toml"
    path.write_text(
        f"""
worker = "w"
registry = "sqlite:///{folder}/registry.sqlite"
ledger = "sqlite:///{folder}/ledger.sqlite"
[journal]
directory = "{folder}/journal"
keep_free_bytes = 0
[http]
port = {port}
agents = [{{ agent = "crx-gw-1", token = {{ file = "{folder}/token" }} }}]
[store.embedded]
folder = "{folder}/store"
"""
    )
    return path


def verb(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ingest", *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def eventually(true: Callable[[], object], within_s: float = 90.0) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.05)


def test_check_config_and_print_config(tmp_path: Path) -> None:
    path = configuration(tmp_path, 8081)
    assert main(["check-config", "--config", str(path)]) == 0
    shown = verb("print-config", "--config", str(path)).stdout
    assert 'worker = "w"' in shown and "keep_free_bytes = 0" in shown and "secret-token" not in shown


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("worker = ", "not valid TOML"),
        ("wroker = 'x'", "unknown key 'wroker'"),
        ("worker = 'No Name'", "no agent name"),
        ("[journal]\nmax_bytes = 'much'", "journal: max_bytes: expected int"),
        ("[[mqtt]]\ntopics = []", "topics is empty"),
        ("[store]\nkind = 'paper'", "no store"),
        ("[http]\nagents = [{ agent = 'a', token = 'plain' }]", "a secret is"),
    ],
)
def test_a_broken_configuration_is_one_clear_line(
    tmp_path: Path, text: str, named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "ingest.toml"
    path.write_text(text)
    assert main(["check-config", "--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert named in said and str(path) in said
    assert len(said.strip().splitlines()) == 1


def test_a_replay_needs_a_time_with_its_offset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["replay", "--config", str(configuration(tmp_path, 8081)), "--since", "2026-11-01T00:00"])
    assert ended.value.code == 2
    assert "offset from UTC" in capsys.readouterr().err


def test_a_worker_is_retired_when_its_journal_is_worked_off(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = configuration(tmp_path, free_port())
    world.ledger.write(Page(worker="w", gauges={"journal_backlog_messages": 1}))
    world.hear(delivery(envelope(uplink(1))))
    assert main(["retire", "w", "--config", str(path)]) == 2
    assert "1 messages of w" in capsys.readouterr().err
    (name,) = world.reader.names()
    world.pipeline.handle(world.reader.key(name), world.waiting(name))
    assert main(["retire", "w", "--config", str(path)]) == 0
    assert world.ledger.report().workers == []


class Running:
    """`udp-ingest run` with a registered meter behind it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        (folder / "city.toml").write_text(CITY)
        registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
        registry.import_city(read_city(folder / "city.toml", load_profiles()))
        self.streams = [one.id for one in registry.inventory().datastreams.values()]
        registry.close()
        self.path = configuration(folder, self.port)
        self.client = httpx2.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": "Bearer secret-token"},
            timeout=60,
        )
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "ingest", "run", "--config", str(self.path)]
        self.process = subprocess.Popen(command, stderr=(self.folder / "log").open("a"))

        def answers() -> bool:
            try:
                return self.client.get("/health").status_code == 200
            except httpx2.TransportError:
                return False

        eventually(answers)

    def pipeline(self) -> psutil.Process | None:
        children = psutil.Process(self.process.pid).children()
        return children[0] if children else None

    def send(self, number: int) -> None:
        pulses = b"\x05\xc8" + number.to_bytes(4, "little")
        heard = uplink(number, payload=pulses, f_port=85, at=NOW.replace(minute=number))
        octets = envelope(heard, sequence=number)
        answer = self.client.post("/edge/v1/crx-gw-1/up", content=octets)
        assert cbor.decode_receipt(answer.content) == Receipt(b"spool-01", ((number, number),))

    def stored(self) -> list[int]:
        if not (self.folder / "store" / "hot.sqlite").exists():
            return []  # the pipeline has not come so far yet
        store = EmbeddedStore(EmbeddedSettings(folder=self.folder / "store"), lambda: NOW, read_only=True)
        try:
            found = store.read(
                self.streams,
                Period(
                    datetime.fromisoformat("2026-01-01T00:00Z"), datetime.fromisoformat("2027-01-01T00:00Z")
                ),
            )
        except StoreUnavailable:
            return []  # the file is there, its tables are not yet
        finally:
            store.close()
        return sorted(round(1000 * volume) for volume in found.result.tolist())  # a litre per pulse


def ended(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:  # between the two questions
        return True


@pytest.fixture
def running(tmp_path: Path):  # type: ignore[no-untyped-def]
    made = Running(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.terminate()
        made.process.wait(60)


def test_run_survives_kills_of_pipeline_and_doors_and_ends_cleanly(running: Running) -> None:
    for number in range(1, 4):
        running.send(number)
    eventually(lambda: running.pipeline() is not None)
    killed = running.pipeline()
    assert killed is not None
    killed.kill()
    for number in range(4, 7):
        running.send(number)  # the doors do not care
    eventually(lambda: running.pipeline() not in (None, killed))
    eventually(lambda: running.stored() == [1, 2, 3, 4, 5, 6])
    orphan = running.pipeline()
    assert orphan is not None
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(60)
    eventually(lambda: ended(orphan))
    running.start()
    running.send(6)
    running.send(7)
    eventually(lambda: running.stored() == [1, 2, 3, 4, 5, 6, 7])
    ledger = SqlLedger(f"sqlite:///{running.folder}/ledger.sqlite")
    eventually(lambda: ledger.report().counters.get("messages_edge") == 8)
    assert ledger.report().counters["duplicates"] == 1
    ledger.close()
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0


def test_a_second_worker_of_the_same_name_is_refused(running: Running) -> None:
    result = verb("run", "--config", str(running.path))
    assert result.returncode == 2
    assert "another process of this worker is running" in result.stderr


KILLED_BETWEEN = """
import os, signal, sys
from pathlib import Path
sys.path[:0] = {path!r}
from tests_conftest import World, inventory
world = World(Path({folder!r}), inventory())
class Ledger:
    def __init__(self, real): self.real = real
    def remembered(self, identities): return self.real.remembered(identities)
    def write(self, page): os.kill(os.getpid(), signal.SIGKILL)
world.catch_up(world.new_pipeline(ledger=Ledger(world.ledger)))
"""


def test_a_kill_between_store_and_ledger_doubles_nothing(world: World, tmp_path: Path) -> None:
    world.hear(
        *(delivery(envelope(uplink(n, level=n, at=NOW.replace(minute=n)), sequence=n)) for n in range(1, 9))
    )
    code = tmp_path / "code"
    code.mkdir()
    (code / "tests_conftest.py").write_text(
        Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    )
    script = KILLED_BETWEEN.format(path=[str(code), str(Path.cwd())], folder=str(world.folder))
    for _ in range(2):
        killed = subprocess.run([sys.executable, "-c", script], timeout=120, capture_output=True, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert len(world.values()) == 8, "the store had taken everything before the kill"
    assert world.ledger.remembered([uplink(1).identity]) == {}
    world.catch_up()
    assert [value for _time, value in world.values()] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert world.everything().revision.tolist() == [0] * 8
    assert (world.counter("duplicates"), world.counter("messages_edge")) == (0, 8)
