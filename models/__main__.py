"""`udp-models`: lernt, sagt vorher und sagt, wie gut es ist."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from edge.wire.settings import SettingsError, load, render
from models.jobs import telling
from models.jobs.artefacts import Artefacts
from models.jobs.assembly import PRODUCTS, products
from models.jobs.config import ModelSettings
from models.jobs.cycle import Cycle, Tally, with_products
from models.jobs.inputs import Inputs
from models.jobs.parallel import Runner
from models.jobs.rain import RainDesk
from models.jobs.report_pages import ReportPages
from models.jobs.scoring import score
from models.jobs.stopping import given_up_with, stop_when_told
from udp.datasets.source import PolicyFile
from udp.errors import ConfigurationError, NotFound, PlatformError
from udp.forecasting.port import Verdict
from udp.forecasting.sql import SqlForecasts
from udp.registry.sql import SqlRegistry
from udp.store.opening import open_store
from udp.weather.archive import Archive

_log = logging.getLogger("models")
_SOON_S = 15.0
_REPORT_EVERY_S = 3600.0


def main(argv: Sequence[str] | None = None) -> int:
    """Exit code 0 done, 1 a part did not answer, 2 the settings cannot be meant, 130 Ctrl-C."""
    asked = _parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        settings = load(ModelSettings, asked.config) if asked.config else ModelSettings()
        with given_up_with("udp-models: abgebrochen; was schon gelernt und vorhergesagt ist, bleibt."):
            return int(asked.act(settings, asked))
    except (SettingsError, ConfigurationError) as error:
        print(f"udp-models: {error}", file=sys.stderr)
        return 2
    except PlatformError as error:
        print(f"udp-models: {error}", file=sys.stderr)
        return 1


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Desk:
    """The ports of one command."""

    settings: ModelSettings
    cycle: Cycle
    forecasts: SqlForecasts
    rain: RainDesk | None

    @classmethod
    def opened(cls, settings: ModelSettings, stack: ExitStack, chosen: Sequence[str] = ()) -> _Desk:
        """Closed by ``stack``."""
        registry = stack.enter_context(closing(SqlRegistry(settings.registry)))
        store = stack.enter_context(closing(open_store(settings.store, _now)))
        forecasts = stack.enter_context(closing(SqlForecasts(settings.forecasts_address())))
        cycle = Cycle(
            registry, store, forecasts, Artefacts(settings.artefacts), products(settings),
            Runner(settings.parallel), fit_budget_s=0.6 * settings.cycle.total_seconds(),
        )  # fmt: skip
        rain = RainDesk(Archive(store, forecasts), settings.rain) if settings.rain.use else None
        return cls(settings, with_products(cycle, chosen), forecasts, rain)

    def fresh(self) -> Cycle:
        """The cycle with what people have said of cases since."""
        names = [one.name for one in self.cycle.products]
        made = products(self.settings, self.forecasts.told().cases, self.rain)
        return with_products(replace(self.cycle, products=made), names)

    @property
    def reports(self) -> ReportPages:
        """What reports are made of."""
        cycle, settings = self.cycle, self.settings
        rain = None if self.rain is None else self.rain.lately
        return ReportPages(cycle.store, cycle.artefacts, settings.city, settings.seed, rain)

    def publish_reports(self, at: datetime) -> None:
        """For staff, below the directory of pages."""
        if self.settings.pages_dir is not None:
            inventory, told = self.cycle.registry.inventory(), self.forecasts.told()
            policy = PolicyFile(self.settings.policy)
            self.reports.publish(self.settings.pages_dir, policy, inventory, told, at)


def _fit(settings: ModelSettings, asked: argparse.Namespace) -> int:
    with ExitStack() as stack:
        desk = _Desk.opened(settings, stack, asked.product)
        # A person who asks waits for all of it; only the service must keep its cycle.
        cycle = replace(desk.fresh(), fit_budget_s=float("inf"))
        tally = cycle.round(_at(asked, settings), forecast=False, force=asked.force)
        print(telling.cards(desk.forecasts.told().cards, asked.product))
    print(telling.fitted(tally))
    return 0


def _forecast(settings: ModelSettings, asked: argparse.Namespace) -> int:
    with ExitStack() as stack:
        desk = _Desk.opened(settings, stack, asked.product)
        tally = desk.fresh().round(_at(asked, settings), fit=False, force=asked.force)
    for reason, count in tally.silent.most_common():
        print(f"{count} ohne Vorhersage: {reason}")
    print(telling.forecast(tally))
    return 0


def _backtest(settings: ModelSettings, asked: argparse.Namespace) -> int:
    with ExitStack() as stack:
        desk = _Desk.opened(settings, stack, asked.product)
        for product, group, fitted in desk.fresh().measure(_at(asked, settings)):
            print(telling.backtest(product, group, fitted), flush=True)
    return 0


def _score(settings: ModelSettings, asked: argparse.Namespace) -> int:
    now = _at(asked, settings)
    with ExitStack() as stack:
        desk = _Desk.opened(settings, stack)
        inputs = Inputs(desk.cycle.store, desk.cycle.registry.inventory(), now)
        told = desk.forecasts.told()
        found = score(
            inputs, desk.cycle.store, told, since=now - timedelta(days=asked.days), products=asked.product
        )
    print(telling.scores(found, asked.days))
    return 0


def _report(settings: ModelSettings, asked: argparse.Namespace) -> int:
    folder = asked.out or settings.report or Path("bericht")
    with ExitStack() as stack:
        desk = _Desk.opened(settings, stack)
        inventory, told = desk.cycle.registry.inventory(), desk.forecasts.told()
        print(desk.reports.write(folder / "index.html", inventory, told, _at(asked, settings)))
    return 0


def _cases(settings: ModelSettings, asked: argparse.Namespace) -> int:
    with ExitStack() as stack:
        registry = stack.enter_context(closing(SqlRegistry(settings.registry)))
        forecasts = stack.enter_context(closing(SqlForecasts(settings.forecasts_address())))
        if asked.verdict:
            verdict = Verdict.FINE if asked.verdict == "in-ordnung" else Verdict.FAULT
            if asked.case is None:
                raise ConfigurationError(f"faelle {asked.verdict}: die Nummer des Falls fehlt")
            try:
                forecasts.judge(asked.case, verdict, asked.notiz)
            except NotFound as error:
                shown = "udp-models faelle --alle zeigt alle Nummern"
                raise NotFound(f"faelle {asked.verdict}: Fall {asked.case} gibt es nicht; {shown}") from error
        print(telling.cases(forecasts.told().cases, registry.inventory(), everything=asked.alle))
    return 0


def _run(settings: ModelSettings, _asked: argparse.Namespace) -> int:
    """Until told to stop, also in the middle of a calibration."""
    stop_when_told()
    os.nice(settings.niceness)
    with ExitStack() as stack:
        desk = _Desk.opened(settings, stack)
        reported = -_REPORT_EVERY_S
        while True:
            done, pause = _one_round(desk)
            if done and desk.cycle.clock() - reported >= _REPORT_EVERY_S:
                reported = desk.cycle.clock()
                _report_on(desk)
            time.sleep(pause)


def _report_on(desk: _Desk) -> None:
    """A report that cannot be made or put down must not stop forecasts."""
    began = desk.cycle.clock()
    try:
        desk.publish_reports(_floored(_now(), desk.settings))
        _log.info("report: %.1f s", desk.cycle.clock() - began)
    except (PlatformError, OSError) as error:
        _log.warning("no report: %s", error)


def _one_round(desk: _Desk) -> tuple[bool, float]:
    """Whether there was one, and how long to wait for the next."""
    began, pause, done = desk.cycle.clock(), desk.settings.cycle.total_seconds(), False
    try:
        if (waiting := _catching_up(desk)) is not None:
            _log.info("%s", waiting)
            pause = _SOON_S
        else:
            _log.info("round: %s", _round(desk))
            done = True
    except PlatformError as error:
        # The store or the register is away: the last forecasts stand, and it comes back.
        _log.warning("%s", error)
        pause = _SOON_S
    return done, max(1.0, pause - (desk.cycle.clock() - began))


def _round(desk: _Desk) -> Tally:
    tally = desk.fresh().round(_floored(_now(), desk.settings))
    if tally.seconds > desk.settings.cycle.total_seconds():
        _log.warning("the round took %.0f s, longer than its cycle", tally.seconds)
    return tally


def _catching_up(desk: _Desk) -> str | None:
    """Why a round would be too early; None when half of all series have reached the present. A single
    sensor that speaks already (a pole has no past to send) says nothing of the others."""
    newest = np.sort(desk.cycle.store.latest().phenomenon_time)
    if not len(newest):
        return "waiting for the first measurement"
    behind = _now() - newest[len(newest) // 2].astype(datetime).replace(tzinfo=UTC)
    if behind <= desk.settings.behind:
        return None
    hours = behind.total_seconds() / 3600
    return f"waiting: half of all series end more than {hours:.1f} h ago, the data are catching up"


def _check(settings: ModelSettings, asked: argparse.Namespace) -> int:
    print(f"{asked.config or 'Voreinstellungen'}: in Ordnung; Takt {settings.cycle.total_seconds():.0f} s")
    return 0


def _print(settings: ModelSettings, _asked: argparse.Namespace) -> int:
    print(render(settings))
    return 0


def _at(asked: argparse.Namespace, settings: ModelSettings) -> datetime:
    return asked.at or _floored(_now(), settings)


def _floored(moment: datetime, settings: ModelSettings) -> datetime:
    """Rounds begin at whole cycles: the same moment asked twice is the same forecast."""
    cycle = settings.cycle.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // cycle * cycle, UTC)


def _time(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} hat keine Zeitzone: 2026-11-21T08:00Z ist gemeint")
    return moment.astimezone(UTC)


_VERBS: tuple[tuple[str, Callable[[ModelSettings, argparse.Namespace], int], str], ...] = (
    ("run", _run, "laufend: lernen und vorhersagen im Takt"),
    ("fit", _fit, "lernen, was fällig ist, und die Modellkarten zeigen"),
    ("forecast", _forecast, "vorhersagen, was neue Daten hat"),
    ("backtest", _backtest, "auf der Geschichte prüfen und zeigen, ohne etwas zu behalten"),
    ("score", _score, "veröffentlichte Vorhersagen an dem messen, was kam"),
    ("report", _report, "den Bericht für das Klimateam schreiben (HTML)"),
    ("faelle", _cases, "Fälle auffälligen Verbrauchs zeigen und beurteilen"),
    ("check-config", _check, "Einstellungen prüfen"),
    ("print-config", _print, "geltende Einstellungen zeigen"),
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="udp-models", description="Vorhersagen der Stadt und ihre Güte.")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    for name, act, text in _VERBS:
        one = verbs.add_parser(name, help=text)
        one.add_argument("--config", type=Path, metavar="DATEI", help="Einstellungen (TOML)")
        one.set_defaults(act=act, at=None, product=[])
        if name in ("fit", "forecast", "backtest", "score", "report"):
            one.add_argument("--at", type=_time, metavar="ZEIT", help="als wäre es dieser Zeitpunkt")
        if name in ("fit", "forecast", "backtest", "score"):
            one.add_argument("--product", nargs="*", default=[], choices=PRODUCTS, metavar="PRODUKT",
                             help=f"nur diese: {', '.join(PRODUCTS)}")  # fmt: skip
        if name in ("fit", "forecast"):
            one.add_argument("--force", action="store_true", help="auch, was sich nicht geändert hat")
    verbs.choices["score"].add_argument("--days", type=float, default=7.0, help="so viele Tage zurück")
    verbs.choices["report"].add_argument("--out", type=Path, metavar="ORDNER", help="wohin")
    cases = verbs.choices["faelle"]
    cases.add_argument("verdict", nargs="?", choices=("in-ordnung", "fehler"), help="Urteil über einen Fall")
    cases.add_argument("case", nargs="?", type=int, metavar="NUMMER")
    cases.add_argument("--notiz", default="", help="warum")
    cases.add_argument("--alle", action="store_true", help="auch geschlossene")
    return parser


if __name__ == "__main__":
    sys.exit(main())
