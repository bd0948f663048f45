"""A running agent, as a gateway runs it: what it acknowledged arrives, whatever happens to it."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from loopback import free_port

from edge.wire import cbor, topics
from edge.wire.broker import SessionSettings
from edge.wire.messages import (
    Command,
    CommandResult,
    CommandState,
    Envelope,
    Message,
    Reading,
    Receipt,
    Uplink,
)
from edge.wire.session import Session

pytestmark = pytest.mark.external_service
PATIENCE_S = 60.0
FRAME = bytes.fromhex("40F17DBE4900020001954378762B11FF0D")  # lora-packet, README: "test"
SESSIONS = """
[[session]]
dev_eui = "0102030405060708"
dev_addr = "49BE7DF1"
nwk_s_key = "44024241ed4ce9a68c6a8bc055233fd3"
app_s_key = "ec925802ae430ca77fd3dd73cb2cc588"
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[int]:
    binary = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    if not Path(binary).exists():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
    port = free_port()
    configuration = tmp_path / "mosquitto.conf"
    configuration.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
    with subprocess.Popen(
        [binary, "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        deadline = time.monotonic() + PATIENCE_S
        with socket.socket() as probe:
            while probe.connect_ex(("127.0.0.1", port)) and time.monotonic() < deadline:
                time.sleep(0.02)
        yield port
        process.kill()


class Running:
    """One agent process and the forwarder in front of it."""

    def __init__(self, folder: Path, broker: int) -> None:
        self.port = free_port(socket.SOCK_DGRAM)
        self.configuration = folder / "agent.toml"
        sessions = folder / "sessions.toml"
        sessions.write_text(SESSIONS)
        sessions.chmod(0o600)
        self.configuration.write_text(
            f'agent = "gw-1"\nsessions = "{sessions}"\n[spool]\npath = "{folder / "spool.sqlite"}"\n'
            f"[datagram]\nlisten_port = {self.port}\n[mqtt]\nport = {broker}\n"
            "[sending]\nfirst_patience_s = 0.5\n"
        )
        self.log = (folder / "agent.log").open("a")
        self.forwarder = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.forwarder.connect(("127.0.0.1", self.port))
        self.forwarder.settimeout(0.2)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--config", str(self.configuration)], stderr=self.log
        )

    def push(self, number: int) -> None:
        """Send one frame until it is acknowledged, as a forwarder that repeats does."""
        rxpk = {"stat": 1, "freq": 868.1, "datr": "SF7BW125", "rssi": -80, "lsnr": number, "size": len(FRAME),
                "data": base64.b64encode(FRAME).decode()}  # fmt: skip
        token = number.to_bytes(2, "big")
        octets = b"\x02" + token + b"\x00" + bytes(8) + json.dumps({"rxpk": [rxpk]}).encode()
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                self.forwarder.send(octets)
                while self.forwarder.recv(100)[1:3] != token:
                    pass
            except ConnectionRefusedError:
                time.sleep(0.02)  # nobody listens there yet
            except TimeoutError:
                continue
            else:
                return
        pytest.fail("the agent does not acknowledge")

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.forwarder.close()
        self.log.close()


@pytest.fixture
def agent(tmp_path: Path, broker: int) -> Iterator[Running]:
    running = Running(tmp_path, broker)
    yield running
    running.close()


class Receiver:
    """The other end: keeps what arrives and, if it is willing, sends receipts."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.messages: dict[int, Message] = {}
        self.envelopes: list[Envelope] = []
        self.willing = True

    def until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "did not happen in time"
            for delivery in self.session.take(100, timeout=0.1):
                if delivery.topic == topics.up("gw-1"):
                    self._envelope(cbor.decode(delivery.payload))
                self.session.acknowledge([delivery.token])

    def _envelope(self, envelope: Envelope) -> None:
        self.envelopes.append(envelope)
        self.messages.update(enumerate(envelope.messages, start=envelope.sequence))
        if self.willing:
            last = envelope.sequence + len(envelope.messages) - 1
            receipt = Receipt(envelope.spool, ((envelope.sequence, last),))
            self.session.publish(topics.ack("gw-1"), cbor.encode_receipt(receipt))

    def uplinks(self) -> list[float | None]:
        return [m.receptions[0].snr_db for m in self.messages.values() if isinstance(m, Uplink)]


@pytest.fixture
def receiver(broker: int) -> Iterator[Receiver]:
    settings = SessionSettings(port=broker)
    with Session(settings, client_id="receiver", subscriptions=(topics.UP_OF_ALL_AGENTS,)) as session:
        assert session.wait_connected(PATIENCE_S)
        yield Receiver(session)


def backlog(folder: Path) -> list[int]:
    with sqlite3.connect(folder / "spool.sqlite") as database:
        return [row[0] for row in database.execute("SELECT sequence FROM message ORDER BY sequence")]


def test_a_frame_arrives_opened_and_is_forgotten_only_on_receipt(
    agent: Running, receiver: Receiver, tmp_path: Path
) -> None:
    receiver.willing = False
    agent.push(1)
    receiver.until(lambda: len(receiver.uplinks()) >= 1)
    assert backlog(tmp_path)  # delivered and confirmed by the broker, which is not enough
    uplink = next(m for m in receiver.messages.values() if isinstance(m, Uplink))
    assert (str(uplink.dev_eui), uplink.f_cnt, uplink.payload) == ("0102030405060708", 2, b"test")
    receiver.willing = True  # the agent repeats by itself
    receiver.until(lambda: not backlog(tmp_path))


def test_kill_9_loses_nothing_that_was_acknowledged(
    agent: Running, receiver: Receiver, tmp_path: Path
) -> None:
    sent = 0
    for _ in range(4):
        for _ in range(5):
            sent += 1
            agent.push(sent)
        agent.process.send_signal(signal.SIGKILL)
        agent.process.wait()
        agent.start()
    agent.push(sent + 1)
    receiver.until(lambda: set(receiver.uplinks()) >= set(range(1, sent + 2)) and not backlog(tmp_path))


def test_sigterm_ends_cleanly_and_memory_stays_below_60_megabytes(
    agent: Running, receiver: Receiver, tmp_path: Path
) -> None:
    for number in range(300):
        agent.push(number)
    receiver.until(lambda: len(receiver.uplinks()) >= 300)
    pages = int(Path(f"/proc/{agent.process.pid}/statm").read_text().split()[1])
    resident = pages * os.sysconf("SC_PAGE_SIZE")
    agent.process.send_signal(signal.SIGTERM)
    assert agent.process.wait(PATIENCE_S) == 0
    log = (tmp_path / "agent.log").read_text()
    assert "Traceback" not in log
    assert "wait for the next start" in log
    assert resident < 60_000_000, f"{resident / 1e6:.1f} MB"


def test_the_agent_says_how_it_fares(agent: Running, receiver: Receiver) -> None:
    receiver.until(lambda: any(isinstance(m, Reading) for m in receiver.messages.values()))
    reading = next(m for m in receiver.messages.values() if isinstance(m, Reading))
    assert reading.sensor == "agent"
    assert set(reading.fields) == {
        "backlog_messages", "backlog_bytes", "backlog_age_s", "dropped_messages", "refused_messages",
        "damaged_files", "disk_free_mb", "memory_mb",
    }  # fmt: skip


def test_a_command_without_an_actuator_is_answered_not_ignored(agent: Running, receiver: Receiver) -> None:
    agent.push(1)  # it is up
    now = datetime.now(UTC)
    commands = (
        Command("c1", "pond-1", 1, b"\x01", now + timedelta(minutes=5)),
        Command("c2", "pond-1", 1, b"\x01", now - timedelta(minutes=5)),
    )
    down = cbor.encode(Envelope("gw-1", b"platform", 1, 1, now, commands))
    receiver.until(lambda: bool(receiver.envelopes))
    receiver.session.publish(topics.down("gw-1"), b"\xff no envelope")
    receiver.session.publish(topics.down("gw-1"), down)

    def answers() -> dict[str, CommandResult]:
        return {m.command_id: m for m in receiver.messages.values() if isinstance(m, CommandResult)}

    receiver.until(lambda: len(answers()) == 2)
    assert answers()["c1"].state is CommandState.FAILED
    assert "no actuator" in answers()["c1"].detail
    assert answers()["c2"].state is CommandState.EXPIRED


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("agent = 3", "agent: expected str"),
        ('agent = "gw-1"\n[spool]\npath = "x"\n[mqtt]\n', "nothing to hear through"),
        ('agent = "gw-1"\n[spool]\npath = "x"\n[datagram]\n', "either an [mqtt] or an [http]"),
        ('agent = "Gw 1"\n[spool]\npath = "x"\n[datagram]\n[mqtt]\n', "no agent name"),
        ('agent = "gw-1"\n[spool]\npath = "x"\n[datagram]\nforward_to = ["ttn"]\n[mqtt]\n', "not host:port"),
        ('agent = "gw-1"\nspeed = 3\n', "unknown key 'speed'"),
    ],
)
def test_broken_settings_are_one_clear_line(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "agent.toml"
    path.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "edge", "check-config", "--config", str(path)],
        capture_output=True, text=True, check=False, timeout=PATIENCE_S,
    )  # fmt: skip
    assert ended.returncode == 2
    assert what in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_taken_port_is_named_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        path = tmp_path / "agent.toml"
        path.write_text(
            f'agent = "gw-1"\n[spool]\npath = "{tmp_path / "s.sqlite"}"\n[mqtt]\n'
            f"[datagram]\nlisten_port = {port}\n"
        )
        ended = subprocess.run(
            [sys.executable, "-m", "edge", "run", "--config", str(path)],
            capture_output=True, text=True, check=False, timeout=PATIENCE_S,
        )  # fmt: skip
    assert ended.returncode == 1
    assert f"127.0.0.1:{port}: Address already in use; set another [datagram] listen_port" in ended.stderr


def test_a_controller_that_does_not_answer_is_one_line_of_ours(tmp_path: Path, broker: int) -> None:
    """The Modbus library says the same again without the sensor's name: noise in a log people must read."""
    configuration = tmp_path / "pole.toml"
    configuration.write_text(
        f'agent = "pole-1"\n[spool]\npath = "{tmp_path / "spool.sqlite"}"\n[mqtt]\nport = {broker}\n'
        f'[modbus]\nhost = "127.0.0.1"\nport = {free_port()}\n[[modbus.sensor]]\nname = "weather"\n'
        'interval_s = 1\nregister = [{ field = "air_temperature", address = 0, type = "int16" }]\n'
    )
    with (tmp_path / "pole.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "edge", "run", "--config", str(configuration)], stderr=log
        )
        try:
            deadline = time.monotonic() + PATIENCE_S
            while "agent pole-1 runs" not in said(tmp_path) or "no connection" not in said(tmp_path):
                assert time.monotonic() < deadline, said(tmp_path)
                time.sleep(0.05)
        finally:
            process.terminate()
            process.wait()
    assert said(tmp_path).count("sensor weather: no connection") == 1
    assert "pymodbus" not in said(tmp_path)


def said(folder: Path) -> str:
    return (folder / "pole.log").read_text()
