"""What can go wrong in a city, on demand: at a device, a gateway or a pole, from one moment to another.

Faults come from the settings and from a control file that is read again whenever it changes, so that a
running city can be disturbed (`udp-city fault add ...`) and healed.
"""

from __future__ import annotations

import logging
import math
import os
import tempfile
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from simulators.almanac import DAY
from simulators.city import City, Device
from simulators.sensing import MAIN_VALUE, Values

log = logging.getLogger(__name__)


class FaultKind(StrEnum):
    """The faults the city knows."""

    SILENT = "silent"  # device: sends nothing, counts nothing
    STUCK = "stuck"  # device: repeats the values it had when it began
    DRIFTING = "drifting"  # device: its main value moves by `amount` per day
    DUPLICATED = "duplicated"  # device: every frame is sent 1 + `amount` times
    REORDERED = "reordered"  # device: frames arrive in another order than they were sent
    WRONG_CLOCK = "wrong-clock"  # device with a clock, or gateway: time is off by `amount` seconds
    GATEWAY_OFF = "gateway-off"  # gateway: no power
    MODULE_FAILED = "module-failed"  # pole: `<pole>/<module>` answers with a device failure
    WEATHER_AWAY = "weather-away"  # the weather service: answers, but has nothing (503)


DEFAULT_AMOUNT = {FaultKind.DRIFTING: 10.0, FaultKind.DUPLICATED: 1.0, FaultKind.WRONG_CLOCK: 7_200.0}
# What an amount may be; a kind that is not here knows no amount.
AMOUNTS = {
    FaultKind.DRIFTING: (-1e6, 1e6, "units of the main value per day"),
    FaultKind.DUPLICATED: (1.0, 100.0, "copies, a whole number"),
    FaultKind.WRONG_CLOCK: (-366 * DAY, 366 * DAY, "seconds ahead (negative: behind)"),
}
_OF_GATEWAYS = (FaultKind.GATEWAY_OFF,)
WEATHER_SERVICE = "weather-service"
POLE_MODULES = ("weather", "air", "sound", "light")


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; times in epoch seconds, `until` None = until it is cleared.

    ValueError for times or an amount that cannot be meant.
    """

    kind: FaultKind
    target: str
    since: float
    until: float | None = None
    amount: float = 0.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.since):
            raise ValueError(f"{self.kind} {self.target}: since {self.since} is no time")
        if self.until is not None and not self.since < self.until < math.inf:
            raise ValueError(f"{self.kind} {self.target}: until {self.until} is not after since {self.since}")
        if self.amount or self.kind in AMOUNTS:
            check_amount(self.kind, self.amount)

    def active(self, time: float) -> bool:
        """True while it lasts: since <= time < until."""
        return self.since <= time and (self.until is None or time < self.until)


def kind_named(text: str) -> FaultKind:
    """The kind of that name; ValueError lists them all."""
    if text not in list(FaultKind):
        raise ValueError(f"{text!r} is no fault the city knows; known are {', '.join(FaultKind)}")
    return FaultKind(text)


def check_amount(kind: FaultKind, amount: float) -> None:
    """ValueError says what an amount of this kind may be."""
    if kind not in AMOUNTS:
        takers = ", ".join(AMOUNTS)
        raise ValueError(f"{kind} has no amount, {amount:g} was given; only {takers} have one")
    least, most, what = AMOUNTS[kind]
    whole = kind is not FaultKind.DUPLICATED or float(amount).is_integer()
    if not least <= amount <= most or not whole:  # also false for nan
        raise ValueError(f"{kind}: amount {amount:g} is not in {least:g} to {most:g} ({what})")


class FaultBoard:
    """All faults in force: those of the settings and those of the control file."""

    def __init__(self, path: Path, configured: Iterable[Fault] = ()) -> None:
        self._path = path
        self._configured = tuple(configured)
        self._seen: tuple[int, int] | None = None
        self._by_target: dict[str, list[Fault]] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read the control file again if it has changed."""
        try:
            status = self._path.stat()
            seen = (status.st_mtime_ns, status.st_size)
        except FileNotFoundError:
            seen = (0, 0)
        if seen == self._seen:
            return
        self._seen = seen
        try:
            faults = (*self._configured, *read_faults(self._path))
        except ValueError as error:
            log.error("%s; the faults from before stay in force", error)  # noqa: TRY400 - the text says it all
            return
        self._by_target = {}
        for fault in faults:
            self._by_target.setdefault(fault.target, []).append(fault)

    def of(self, target: str, time: float) -> list[Fault]:
        """Faults of a Thing key, gateway or `pole/module` in force at `time`."""
        faults = self._by_target.get(target)
        return [fault for fault in faults if fault.active(time)] if faults else []

    def find(self, kind: FaultKind, target: str, time: float) -> Fault | None:
        """The fault of this kind, or None."""
        return next((fault for fault in self.of(target, time) if fault.kind is kind), None)


def check(fault: Fault, city: City) -> Fault:
    """Return the fault with the target's own name; ValueError if it cannot happen to that target."""
    if (fault.kind is FaultKind.WEATHER_AWAY) != (fault.target == WEATHER_SERVICE):
        raise ValueError(
            f"{fault.kind} {fault.target}: only {WEATHER_SERVICE} can be {FaultKind.WEATHER_AWAY}"
        )
    if fault.kind is FaultKind.WEATHER_AWAY:
        return fault
    gateways = {gateway.name for gateway in city.gateways}
    if fault.kind is FaultKind.MODULE_FAILED:
        targets = {f"{pole.id}/{module}" for pole in city.poles for module in POLE_MODULES}
        if fault.target not in targets:
            raise ValueError(f"{fault.target!r} is no module: give for example crx-pole-1/weather")
        return fault
    if fault.target in gateways and fault.kind in (FaultKind.GATEWAY_OFF, FaultKind.WRONG_CLOCK):
        return fault
    if fault.kind in _OF_GATEWAYS:
        raise ValueError(f"{fault.target!r} is no gateway; known are {', '.join(sorted(gateways))}")
    device = city.device(fault.target)
    if fault.kind is FaultKind.WRONG_CLOCK and not device.has_clock:
        clocks = next(one.thing for one in city.devices if one.has_clock)
        raise ValueError(f"{device.thing} sends no time of its own; choose a gateway or for example {clocks}")
    return replace(fault, target=device.thing)


def disturb(
    values: Values, device: Device, time: float, faults: Sequence[Fault], frozen: Values | None
) -> Values:
    """The values after what the faults do to them; `frozen` are those of a stuck device."""
    changed = dict(values if frozen is None else frozen)
    for fault in faults:
        if fault.kind is FaultKind.DRIFTING:
            name = MAIN_VALUE[device.profile]
            if name in changed:
                changed[name] += fault.amount * (time - fault.since) / DAY
        elif fault.kind is FaultKind.WRONG_CLOCK and device.has_clock:
            changed["timestamp"] += fault.amount
    return changed


def read_faults(path: Path) -> list[Fault]:
    """Faults of a control file; none if there is none. ValueError says what is wrong."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not valid TOML: {error}; remove the file to heal everything") from error
    try:
        return [
            Fault(
                kind=kind_named(row["kind"]),
                target=str(row["target"]),
                since=float(row["since"]),
                until=float(row["until"]) if "until" in row else None,
                amount=float(row.get("amount", 0.0)),
            )
            for row in content.get("fault", [])
        ]
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: a [[fault]] is not in order: {error}; correct it or remove the file"
        ) from error


def write_faults(path: Path, faults: Iterable[Fault]) -> None:
    """Replace the control file at once, so that the running city never reads half of it."""
    lines = []
    for fault in faults:
        lines += [
            "[[fault]]",
            f'kind = "{fault.kind}"',
            f'target = "{fault.target}"',
            f"since = {fault.since!r}",
        ]
        if fault.until is not None:
            lines.append(f"until = {fault.until!r}")
        lines += [f"amount = {fault.amount!r}", ""]
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        file.write("\n".join(lines))
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)
