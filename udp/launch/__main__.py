"""`make run`: the whole platform on this machine, with the virtual city, until Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from udp.errors import ConfigurationError
from udp.launch.broker import BrokerPlan, find_mosquitto, install_mosquitto, write_configuration
from udp.launch.configuration import Site
from udp.launch.credentials import Credentials
from udp.launch.environment import (
    HTTP_PORT,
    INGEST_PORT,
    MODBUS_PORT,
    MQTT_PORT,
    RADIO_PORT,
    SENSORTHINGS_PORT,
    WEATHER_PORT,
    Environment,
    require_free_port,
)
from udp.launch.supervisor import Program, Supervisor
from udp.stopping import told_to_stop

_NEWS_EVERY_S = 10.0
_PATIENCE_S = 60.0
_LIVE = "virtual city: live"


def say(text: str) -> None:
    """To the person who typed the command."""
    print(text, flush=True)


def main() -> int:
    """Start everything, say where it is, and keep it running until a signal."""
    os.umask(0o077)  # what is kept here holds closed data: nobody else on this machine reads it
    stop = told_to_stop()
    try:
        return _run(Environment.read(os.environ), stop)
    except (ConfigurationError, subprocess.CalledProcessError) as error:
        print(f"make run: {error}", file=sys.stderr)
    except OSError as error:
        print(f"make run: {error}; UDP_DATA_DIR names where everything is kept", file=sys.stderr)
    return 2


def _run(environment: Environment, stop: threading.Event) -> int:
    say("Urban Data Platform" + (" with the virtual city of Castrop-Rauxel" if environment.city else ""))
    environment.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    with _alone(environment.data):
        return _run_alone(environment, stop)


@contextlib.contextmanager
def _alone(data: Path) -> Iterator[None]:
    """Hold the data directory; two launchers on one would fight over every file."""
    with (data / "launch.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(
                f"{data} is in use by another `make run`; stop that one, or choose another UDP_DATA_DIR"
            ) from error
        yield


def _run_alone(environment: Environment, stop: threading.Event) -> int:
    credentials = Credentials(environment.data / "secrets")
    _require_ports(environment)
    program = (find_mosquitto() or install_mosquitto(say)) if environment.broker else None
    site = Site(environment, credentials, with_broker=program is not None)
    say(
        "  preparing   passwords, configuration, register"
        + (" and the city ..." if environment.city else " ...")
    )
    if environment.city:
        site = _describe_city(site)
        for index in range(len(site.gateways)):
            require_free_port(RADIO_PORT, environment.radio_port + index, socket.SOCK_DGRAM)
        for index in range(len(site.poles)):
            require_free_port(MODBUS_PORT, environment.modbus_port + index)
        if environment.weather:
            require_free_port(WEATHER_PORT, environment.weather_port)
    site.write()
    if environment.city:
        _udp("import-city", str(environment.data / "city.toml"), "--config", str(site.file("udp")))
    # The virtual city wrote its sessions anew; those of the device register join them.
    _udp("devices", "sessions", "--config", str(site.file("udp")))
    supervisor = Supervisor(environment.data / "log", time.monotonic, say)
    try:
        _start(site, program, supervisor, stop)
        _watch(site, supervisor, stop)
    finally:
        say("\nStopping ...")
        supervisor.stop()
        say(f"Stopped. Everything is kept in {environment.data}; `make run` continues.")
    return 0


def _require_ports(environment: Environment) -> None:
    if not environment.prefix:
        require_free_port(HTTP_PORT, environment.http_port)
    require_free_port(INGEST_PORT, environment.ingest_port)
    require_free_port(SENSORTHINGS_PORT, environment.sensorthings_port)
    if environment.broker:
        require_free_port(MQTT_PORT, environment.mqtt_port)


def _describe_city(site: Site) -> Site:
    data, secrets = site.data, site.data / "secrets"
    (secrets / "agents").mkdir(exist_ok=True, mode=0o700)
    city = data / "city.toml"
    subprocess.run(  # noqa: S603
        [sys.executable, "-m", "simulators", "describe", "--out", str(city), "--sessions",
         str(secrets / "sessions.toml"), "--agent-sessions", str(secrets / "agents")],
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    things = tomllib.loads(city.read_text(encoding="utf-8"))["thing"]
    of_kind = {
        kind: tuple(
            sensor["agent"] for thing in things if thing["kind"] == kind for sensor in thing["wired"][:1]
        )
        for kind in ("gateway", "pole")
    }
    return replace(site, gateways=of_kind["gateway"], poles=of_kind["pole"])


def _start(site: Site, mosquitto: str | None, supervisor: Supervisor, stop: threading.Event) -> None:
    environment = site.environment
    if mosquitto is not None:
        plan = BrokerPlan(mosquitto, site.data / "broker", "127.0.0.1", environment.mqtt_port)
        configuration = write_configuration(plan, site.users())
        supervisor.start(Program("broker", [mosquitto, "-c", str(configuration)]))
        say(f"  broker      Mosquitto on 127.0.0.1:{environment.mqtt_port}; agents speak MQTT")
    else:
        say("  broker      none: agents post CBOR over HTTP straight to ingest, with the same promise")
        say("              (confirmed means on disk). ChirpStack and The Things Stack use webhooks; what")
        say("              needs MQTT, such as commands pushed to agents, waits until a broker is there.")
    supervisor.start(_program(site, "ingest", "ingest", stage=1, stop_within_s=40))
    _await_port(environment.ingest_port, "ingest", supervisor, stop)
    say(f"  ingest      doors at http://127.0.0.1:{environment.ingest_port}")
    if environment.prefix:
        say(f"  api         none here: the city that lists {site.data} in UDP_CITIES serves this one")
    else:
        # As long as its cities may take to end.
        supervisor.start(_program(site, "api", "udp", stage=2, settings="udp", stop_within_s=25))
    supervisor.start(_program(site, "dashboards", "dashboards", stage=3))
    dumps = [sys.executable, "-m", "udp", "dumps", "run", "--follow", "--config", str(site.file("udp"))]
    supervisor.start(Program("dumps", dumps, stage=3))
    if environment.city:
        # First the city: its poles answer when their agents ask for the first time.
        continues = (site.data / "city" / "state.json").exists()
        supervisor.start(_program(site, "city", "simulators", stage=5))
        begins = (
            "continues where it stopped" if continues else f"begins {environment.history_days:g} days ago"
        )
        say(f"  city        virtual; {begins} and catches up first, at high speed")
    for name in site.agents:
        supervisor.start(_program(site, name, "edge", stage=4))
    if environment.weather:
        weather = [
            sys.executable,
            "-m",
            "udp",
            "weather",
            "--every",
            "150",
            "--config",
            str(site.file("udp")),
        ]
        supervisor.start(Program("weather", weather, stage=3))
        whose = "virtual, with errors that grow" if environment.city else "the DWD's (radar and MOSMIX)"
        say(f"  weather     forecasts are {whose}")
    supervisor.start(_program(site, "models", "models", stage=3, stop_within_s=20))
    # Once a minute: a full bin should not wait for its word.
    derive = [sys.executable, "-m", "udp", "derive", "--every", "60", "--config", str(site.file("udp"))]
    supervisor.start(Program("derive", derive, stage=3, stop_within_s=20))
    if site.agents:
        say(f"  agents      {len(site.gateways)} gateways, {len(site.poles)} poles")
    say("  models      forecasts begin when the data have caught up, then every 10 minutes")
    if not environment.prefix:
        _await_port(environment.http_port, "api", supervisor, stop)
    _announce(site)


def _announce(site: Site) -> None:
    address = site.address.replace("127.0.0.1", "localhost")
    key = site.credentials.text("operator-key")
    say(f"\n  Open        {address}/\n  Operator    {address}/betrieb/?schluessel={key}")
    say(f"  Data API    {address}/api/v1/latest")
    say(f"  MQTT        localhost:{site.environment.sensorthings_port}, topics of SensorThings")
    say(f"  Logs        {site.data / 'log'}")
    if not site.environment.city:
        say(f"  No city yet: .venv/bin/udp import-city YOUR-CITY.toml --config {site.file('udp')}")
    say("  Ctrl-C stops everything; the data stay.\n")


def _program(
    site: Site,
    name: str,
    room: str,
    *,
    stage: int,
    settings: str | None = None,
    stop_within_s: float = 10.0,
) -> Program:
    command = [sys.executable, "-m", room, "run", "--config", str(site.file(settings or name))]
    return Program(name, command, stage=stage, stop_within_s=stop_within_s)


def _watch(site: Site, supervisor: Supervisor, stop: threading.Event) -> None:
    """Until a signal: restart what died, and pass on what the city says while it catches up."""
    said, caught_up = "", False
    next_news = 0.0
    while not stop.wait(1.0):
        supervisor.tick()
        if site.environment.city and time.monotonic() >= next_news:
            next_news = time.monotonic() + _NEWS_EVERY_S
            news = supervisor.newest_line("city")
            if _LIVE not in news:
                caught_up = False
                if news != said:
                    say(f"  {news}")
            elif not caught_up:
                caught_up = True
                say("  virtual city: its history is complete; from now on it is live. All is ready.")
            said = news


def _await_port(port: int, name: str, supervisor: Supervisor, stop: threading.Event) -> None:
    """Wait until this very process has opened the port and answers over HTTP, whatever it answers."""
    end = time.monotonic() + _PATIENCE_S
    while not stop.is_set():
        if supervisor.said(name, f":{port}") and _answers(f"http://127.0.0.1:{port}/health"):
            return
        if not supervisor.alive(name) or time.monotonic() > end:
            raise ConfigurationError(
                f"{name} did not come up on port {port}: {supervisor.last_words(name)} "
                f"(more in {supervisor.log_of(name)})"
            )
        stop.wait(0.2)


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=2).close()  # noqa: S310
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _udp(*arguments: str) -> None:
    command: Sequence[str] = [sys.executable, "-m", "udp", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        raise ConfigurationError((done.stderr or done.stdout).strip())


if __name__ == "__main__":
    sys.exit(main())
