"""Do what the comparison says, step by step; one that is refused is told and does not hold up the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from udp.errors import ConfigurationError, PlatformError
from udp.network.connection import Connection
from udp.network.difference import Action, Step
from udp.network.failures import Missing
from udp.network.found import Found
from udp.network.port import NetworkUnavailable
from udp.network.wanted import Wanted
from udp.network.writing import Writer


@dataclass(slots=True)
class Outcome:
    """What became of the steps. `stopped`: why the rest was not tried, "" if everything was."""

    done: list[Step] = field(default_factory=list)
    failed: list[tuple[Step, str]] = field(default_factory=list)
    untried: int = 0
    stopped: str = ""


def apply(connection: Connection, wanted: Wanted, found: Found, steps: Iterable[Step]) -> Outcome:
    """Do the steps; the next sync finds what is left, so nothing here needs to be remembered.

    What everything else hangs on (tenant, application) raises where it is refused. Where ChirpStack stops
    answering or the token stops counting, the rest is left untried.
    """
    order = list(steps)
    outcome = _Apply(connection, Writer(connection, wanted, found)).run(order)
    outcome.untried = len(order) - len(outcome.done) - len(outcome.failed)
    return outcome


class _Apply:
    def __init__(self, connection: Connection, writer: Writer) -> None:
        self._connection = connection
        self._writer = writer
        self._outcome = Outcome()
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def run(self, steps: list[Step]) -> Outcome:
        for step in steps:
            if step.kind in ("Mandant", "Anwendung"):
                self._writer.make_place(step.kind)
                self._outcome.done.append(step)
        for kind in ("Profil", "Gateway", "Gerät"):
            self._connection.each(self._try, [one for one in steps if one.kind == kind])
        return self._outcome

    def _try(self, step: Step) -> None:
        if self._stop.is_set():
            return
        problem = self._attempt(step)
        with self._lock:
            if not problem:
                self._outcome.done.append(step)
            elif not self._stop.is_set():
                self._outcome.failed.append((step, problem))

    def _attempt(self, step: Step) -> str:
        """What went wrong, "" if nothing did."""
        try:
            self._work(step)()
        except (NetworkUnavailable, ConfigurationError) as error:
            with self._lock:
                self._outcome.stopped = self._outcome.stopped or str(error)
                self._stop.set()
            return str(error)
        except PlatformError as error:
            return str(error)
        return ""

    def _work(self, step: Step) -> Callable[[], None]:
        writer, key = self._writer, step.key
        if step.action is Action.DELETE:
            return lambda: _gone(
                writer.delete_gateway if step.kind == "Gateway" else writer.delete_device, key
            )
        put = {"Profil": writer.put_profile, "Gateway": writer.put_gateway, "Gerät": writer.put_device}
        return lambda: put[step.kind](key)


def _gone(delete: Callable[[str], None], key: str) -> None:
    try:
        delete(key)
    except Missing:
        return  # an earlier try, or somebody else, was there before us
