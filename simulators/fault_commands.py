"""`udp-city fault`: break something in a running city, see what is broken, heal it; and say what was done."""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edge.wire.settings import load
from simulators.config import CitySettings
from simulators.faults import (
    AMOUNTS,
    DEFAULT_AMOUNT,
    WEATHER_SERVICE,
    Fault,
    FaultKind,
    check,
    check_amount,
    kind_named,
    read_faults,
    write_faults,
)
from simulators.state import read_state
from simulators.town import make_city

_LONGEST = timedelta(days=3_660)
_LAG = timedelta(minutes=1)  # so far behind the clock the state of a living city may be
_ALL = "all"


def add_fault_verbs(verbs: Any) -> None:
    """Add `fault` with its own verbs to the subparsers of the console script."""
    fault = verbs.add_parser("fault", help="break something, list what is broken, heal it")
    _add_config(fault, None)
    own = fault.add_subparsers(required=True, metavar="{add,list,clear}")
    add = own.add_parser("add", help="break something from now on", description=_kinds())
    add.add_argument("kind", type=_argument(kind_named), metavar="KIND", help=", ".join(FaultKind))
    add.add_argument(
        "target", metavar="TARGET", help=f"Thing key, DevEUI, gateway, pole/module, or {WEATHER_SERVICE}"
    )
    add.add_argument(
        "--for",
        dest="seconds",
        type=_argument(_duration),
        metavar="SECONDS",
        help="how long it lasts; without: until cleared",
    )
    add.add_argument("--amount", type=_argument(_number), help="how much; see above")
    listing = own.add_parser("list", help="what is broken")
    clear = own.add_parser("clear", help="heal a target, or everything")
    clear.add_argument("target", metavar="TARGET", help=f"a target as `list` shows it, a DevEUI, or {_ALL!r}")
    clear.add_argument(
        "--kind",
        type=_argument(kind_named),
        metavar="KIND",
        help="only faults of this kind; without: of every",
    )
    for parser, act in ((add, _add), (listing, _list), (clear, _clear)):
        _add_config(parser, argparse.SUPPRESS)
        parser.set_defaults(act=act, parser=parser)


def _add_config(parser: argparse.ArgumentParser, default: str | None) -> None:
    """Before or behind the verb; the one behind must not forget the one before."""
    parser.add_argument("--config", type=Path, default=default, help="TOML file of the virtual city")


def _kinds() -> str:
    amounts = "; ".join(
        f"{kind}: {least:g} to {most:g} {what}, {DEFAULT_AMOUNT[kind]:g} if not given"
        for kind, (least, most, what) in AMOUNTS.items()
    )
    return f"Kinds: {', '.join(FaultKind)}. Amounts: {amounts}; no other kind has one."


def _argument(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """`read` for argparse, which shows the text of this one error only."""

    def argument(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return argument


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{text!r} is not a number")
    return number


def _duration(text: str) -> float:
    seconds = _number(text)
    longest = _LONGEST.total_seconds()
    if not 0 < seconds <= longest:
        raise ValueError(f"{text} s is no duration; give more than 0 and at most {longest:g} seconds")
    return seconds


def _settings(arguments: argparse.Namespace) -> CitySettings:
    if arguments.config is None:
        arguments.parser.error("the following arguments are required: --config")
    return load(CitySettings, arguments.config)


def _add(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    kind, now = arguments.kind, time.time()
    if arguments.amount is not None:
        check_amount(kind, arguments.amount)
    asked = Fault(
        kind=kind,
        target=arguments.target,
        since=now,
        until=now + arguments.seconds if arguments.seconds else None,
        amount=DEFAULT_AMOUNT.get(kind, 0.0) if arguments.amount is None else arguments.amount,
    )
    fault = check(asked, make_city(settings))
    present = _present(settings, now)
    same = [one for one in present if (one.kind, one.target) == (fault.kind, fault.target)]
    write_faults(settings.faults_file, [*(one for one in present if one not in same), fault])
    _say(f"added: {_line(fault)}" + (f"; it replaces: {_line(same[0])}" if same else ""))
    return 0


def _list(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    now = time.time()
    city = make_city(settings)
    lines = [_line(one) + _still_to_come(one, now) for one in _present(settings, now)]
    configured = [check(one.fault(), city) for one in settings.fault]
    lines += [f"{_line(one)} (from the settings)" for one in configured if one.active(now)]
    _say("\n".join(lines) if lines else "nothing is broken")
    return 0


def _clear(arguments: argparse.Namespace) -> int:
    settings = _settings(arguments)
    present = _present(settings, time.time())
    target, kind = _own_name(arguments.target, settings), arguments.kind
    healed = [one for one in present if target in (_ALL, one.target) and kind in (None, one.kind)]
    if not healed and target != _ALL:
        broken = ", ".join(f"{one.kind} {one.target}" for one in present) or "nothing"
        raise ValueError(
            f"nothing cleared: {arguments.target} has no fault"
            f"{f' {kind}' if kind else ''} that was added here; broken is: {broken}"
        )
    write_faults(settings.faults_file, [one for one in present if one not in healed])
    _say("\n".join(f"cleared: {_line(one)}" for one in healed) if healed else "nothing was broken")
    return 0


def _own_name(target: str, settings: CitySettings) -> str:
    """The Thing key for a DevEUI; every other name as it is, also of what the city does not have."""
    try:
        return make_city(settings).device(target).thing
    except ValueError:
        return target


def _present(settings: CitySettings, now: float) -> Sequence[Fault]:
    """Faults of the control file that are not over.

    A city that is behind the clock has yet to live through what ended meanwhile.
    """
    state = read_state(settings.state_file, settings.seed)
    reached = now if state is None or now - state.time < _LAG.total_seconds() else state.time
    return [one for one in read_faults(settings.faults_file) if one.until is None or one.until > reached]


def _still_to_come(fault: Fault, now: float) -> str:
    over = fault.until is not None and fault.until <= now
    return " (over by the clock; the city has not come that far yet)" if over else ""


def _line(fault: Fault) -> str:
    until = "cleared" if fault.until is None else _moment(fault.until)
    amount = f" amount {fault.amount:g}" if fault.kind in AMOUNTS else ""
    return f"{fault.kind} {fault.target}{amount} since {_moment(fault.since)} until {until}"


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
