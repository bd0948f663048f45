"""`udp-city`: describe the virtual city, let it live, play a month in minutes, break it on purpose."""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from edge.wire.settings import SettingsError, load, render
from simulators.city import City
from simulators.config import CitySettings
from simulators.coverage import Coverage
from simulators.description import (
    city_file,
    known_to_gateway,
    known_to_ingest,
    sessions_file,
    write_public,
    write_secret,
)
from simulators.fault_commands import add_fault_verbs
from simulators.inventory import build_city
from simulators.places import read_places
from simulators.player import Progress
from simulators.town import Town, make_city, run_until_signalled

_REPORT_EVERY_S = 2.0
_LIVE_REPORT_EVERY_S = 60.0


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of the console script; 2 for settings that cannot be meant."""
    arguments = _parser().parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s"
    )
    logging.getLogger("pymodbus").setLevel(logging.WARNING)
    try:
        return int(arguments.act(arguments))
    except (SettingsError, ValueError) as error:
        print(f"udp-city: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"udp-city: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="udp-city", description=__doc__)
    verbs = parser.add_subparsers(required=True, metavar="verb")
    with_config = argparse.ArgumentParser(add_help=False)
    with_config.add_argument("--config", type=Path, required=True, help="TOML file of the virtual city")
    run = verbs.add_parser(
        "run", parents=[with_config], help="back-fill, then live with the clock on the wall"
    )
    run.add_argument(
        "--speed", type=float, help="how fast while behind: 0 = as fast as acknowledged, 60 = x60"
    )
    run.set_defaults(act=_run)
    month = verbs.add_parser(
        "month", parents=[with_config], help="play a period as fast as possible, then end"
    )
    month.add_argument("--since", required=True, help="ISO 8601 with offset")
    month.add_argument("--until", required=True, help="ISO 8601 with offset")
    month.set_defaults(act=_month)
    verbs.add_parser(
        "check-config", parents=[with_config], help="read the settings and say what is wrong"
    ).set_defaults(act=_check)
    verbs.add_parser("print-config", parents=[with_config], help="show the settings in force").set_defaults(
        act=_print
    )
    describe = verbs.add_parser("describe", help="write the city file and the sessions files")
    describe.add_argument("--seed", type=int, default=1)
    describe.add_argument("--out", type=Path, help="city file for `udp import-city`")
    describe.add_argument("--sessions", type=Path, help="sessions of all devices, for ingest")
    describe.add_argument(
        "--agent-sessions", type=Path, help="folder for one sessions file per gateway agent"
    )
    describe.add_argument("--gateways", type=Path, help="list of gateways: name, EUI, place (TOML)")
    describe.set_defaults(act=_describe)
    add_fault_verbs(verbs)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    settings = load(CitySettings, arguments.config)
    if arguments.speed is not None:
        settings = replace(settings, speed=arguments.speed)
    return _live(settings)


def _month(arguments: argparse.Namespace) -> int:
    settings = load(CitySettings, arguments.config)
    return _live(replace(settings, since=arguments.since, until=arguments.until, speed=0.0))


def _live(settings: CitySettings) -> int:
    town = Town(settings, _Reporter(sys.stdout.isatty()).report)
    print(f"virtual city, seed {settings.seed}: {len(town.city.devices)} simulated devices", flush=True)
    progress = asyncio.run(run_until_signalled(town, (signal.SIGTERM, signal.SIGINT)))
    moment = datetime.fromtimestamp(progress.time, tz=UTC)
    print(
        f"\nvirtual city stopped at {moment:%Y-%m-%d %H:%M:%S}Z after {progress.uplinks} uplinks", flush=True
    )
    return 0


def _check(arguments: argparse.Namespace) -> int:
    make_city(load(CitySettings, arguments.config))
    print(f"{arguments.config}: in order")
    return 0


def _print(arguments: argparse.Namespace) -> int:
    print(render(load(CitySettings, arguments.config)))
    return 0


def _describe(arguments: argparse.Namespace) -> int:
    city = build_city(arguments.seed, read_places())
    if arguments.out:
        write_public(arguments.out, city_file(city))
    if arguments.sessions:
        write_secret(arguments.sessions, sessions_file(known_to_ingest(city)))
    if arguments.agent_sessions:
        coverage = Coverage(city)
        for gateway in city.gateways:
            devices = known_to_gateway(city, coverage, gateway.index)
            write_secret(arguments.agent_sessions / f"{gateway.name}.toml", sessions_file(devices))
    if arguments.gateways:
        write_public(arguments.gateways, _gateway_list(city))
    print(
        f"virtual city, seed {city.seed}: {len(city.devices)} devices, {len(city.gateways)} gateways, "
        f"{len(city.poles)} poles described"
    )
    return 0


def _gateway_list(city: City) -> str:
    return "\n".join(
        f'[[gateway]]\nname = "{one.name}"\neui = "{one.eui.hex().upper()}"\nplace = "{one.place.name}"\n'
        for one in city.gateways
    )


class _Reporter:
    """One line that rewrites itself on a terminal, a line now and then elsewhere."""

    def __init__(self, terminal: bool) -> None:
        self._terminal = terminal
        self._began = self._last = time.monotonic()
        self._first: float | None = None
        self._counted = 0
        self._live = False

    def report(self, progress: Progress) -> None:
        """Print how far the city is, if it is time to."""
        if self._first is None:
            self._first = progress.began
        now = time.monotonic()
        behind = progress.target - progress.time
        live, arrived = behind <= 60, behind <= 60 and not self._live
        if not arrived and now - self._last < (_LIVE_REPORT_EVERY_S if live else _REPORT_EVERY_S):
            return
        self._live = live
        rate = (progress.uplinks - self._counted) / (now - self._last)
        self._last, self._counted = now, progress.uplinks
        whole = max(progress.target - self._first, 1.0)
        percent = 100.0 * min((progress.time - self._first) / whole, 1.0)
        moment = datetime.fromtimestamp(progress.time, tz=UTC)
        what = "live" if live else f"history {percent:5.1f} %"
        line = f"virtual city: {what}, {moment:%Y-%m-%d %H:%M}Z, {progress.uplinks} uplinks, {rate:.0f}/s"
        if not live and percent > 1:
            line += f", about {(now - self._began) * (100 / percent - 1):.0f} s to go"
        print(f"\r{line:<78}" if self._terminal else line, end="" if self._terminal else "\n", flush=True)


if __name__ == "__main__":
    sys.exit(main())
