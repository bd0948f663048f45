"""Cities with the same keys of Things, devices and datasets: two in one `udp run` at one port, or alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from loopback import free_port

from udp.launch.configuration import Site
from udp.launch.credentials import Credentials
from udp.launch.environment import Environment
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

WITHIN_S = 120.0
SHARE = 30
# Nothing but the city tells them apart; the meter is closed in both.
_CITY = """format = 1
[city]
name = "{name}"
simulated = true
[[thing]]
key = "mast-1"
name = "Mast {name}"
kind = "pole"
theme = "luft"
latitude = 51.55
longitude = 7.31
district = "mitte"
district_name = "Mitte {name}"
access = "open"
licence = "dl-de/zero-2-0"
[[thing.device]]
dev_eui = "A84041000181A001"
profile = "milesight-am319"
[[thing]]
key = "gw-1"
name = "Gateway {name}"
kind = "gateway"
theme = "netz"
latitude = 51.55
longitude = 7.31
district = "mitte"
district_name = "Mitte {name}"
access = "internal"
exemption = "state"
[[thing.wired]]
agent = "gw-1"
sensor = "agent"
profile = "agent-health"
"""


class Answer:
    """Status, headers and text of one answer; redirections are not followed."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status, self.headers = status, headers
        self.text = body.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.text)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


@dataclass
class Town:
    """One city; `root` is where it is served."""

    name: str
    value: float
    folder: Path
    root: str
    door: str
    site: Site
    mqtt_port: int
    number: int = 0
    client: Any = None
    streams: dict[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return self.site.credentials.text("operator-key")

    def ask(self, path: str, key: str = "", method: str = "GET", body: Any = None, **headers: str) -> Answer:
        """`path` within this city."""
        return ask(self.door + self.root + path, key, method, body, **headers)

    def telling(self) -> tuple[str, ...]:
        """What only this city says."""
        return (
            f"Mast {self.name}",
            f"Gateway {self.name}",
            f"Mitte {self.name}",
            f"{self.value:g}",
            self.key,
        )


def ask(address: str, key: str = "", method: str = "GET", body: Any = None, **headers: str) -> Answer:
    sent = {"Content-Type": "application/json"} if body is not None else {}
    sent |= {"X-Api-Key": key} if key else {}
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(address, data, sent, method=method)
    try:
        with urllib.request.build_opener(_Stay).open(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


def pairs(towns: tuple[Town, Town]) -> tuple[tuple[Town, Town], ...]:
    return towns, (towns[1], towns[0])


def opened(town: Town) -> str:
    """The cookie of somebody who opened the operator page with the city's key."""
    answer = town.ask(f"/betrieb/?schluessel={town.key}")
    assert answer.status == 303, answer.text
    assert answer.headers["Location"] == f"{town.root}/betrieb/"
    cookie = answer.headers["Set-Cookie"]
    assert f"Path={town.root}/betrieb;" in cookie
    return str(cookie.partition(";")[0])


def make_town(folder: Path, name: str, value: float, port: int, variables: Mapping[str, str]) -> Town:
    """An installation as the launcher writes it, with an open series and a closed one."""
    mqtt = free_port()
    environment = Environment.read(
        {
            "UDP_DATA_DIR": str(folder), "UDP_HTTP_PORT": str(port), "UDP_SENSORTHINGS_PORT": str(mqtt),
            "UDP_WEATHER": "off", "UDP_CITY_NAME": name, **variables,
        }
    )  # fmt: skip
    site = Site(environment, Credentials(folder / "secrets"), with_broker=False, gateways=("gw-1",))
    site.write()
    root = f"/{environment.prefix}" if environment.prefix else ""
    town = Town(name, value, folder, root, f"http://127.0.0.1:{port}", site, mqtt)
    (folder / "stadt.toml").write_text(_CITY.format(name=name), encoding="utf-8")
    with closing(SqlRegistry(f"sqlite:///{folder}/registry.sqlite")) as registry:
        registry.import_city(read_city(folder / "stadt.toml", load_profiles()))
        for number, one in registry.inventory().datastreams.items():
            town.streams[f"{one.thing}/{one.key}"] = number
    town.number = town.streams["mast-1/air_temperature"]
    now = datetime.now(UTC)
    with closing(EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: now)) as store:
        times = [np.datetime64((now - timedelta(minutes=m)).replace(tzinfo=None), "us") for m in (33, 18, 3)]
        store.append(Observations.build(town.number, times, [value] * 3))
        closed = town.streams["gw-1/backlog_messages"]
        store.append(Observations.build(closed, times, [value * 1000] * 3))
    return town


def _small_share(udp: Path) -> None:
    """A proxy before the door, so that callers have addresses of their own; a small share for each."""
    text = udp.read_text(encoding="utf-8").replace("[server]\n", '[server]\nproxy = "127.0.0.1"\n')
    udp.write_text(f"{text}\n[api]\nanonymous_per_minute = {SHARE}\n", encoding="utf-8")


class Running:
    """`udp run` of a town's settings, which may list others."""

    def __init__(self, town: Town) -> None:
        self.log = town.folder / "api.log"
        command = [sys.executable, "-m", "udp", "run", "--config", str(town.site.file("udp"))]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=os.environ)

    def wait(self, *towns: Town) -> None:
        deadline = time.monotonic() + WITHIN_S
        for town in towns:
            while True:
                assert self.process.poll() is None, self.log.read_text()[-3000:]
                assert time.monotonic() < deadline, f"{town.name}: {self.log.read_text()[-3000:]}"
                try:
                    if town.ask("/api/v1/things").status == 200:
                        break
                except OSError:
                    pass
                time.sleep(0.1)

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
        return self.process.returncode


class Instance(Running):
    """The main city's, with the other below its prefix."""

    def __init__(self, base: Path) -> None:
        port = free_port()
        herne = base / "herne"
        self.towns = (
            make_town(base / "castrop", "Castrop", 11.25, port, {"UDP_CITIES": str(herne)}),
            make_town(herne, "Herne", 22.5, port, {"UDP_PREFIX": "herne"}),
        )
        for town in self.towns:
            _small_share(town.site.file("udp"))
        super().__init__(self.towns[0])

    def process_of(self, town: Town) -> int:
        """As the log tells it, the newest."""
        said = [line for line in self.log.read_text().splitlines() if f"city {town.name} (" in line]
        return int(next(line for line in reversed(said) if "process" in line).split("process ")[1].split()[0])

    def draw(self) -> None:
        """The pages of both, by the process that draws them."""
        for town in self.towns:
            command = [sys.executable, "-m", "dashboards", "render-once", "--config"]
            subprocess.run([*command, str(town.site.file("dashboards"))], check=True, capture_output=True)
