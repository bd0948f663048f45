"""Wires and runs the process that draws the pages."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from dashboards.config import DashboardSettings
from dashboards.grafana import command as grafana
from dashboards.interface import Interface
from dashboards.operator.refresh import OperatorRefresh
from dashboards.page_directory import PageDirectory, PagesUnwritable
from dashboards.public.pages import PublicPages
from dashboards.public.refresh import PublicRefresh, Round
from dashboards.templating import operator_environment, public_environment
from dashboards.wording import LocalTime
from edge.wire.settings import SettingsError, load, render
from udp.errors import PlatformError
from udp.stopping import told_to_stop

_log = logging.getLogger("dashboards")


def main(argv: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 the API could not be read or pages not written, 2 bad settings."""
    options = _parse(argv)
    if options.verb == "grafana":
        return grafana.run(options, os.environ)
    try:
        settings = load(DashboardSettings, options.config)
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    if options.verb == "check-config":
        print(f"{options.config}: in order")
        return 0
    if options.verb == "print-config":
        print(render(settings))
        return 0
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    stop = told_to_stop()
    try:
        return _draw(settings, stop, once=options.verb == "render-once")
    except PlatformError as error:
        print(error, file=sys.stderr)
        return 1


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="udp-dashboards", description="Zeichnet die Seiten der Plattform.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    for verb, meaning in (
        ("run", "Seiten laufend erneuern"),
        ("check-config", "Einstellungen prüfen"),
        ("print-config", "geltende Einstellungen zeigen"),
        ("render-once", "alle Seiten einmal zeichnen"),
    ):
        verbs.add_parser(verb, help=meaning).add_argument("--config", type=Path, required=True)
    grafana.add_verb(verbs)
    return parser.parse_args(argv)


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _draw(settings: DashboardSettings, stop: threading.Event, *, once: bool) -> int:
    local = LocalTime(ZoneInfo(settings.time_zone))
    with ExitStack() as stack:
        interface = stack.enter_context(Interface(settings.api_url, settings.request_timeout))
        templates = public_environment(settings.root)
        pages = PublicPages(settings.site, PageDirectory(settings.pages_dir), templates, local)
        public = PublicRefresh(
            interface,
            pages,
            _utc_now,
            time.monotonic,
            settings.refresh_every,
            settings.charts_per_round,
            stop.is_set,
        )
        operator = _operator(settings, local, stack)
        if once:
            done = public.round(everything=True)
            known = operator is None or operator.round()
            return 0 if done.reachable and not done.waiting and known else 1
        return _keep_drawing(public, operator, settings.refresh_every, stop)


def _operator(settings: DashboardSettings, local: LocalTime, stack: ExitStack) -> OperatorRefresh | None:
    if settings.operator_key is None:
        _log.warning("no operator_key is set: the operator page is not drawn")
        return None
    interface = stack.enter_context(
        Interface(settings.api_url, settings.request_timeout, settings.operator_key)
    )
    # Not for others on the machine: group members (the API's user) may read, nobody else.
    directory = PageDirectory(settings.operator_pages_dir, mode=0o640)
    templates = operator_environment(settings.root)
    return OperatorRefresh(interface, directory, templates, time=local, city=settings.site.city, now=_utc_now)


def _keep_drawing(
    public: PublicRefresh, operator: OperatorRefresh | None, every: timedelta, stop: threading.Event
) -> int:
    while not stop.is_set():
        began = time.monotonic()
        try:
            if operator is not None:
                operator.round()
            done = public.round()
        except PagesUnwritable as error:
            # A full disk is somebody else's to empty; the last pages stand until then.
            _log.error("%s", error)
            done = Round(reachable=True)
        spent = time.monotonic() - began
        if done.charts:
            _log.info("%d charts in %.1f s, %d wait", done.charts, spent, done.waiting)
        # While nothing was reachable yet (start of the whole platform) look again soon.
        pause = every.total_seconds() - spent if done.reachable else min(5.0, every.total_seconds())
        stop.wait(max(1.0, pause))
    return 0


if __name__ == "__main__":
    sys.exit(main())
