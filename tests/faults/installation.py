"""A whole platform of real processes in one directory, whose parts a test may kill at any instant."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
import tomli_w
from loopback import free_port
from traffic import EPOCH, Gateway, PulseCounter

from udp.launch.broker import BrokerPlan, find_mosquitto, write_configuration
from udp.launch.credentials import Credentials
from udp.ledger.sql import SqlLedger
from udp.registry.sql import SqlRegistry
from udp.store.columns import Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store

ROOT = Path(__file__).parents[2]
_PREPARED = "SELECT 1 FROM sqlite_master WHERE name = 'message'"
# Health readings (priority 0) come and go; uplinks and frames are what was promised.
_SPOOLED = "SELECT count(*) FROM message WHERE priority > 0"


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"after {seconds} s still not: {what}")
        time.sleep(0.05)


class Frozen:
    """Processes that stand still from here on."""

    def __init__(self, processes: Sequence[psutil.Process]) -> None:
        self._processes = processes
        for process in processes:
            process.suspend()

    def resume(self) -> None:
        """Let them go on."""
        for process in self._processes:
            process.resume()


class Installation:
    """Agents, broker and ingest below `directory`; nothing runs until it is started."""

    def __init__(
        self,
        directory: Path,
        *,
        agents: int = 2,
        devices: int = 8,
        transport: str = "mqtt",
        broker: str = "shipped",
        gateway_clock: str = "ntp",
        workers: int = 1,
        clocks_move: bool = False,
        settings: Mapping[str, object] | None = None,
    ) -> None:
        self.directory = directory
        self.devices = [PulseCounter(number) for number in range(1, devices + 1)]
        self.agents = [f"gw-{number}" for number in range(1, agents + 1)]
        self.store_settings = StoreSettings(embedded=EmbeddedSettings(folder=directory / "store"))
        self.transport = transport
        self.broker = broker
        # With "ntp" every hearing has a time of its own: a copy that is not recognised shows as doubled.
        self.gateway_clock = gateway_clock
        self.clocks_move = clocks_move
        self.workers = ["ingest", *(f"ingest-{number}" for number in range(2, workers + 1))]
        self.mqtt_port, self.http_port = free_port(), free_port()
        self.radio = {name: free_port(socket.SOCK_DGRAM) for name in self.agents}
        self.secrets = Credentials(directory / "secrets")
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.kills: Counter[str] = Counter()
        self._describe_city()
        self._configure_agents()
        self._configure_ingest(settings or {})
        if transport == "mqtt":
            self._configure_broker()

    def gateway(self, number: int) -> Gateway:
        """The packet forwarder beside agent `number` (from 0)."""
        eui = bytes.fromhex("0016c001f15008") + bytes([number])
        return Gateway(eui, self.radio[self.agents[number]], offset_ms=3 * number)

    def start(self, *names: str) -> None:
        """Start `broker`, `ingest` or an agent by name; all of them without a name."""
        for name in names or (*(["broker"] if self.transport == "mqtt" else []), *self.workers, *self.agents):
            with (self.directory / f"{name}.log").open("ab") as log:
                self.processes[name] = subprocess.Popen(
                    self._command(name), cwd=ROOT, stdout=log, stderr=log, start_new_session=True,
                    env=os.environ | self._clock_of(name),
                )  # fmt: skip
            if name == "broker":
                wait_until(lambda: listens(self.mqtt_port), 30, "broker listens")

    def move_clock(self, ahead: timedelta, *names: str) -> None:
        """Set the wall clock of running or coming processes (agents, ingest) ahead of the machine's."""
        for name in names:
            (self.directory / f"{name}.clock").write_text(str(ahead.total_seconds()))

    def _clock_of(self, name: str) -> Mapping[str, str]:
        if not self.clocks_move:
            return {}
        return {
            "PYTHONPATH": str(Path(__file__).parent / "clock"),
            "UDP_TEST_CLOCK": str(self.directory / f"{name}.clock"),
        }

    def kill(self, name: str) -> None:
        """SIGKILL: no chance to say goodbye. `pipeline` is ingest's child; one that comes up is awaited."""
        self.kills[name] += 1
        if name == "pipeline":
            wait_until(lambda: bool(self._pipelines()), 30, "a pipeline runs")
            for child in self._pipelines():
                with contextlib.suppress(psutil.NoSuchProcess):  # one that ends by itself in this moment
                    child.kill()
            return
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def _pipelines(self) -> Sequence[psutil.Process]:
        children = psutil.Process(self.processes["ingest"].pid).children(recursive=True)
        with contextlib.suppress(psutil.NoSuchProcess):  # one that has just ended: look again
            return [child for child in children if "pipeline" in child.cmdline()]
        return []

    def freeze(self, name: str) -> Frozen:
        """SIGSTOP: the process and its children stand still until resumed."""
        process = psutil.Process(self.processes[name].pid)
        return Frozen([process, *process.children(recursive=True)])

    def stop(self, *names: str) -> None:
        """SIGTERM and wait."""
        running = [name for name in names or tuple(reversed(self.processes)) if name in self.processes]
        for name in running:
            self.processes[name].terminate()
        for name in running:
            try:
                self.processes.pop(name).wait(60)
            except subprocess.TimeoutExpired:
                pytest.fail(f"{name} did not end within 60 s of SIGTERM: {self.log(name)[-2000:]}")

    def log(self, name: str) -> str:
        return (self.directory / f"{name}.log").read_text(errors="replace")

    def wait_until_heard(self, *workers: str, topic: str = "application/") -> None:
        """Until ingest, or each of `workers`, hears a network server's topics.

        Before that nobody has promised anything: a broker also confirms what no session wants.
        """
        heard = re.compile(f"hears .*{topic}")
        for worker in workers or ("ingest",):
            wait_until(lambda name=worker: heard.search(self.log(name)) is not None, 30, f"{worker} hears")

    def rss_mb(self, name: str) -> float:
        """Resident memory of a process and its children."""
        process = psutil.Process(self.processes[name].pid)
        return sum(p.memory_info().rss for p in [process, *process.children(recursive=True)]) / 1e6

    def stored(self) -> Counter[tuple[int, int]]:
        """How often each (device, count) stands in the store."""
        store = open_store(self.store_settings, lambda: datetime.now(UTC))
        registry = SqlRegistry(self._url("registry"))
        inventory = registry.inventory()
        by_stream = {
            channel.datastream: int(device.thing.split("-")[1])
            for device in inventory.devices.values()
            for channel in device.channels
            if channel.field == "pulse"
        }
        registry.close()
        try:
            rows = store.read(
                sorted(by_stream), Period(EPOCH, max(datetime.now(UTC), EPOCH) + timedelta(days=60))
            )
        finally:
            store.close()
        counts = np.rint(rows.result * 1000).astype(int)
        numbers = [by_stream[stream] for stream in rows.datastream.tolist()]
        return Counter(zip(numbers, counts.tolist(), strict=True))

    def at_rest(self) -> bool:
        """Nothing is under way any more: no spool holds an uplink, no journal row waits.

        The pipeline tells of its journal now and then: wait for what must be stored first.
        """
        ledger = self.ledger()
        try:
            counters = ledger.report().counters
        finally:
            ledger.close()
        return counters.get("journal_backlog_messages", 1) == 0 and not any(map(self.spooled, self.agents))

    def spooled(self, agent: str) -> int:
        """How many messages the agent holds that ingest has not taken over, but for its own health."""
        path = self.directory / agent / "spool.sqlite"
        if not path.exists():
            return 0
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as spool:
            if spool.execute(_PREPARED).fetchone() is None:
                return 0  # the agent is just making the file
            return int(spool.execute(_SPOOLED).fetchone()[0])

    def ledger(self) -> SqlLedger:
        return SqlLedger(self._url("ledger"))

    def import_city(self) -> None:
        subprocess.run(
            [sys.executable, "-m", "udp", "import-city", str(self.directory / "city.toml"),
             "--config", str(self.directory / "udp.toml")],
            cwd=ROOT, check=True, capture_output=True,
        )  # fmt: skip

    def _url(self, name: str) -> str:
        return f"sqlite:///{self.directory / name}.sqlite"

    def _command(self, name: str) -> Sequence[str]:
        if name == "broker":
            return [find_mosquitto() or "mosquitto", "-c", str(self.directory / "broker" / "mosquitto.conf")]
        room = "ingest" if name in self.workers else "edge"
        return [sys.executable, "-m", room, "run", "--config", str(self.directory / f"{name}.toml")]

    def _write(self, name: str, content: Mapping[str, object], mode: int = 0o600) -> Path:
        path = self.directory / name
        path.write_text(tomli_w.dumps(content))
        path.chmod(mode)
        return path

    def _describe_city(self) -> None:
        things = [
            {
                "key": f"zaehler-{device.number}",
                "name": f"Zähler {device.number}",
                "kind": "meter",
                "theme": "energie",
                "district": "castrop",
                "district_name": "Castrop",
                "latitude": 51.55,
                "longitude": 7.31,
                "access": "internal",
                "exemption": "data_protection",
                "device": [{"dev_eui": device.dev_eui.hex(), "profile": "milesight-em300-di"}],
            }
            for device in self.devices
        ]
        city = {"name": "Prüfstadt", "simulated": True}
        self._write("city.toml", {"format": 1, "city": city, "thing": things})
        self._write(
            "udp.toml", {"registry": {"url": self._url("registry")}, "ledger": {"url": self._url("ledger")}}
        )
        sessions = [
            {
                "dev_eui": device.dev_eui.hex(),
                "dev_addr": device.dev_addr.hex(),
                "nwk_s_key": device.nwk_s_key.hex(),
                "app_s_key": device.app_s_key.hex(),
                "codec": "milesight-em300-di",
            }
            for device in self.devices
        ]
        self._write("sessions.toml", {"session": sessions})
        # The edge holds the keys of every second device only: the others travel as frames.
        self._write("edge-sessions.toml", {"session": sessions[::2]})
        self.import_city()

    def _secret(self, name: str) -> Mapping[str, str]:
        return {"file": str(self.secrets.path(name))}

    def _configure_agents(self) -> None:
        for name in self.agents:
            mqtt = {
                "host": "127.0.0.1", "port": self.mqtt_port, "username": name, "password": self._secret(name),
            }  # fmt: skip
            http = {"url": f"http://127.0.0.1:{self.http_port}", "token": self._secret(name)}
            upwards = {"mqtt": mqtt} if self.transport == "mqtt" else {"http": http}
            content = {
                "agent": name,
                "sessions": str(self.directory / "edge-sessions.toml"),
                "health_interval": 5,
                "spool": {"path": str(self.directory / name / "spool.sqlite")},
                "datagram": {"listen_port": self.radio[name], "gateway_clock": self.gateway_clock},
                "sending": {"first_patience_s": 1.0, "longest_patience_s": 3.0},
                **upwards,
            }
            self._write(f"{name}.toml", content)

    def _configure_ingest(self, settings: Mapping[str, object]) -> None:
        broker = {
            "host": "127.0.0.1", "port": self.mqtt_port, "username": "ingest",
            "password": self._secret("ingest"),
        }  # fmt: skip
        content: dict[str, object] = {
            "registry": self._url("registry"),
            "ledger": self._url("ledger"),
            "sessions": str(self.directory / "sessions.toml"),
            "journal": {"directory": str(self.directory / "journal"), "keep_free_bytes": 1_000_000},
            "broker_check": {"enabled": False},
            "mqtt": [
                {"broker": broker, "topics": topics}
                for topics in (["udp/v1/+/up"], ["application/+/device/+/event/+"])
                if self.transport == "mqtt"
            ],
            "http": {
                "port": self.http_port,
                "agents": [{"agent": name, "token": self._secret(name)} for name in self.agents],
                "things_stack": [{"name": "buerger", "key": self._secret("things-stack")}],
            },
            "things_stack": [{"broker": broker}] if self.transport == "mqtt" else [],
            "store": {"kind": "embedded", "embedded": {"folder": str(self.directory / "store")}},
        }
        content |= settings
        for name in self.workers:
            content["worker"] = name
            content["shared_ledger"] = len(self.workers) > 1
            if len(self.workers) > 1:
                share = [{**table, "share": "ingest"} for table in content["mqtt"]]  # type: ignore[union-attr]
                # The Things Stack's MQTT has no shared subscription, and a port has one listener.
                content |= {"mqtt": share, "things_stack": [], "http": {"enabled": False}}
            self._write(f"{name}.toml", content)

    def _configure_broker(self) -> None:
        program = find_mosquitto()
        if program is None:
            (pytest.fail if os.environ.get("CI") else pytest.skip)("mosquitto is not installed")
        plan = BrokerPlan(program, self.directory / "broker", "127.0.0.1", self.mqtt_port)
        users = ["ingest", "chirpstack", "virtual-network-servers", *self.agents]
        configuration = write_configuration(plan, {user: self.secrets.text(user) for user in users})
        if self.broker == "default limits":
            lines = configuration.read_text().splitlines()
            kept = [line for line in lines if not line.startswith(("max_queued_", "max_inflight_"))]
            configuration.write_text("\n".join(kept) + "\n")
        elif self.broker == "forgetful":
            text = configuration.read_text().replace("persistence true", "persistence false")
            configuration.write_text(text)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
