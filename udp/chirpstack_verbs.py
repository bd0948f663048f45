"""What `udp chirpstack ...` does; loaded only then, because gRPC costs every start 0.3 s and 25 MB."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta

from udp.config import Settings
from udp.devices.register import DeviceRegister
from udp.devices.sessions import session_tables, write_sessions
from udp.errors import ConfigurationError, RegistryUnavailable
from udp.network.activations import read_activations
from udp.network.applying import Outcome, apply
from udp.network.connection import Connection
from udp.network.difference import Plan, compare
from udp.network.downlinks import ChirpStackQueue
from udp.network.found import read
from udp.network.port import Downlink, NetworkUnavailable
from udp.network.status import DeviceSeen, GatewaySeen, read_status
from udp.network.telling import (
    activation_lines,
    counted,
    device_line,
    gateway_line,
    number,
    plan_lines,
    queue_line,
)
from udp.network.wanted import wanted
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.stopping import told_to_stop

_SHOWN = 20
_FEW = 10
Verb = Callable[[Settings, argparse.Namespace], int]


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done; 1: not everything was done."""
    return _VERBS[given.action](config, given)


def sync(config: Settings, given: argparse.Namespace) -> int:
    """Bring ChirpStack level with the register, or only say what that would change."""
    with _connection(config) as connection, _register(config) as (register, registry):
        things = registry.inventory().things
        goal = wanted(register, load_profiles(own=config.profiles_dir), things)
        found = read(connection, goal)
        plan = compare(goal, found, connection.settings, adopt=given.adopt)
        _say_some(plan_lines(plan, deleting=given.delete_removed), every=given.all)
        steps = (*plan.steps, *(plan.surplus if given.delete_removed else ()))
        if given.dry_run:
            _say(f"Probelauf: {counted(steps)}{plan.unchanged} unverändert; nichts wurde geändert.")
            return 0
        if given.delete_removed:
            _refuse_clearing(plan, len(found.devices) + len(found.gateways), given)
        outcome = apply(connection, goal, found, steps)
    return _report(outcome, plan.unchanged, every=given.all)


def activations(config: Settings, given: argparse.Namespace) -> int:
    """Read sessions once, or again and again until told to stop."""
    if given.every is None:
        _say("\n".join(_bring_sessions(config)))
        return 0
    stop = told_to_stop()
    told: list[str] = []
    while not stop.is_set():
        try:
            lines = _bring_sessions(config)
        except (NetworkUnavailable, RegistryUnavailable) as error:
            lines = [str(error)]  # both come back by themselves
        if lines != told:  # a log that says the same every minute is not read
            _say("\n".join(lines))
        told = lines
        stop.wait(given.every)
    return 0


def _bring_sessions(config: Settings) -> list[str]:
    """Sessions into the register and its file; what there is to tell."""
    with _connection(config) as connection, _register(config) as (register, _):
        found = read_activations(connection, register)
        if config.devices.sessions is not None and config.devices.key is not None:
            write_sessions(config.devices.sessions, *session_tables(register))
    return list(activation_lines(found))


def downlink(config: Settings, given: argparse.Namespace) -> int:
    """Put octets into a device's queue."""
    expires_at = None if given.expires_in is None else datetime.now(UTC) + timedelta(seconds=given.expires_in)
    try:
        order = Downlink(given.dev_eui, given.f_port, given.hex, given.confirmed, expires_at)
    except ValueError as error:
        raise ConfigurationError(str(error)) from error
    with _connection(config) as connection:
        name = ChirpStackQueue(connection).enqueue(order, replace=given.replace)
    _say(
        f"{order.dev_eui}: {number(len(order.payload), 'Oktett', 'Oktette')} für Port {order.f_port} "
        f"eingereiht ({name}); gesendet wird nach der nächsten Meldung des Geräts"
    )
    return 0


def queue(config: Settings, given: argparse.Namespace) -> int:
    """What waits for a device; empty it if told to."""
    with _connection(config) as connection:
        waiting = ChirpStackQueue(connection)
        if given.flush:
            waiting.flush(given.dev_eui)
        items = waiting.waiting(given.dev_eui)
    for item in items:
        _say(queue_line(item))
    _say(f"{given.dev_eui}: {len(items)} in der Warteschlange")
    return 0


def status(config: Settings, given: argparse.Namespace) -> int:
    """How gateways and devices are; with --silent only those that said nothing for so long."""
    with _connection(config) as connection:
        gateways, devices = read_status(connection)
    now = datetime.now(UTC)
    horizon = None if given.silent is None else now - timedelta(hours=given.silent)

    def shown(one: GatewaySeen | DeviceSeen) -> bool:
        return horizon is None or one.last_seen_at is None or one.last_seen_at < horizon

    for gateway in filter(shown, gateways):
        _say(gateway_line(gateway, now))
    for device in filter(shown, devices):
        _say(device_line(device, now))
    away = sum(gateway.state != "online" for gateway in gateways)
    never = sum(device.last_seen_at is None for device in devices)
    _say(
        f"{number(len(gateways), 'Gateway', 'Gateways')}, {away} nicht da; "
        f"{number(len(devices), 'Gerät', 'Geräte')}, {never} noch nie gehört"
    )
    return 0


_VERBS: dict[str, Verb] = {
    "sync": sync,
    "activations": activations,
    "downlink": downlink,
    "queue": queue,
    "status": status,
}


@contextmanager
def _connection(config: Settings) -> Iterator[Connection]:
    if config.chirpstack is None:
        raise ConfigurationError(
            "Es ist kein ChirpStack eingestellt; in die Einstellungen (--config) schreiben: [chirpstack] "
            'server = "host:port", token = { file = "DATEI" } mit einem API-Schlüssel aus ChirpStack'
        )
    with Connection(config.chirpstack) as connection:
        yield connection


@contextmanager
def _register(config: Settings) -> Iterator[tuple[DeviceRegister, SqlRegistry]]:
    with closing(SqlRegistry(config.registry.address())) as registry:
        profiles = load_profiles(own=config.profiles_dir)
        register = DeviceRegister(registry.database, profiles, config.devices, lambda: datetime.now(UTC))
        yield register, registry


def _refuse_clearing(plan: Plan, there: int, given: argparse.Namespace) -> None:
    """The wrong register beside the right ChirpStack must not empty a city."""
    if len(plan.surplus) > max(_FEW, there // 2) and not given.delete_most:
        raise ConfigurationError(
            f"{len(plan.surplus)} von {there} Geräten und Gateways würden gelöscht. Ist es das richtige "
            "Verzeichnis? Nichts wurde geändert; ist es gewollt, zusätzlich --delete-most angeben"
        )


def _say_some(lines: Sequence[str], *, every: bool = False, error: bool = False) -> None:
    shown = lines if every else lines[:_SHOWN]
    for line in shown:
        _say(line, error=error)
    if len(lines) > len(shown):
        _say(f"... und {len(lines) - len(shown)} weitere Zeilen (alle mit --all)", error=error)


def _report(outcome: Outcome, unchanged: int, *, every: bool) -> int:
    failed = [f"nicht gelungen: {step.kind} {step.told}: {why}" for step, why in outcome.failed]
    _say_some(failed, every=every, error=True)
    _say(f"{len(outcome.done)} erledigt, {unchanged} unverändert, {len(outcome.failed)} nicht gelungen")
    if outcome.untried:
        _say(
            f"Abgebrochen, {outcome.untried} nicht versucht: {outcome.stopped}. "
            "Derselbe Befehl setzt fort, wo es aufhörte.",
            error=True,
        )
    return 1 if outcome.failed or outcome.untried else 0


def _say(text: str, *, error: bool = False) -> None:
    print(text, file=sys.stderr if error else sys.stdout, flush=True)
