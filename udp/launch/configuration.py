"""The settings files of one machine, one per process, written anew at every start."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w

from udp.launch.credentials import Credentials
from udp.launch.environment import Environment

_LOOPBACK = "127.0.0.1"
CITIZENS = "castrop-rauxel-buerger"
# The wording of the note of source that its terms of use (GeoNutzV) ask for.
_DWD = "Datenbasis: Deutscher Wetterdienst"
_VIRTUAL_WEATHER = "virtueller Wetterdienst"
# The broker account of the virtual ChirpStack and The Things Stack.
VIRTUAL_SERVERS = "virtual-network-servers"
Table = dict[str, Any]
_AGENTS_AND_SERVERS = (["udp/v1/+/up"], ["application/+/device/+/event/+"])


@dataclass(frozen=True, slots=True)
class Site:
    """Everything the files of one machine have in common."""

    environment: Environment
    credentials: Credentials
    with_broker: bool
    gateways: Sequence[str] = ()
    poles: Sequence[str] = ()

    @property
    def data(self) -> Path:
        """The directory of all that is kept."""
        return self.environment.data

    @property
    def agents(self) -> tuple[str, ...]:
        """Gateways first, then poles."""
        return (*self.gateways, *self.poles)

    def file(self, process: str) -> Path:
        """The settings file of a process."""
        return self.data / "config" / f"{process}.toml"

    def write(self) -> None:
        """Write the files of all processes."""
        self.file("x").parent.mkdir(parents=True, exist_ok=True)
        self._write("udp", self._api())
        self._write("dashboards", self._dashboards())
        self._write("ingest", self._ingest())
        self._write("models", self._models())
        for index, name in enumerate(self.gateways):
            self._write(name, self._gateway_agent(index, name))
        for index, name in enumerate(self.poles):
            self._write(name, self._pole_agent(index, name))
        if self.environment.city:
            self._write("city", self._city())

    def policy(self) -> Path:
        """The city's own policy: the shipped one to begin with, never written over."""
        path = self.data / "policy.toml"
        if not path.exists():
            path.write_bytes(resources.files("udp.datasets").joinpath("policy.toml").read_bytes())
        return path

    def users(self) -> Mapping[str, str]:
        """Who may speak to the broker, and their passwords."""
        names = ("ingest", "chirpstack", VIRTUAL_SERVERS, *self.agents)
        return {name: self.credentials.text(f"mqtt-{name}") for name in names}

    def _write(self, process: str, content: Table) -> None:
        self.file(process).write_text(tomli_w.dumps(content), encoding="utf-8")

    def _database(self, name: str) -> str:
        return f"sqlite:///{self.data / name}.sqlite"

    def _store(self) -> Table:
        return {"kind": "embedded", "embedded": {"folder": str(self.data / "store")}}

    def _secret(self, name: str) -> Table:
        return {"file": str(self.credentials.path(name))}

    def _broker(self, user: str) -> Table:
        return {
            "host": _LOOPBACK,
            "port": self.environment.mqtt_port,
            "username": user,
            "password": self._secret(f"mqtt-{user}"),
        }

    def _door(self) -> str:
        return f"http://{_LOOPBACK}:{self.environment.ingest_port}"

    def _api(self) -> Table:
        return {
            "registry": {"url": self._database("registry")},
            "ledger": {"url": self._database("ledger")},
            "forecasts": {"url": self._database("forecasts")},
            "store": self._store(),
            "server": {"host": _LOOPBACK, "port": self.environment.http_port, **self._prefix()},
            **self._cities(),
            "pages_dir": str(self.data / "pages"),
            "operator_key": self._secret("operator-key"),
            "profiles_dir": str(self.data / "profiles"),
            "policy": str(self.policy()),
            "access": {"session_key": self._secret("session-key")},
            "citizens": {"webhook_url": self._door()} | self._named("city"),
            "opendata": {"folder": str(self.data / "opendata")} | self._named("city", "publisher"),
            "sensorthings_mqtt": {"host": _LOOPBACK, "port": self.environment.sensorthings_port},
            "devices": {
                "key": self._secret("register-key"),
                "sessions": str(self.data / "secrets" / "sessions.toml"),
            },
            **self._weather(),
        }

    def _named(self, *keys: str) -> Table:
        """The city's name under these keys, where it has another than the settings' own."""
        name = self.environment.name
        return {key: f"Stadt {name}" if key == "publisher" else name for key in keys if name}

    def _prefix(self) -> Table:
        return {"prefix": self.environment.prefix} if self.environment.prefix else {}

    def _cities(self) -> Table:
        files = [str(folder / "config" / "udp.toml") for folder in self.environment.cities]
        return {"cities": files} if files else {}

    @property
    def address(self) -> str:
        """Where the pages and the data API are."""
        root = f"/{self.environment.prefix}" if self.environment.prefix else ""
        return f"http://{_LOOPBACK}:{self.environment.http_port}{root}"

    def _weather(self) -> Table:
        """A virtual city has its own weather, and so its own weather service; a real one asks the DWD."""
        if not self.environment.city:
            return {}
        server = f"http://{_LOOPBACK}:{self.environment.weather_port}"
        past = self.environment.history_days * 86_400
        named = {"provider": _VIRTUAL_WEATHER, "licence": "", "simulated": True}
        # It warns of nothing: an empty list from it would be told as peace.
        return {"weather": {"server": server, "warncells": [], "past": past, **named}}

    def _dashboards(self) -> Table:
        return {
            "api_url": self.address,
            "pages_dir": str(self.data / "pages"),
            "operator_pages_dir": str(self.data / "pages" / "betrieb"),
            "operator_key": self._secret("operator-key"),
            **({"site": self._named("city")} if self.environment.name else {}),
        }

    def _models(self) -> Table:
        return {
            **self._named("city"),
            "registry": self._database("registry"),
            "forecasts": self._database("forecasts"),
            "store": self._store(),
            "artefacts": str(self.data / "models"),
            "report": str(self.data / "bericht"),
            "pages_dir": str(self.data / "pages"),
            "policy": str(self.policy()),
            "rain": {"provider": _VIRTUAL_WEATHER if self.environment.city else _DWD},
        }

    def _ingest(self) -> Table:
        content: Table = {
            "worker": "ingest-1",
            "registry": self._database("registry"),
            "ledger": self._database("ledger"),
            "forecasts": self._database("forecasts"),
            "sessions": str(self.data / "secrets" / "sessions.toml"),
            "projects": {"key": self._secret("register-key")},
            "javascript": {"directory": str(self.data / "profiles")},
            "journal": {"directory": str(self.data / "journal")},
            "policy": str(self.policy()),
            "store": self._store(),
            "http": {
                "port": self.environment.ingest_port,
                "agents": [{"agent": name, "token": self._secret(f"agent-{name}")} for name in self.agents],
                "chirpstack": [{"name": "chirpstack", "key": self._secret("door-chirpstack")}],
                "things_stack": [{"name": CITIZENS, "key": self._secret("door-things-stack")}],
            },
        }
        if self.with_broker:
            # Two sessions: agents repeat until they have a receipt, and while ingest is away their
            # repetitions must not take the queue from events that come only once.
            content["mqtt"] = [
                {"broker": self._broker("ingest"), "topics": topics} for topics in _AGENTS_AND_SERVERS
            ]
            content["things_stack"] = [{"broker": self._broker("ingest")}]
        return content

    def _agent(self, name: str) -> Table:
        content: Table = {
            "agent": name,
            "spool": {"path": str(self.data / "agents" / name / "spool.sqlite")},
        }
        if self.with_broker:
            content["mqtt"] = self._broker(name)
        else:
            content["http"] = {"url": self._door(), "token": self._secret(f"agent-{name}")}
        return content

    def _gateway_agent(self, index: int, name: str) -> Table:
        return self._agent(name) | {
            "sessions": str(self.data / "secrets" / "agents" / f"{name}.toml"),
            "datagram": {"listen_port": self.environment.radio_port + index, "gateway_clock": "gps"},
        }

    def _pole_agent(self, index: int, name: str) -> Table:
        modules = tomllib.loads(resources.files("udp.launch").joinpath("pole.toml").read_text("utf-8"))
        address = {"host": _LOOPBACK, "port": self.environment.modbus_port + index}
        return self._agent(name) | {"modbus": address | modules}

    def _city(self) -> Table:
        environment = self.environment
        content: Table = {
            "data_dir": str(self.data / "city"),
            "history": environment.history_days * 86_400,
            "gateway": [
                {"name": name, "port": environment.radio_port + n} for n, name in enumerate(self.gateways)
            ],
            "pole": [
                {"name": name, "port": environment.modbus_port + n} for n, name in enumerate(self.poles)
            ],
            "door": {
                "url": self._door(),
                "project": CITIZENS,
                "chirpstack_key": self._secret("door-chirpstack"),
                "things_stack_key": self._secret("door-things-stack"),
            },
        }
        if self.environment.weather:
            content["weather_service"] = {"port": environment.weather_port}
        if self.with_broker:
            content["broker"] = self._broker(VIRTUAL_SERVERS)
        return content
