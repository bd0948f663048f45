"""What the command line says, in German sentences and tables for the climate team."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from models.jobs.cycle import Tally
from models.jobs.outcome import Fitted
from models.jobs.scoring import Score
from models.report.wording import local, number
from udp.forecasting.port import Card, Case, Verdict
from udp.registry.port import Inventory

_VERDICTS = {Verdict.NONE: "", Verdict.FINE: "in Ordnung", Verdict.FAULT: "Fehler bestätigt"}


def fitted(tally: Tally) -> str:
    """What one round of learning did."""
    waiting = f", {tally.postponed} verschoben" if tally.postponed else ""
    learned = f"{tally.fitted} neu gelernt" if tally.fitted else "Nichts neu zu lernen"
    return f"{learned}{waiting} ({number(tally.seconds, 1)} s)"


def forecast(tally: Tally) -> str:
    """What one round of forecasts did."""
    return (
        f"{tally.asked} neu vorhergesagt, {tally.unchanged} unverändert, {sum(tally.silent.values())} ohne "
        f"Vorhersage; {tally.values} Werte ({number(tally.seconds, 1)} s)"
    )


def cards(found: Sequence[Card], products: Collection[str]) -> str:
    """One line per model."""
    lines = [
        f"{one.product:11s} {one.group:44s} {one.verdict}"
        for one in found
        if not products or one.product in products
    ]
    return "\n".join(lines) or "Noch keine Modelle."


def backtest(product: str, group: str, fitted: Fitted) -> str:
    """Verdict and figures of one group."""
    lines = [f"{product} {group}: {fitted.verdict}"]
    if fitted.card is not None:
        lines.append(
            f"  gelernt bis {fitted.card.split:%d.%m.%Y}, geprüft bis {fitted.card.data_end:%d.%m.%Y}"
        )
        lines += [f"  {name:26s} {_figures(row)}" for name, row in fitted.card.scores.items()]
    return "\n".join(lines)


def _figures(row: Any) -> str:
    return " ".join(f"{metric} {value:.3g}" for metric, value in row.items())


def scores(found: Sequence[Score], days: float) -> str:
    """A table by product and lead."""
    if not found:
        return f"In den letzten {days:g} Tagen ist noch keine Vorhersage gereift."
    head = "Produkt     Stunden  Anzahl   Fehler wie jetzt  im 80%  im 90%"
    rows = [
        f"{one.product:11s} {one.lead_hours:7g} {one.count:7d} {one.mae:8.2f} {one.mae_persistence:9.2f} "
        f"{one.coverage80:7.0%} {one.coverage90:7.0%}"
        for one in found
    ]
    note = "Fehler: mittlerer Abstand der Mitte vom Messwert; wie jetzt: wenn alles so bliebe."
    return "\n".join([head, *rows, note])


def cases(found: Sequence[Case], inventory: Inventory, *, everything: bool) -> str:
    """The dearest first."""
    wanted = [one for one in found if everything or one.closed_at is None]
    if not wanted:
        return "Keine offenen Fälle." if not everything else "Keine Fälle."
    return "\n".join(_case(one, inventory) for one in sorted(wanted, key=lambda one: -one.cost_eur))


def _case(one: Case, inventory: Inventory) -> str:
    stream = inventory.datastreams.get(one.of)
    place = inventory.things[stream.thing].name if stream is not None else f"Datenreihe {one.of}"
    until = f" bis {local(one.closed_at):%d.%m.%Y}" if one.closed_at else ""
    said = f"\n      {_VERDICTS[one.verdict]}{': ' + one.note if one.note else ''}" if one.verdict else ""
    head = f"{one.id:4d}  {place}, seit {local(one.opened_at):%d.%m.%Y}{until}: {one.cost_eur:.0f} Euro"
    return f"{head}\n      {one.reason}{said}"
