"""The report as one HTML file that needs nothing else: no script, no foreign host, readable on paper."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources

import jinja2
from markupsafe import Markup

from models.card import ModelCard, german
from models.report.bars import BarChart, draw_bars
from models.report.document import CardEntry, Report
from models.report.drawing import NARROW, Chart, draw, reliability, shortened
from models.report.wording import full, number

_SHARES = ("coverage80", "coverage90")
_SHOWN = ("mae", "mae_24h", "mae_48h", "mae_72h", "crps", "nse_1h", "nse_3h", "nse_6h", "pi_3h", *_SHARES)
_BELOW = "below_"


@dataclass(frozen=True, slots=True)
class _CardView:
    heading: str
    verdict: str
    spans: str
    heads: list[str]
    rows: list[list[str]]
    notes: str
    calibration: Markup
    count: int = 1


def style() -> str:
    """The style sheet, for pages that may not carry it inside."""
    return resources.files("models.report").joinpath("report.css").read_text(encoding="utf-8")


def render(report: Report, stylesheet: str = "") -> str:
    """HTML 5, UTF-8; with its style inside unless ``stylesheet`` says where it lies."""
    source = resources.files("models.report").joinpath("report.html").read_text(encoding="utf-8")
    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)
    return environment.from_string(source).render(
        report=report, made=full(report.made_at), sections=report.sections, drawn=dict(_drawn(report)),
        groups=_groups(report.cards), stylesheet=stylesheet, style=Markup(style()),  # noqa: S704 - ours
    )  # fmt: skip


def _drawn(report: Report) -> Iterator[tuple[tuple[str, int], Markup]]:
    for section in report.sections:
        for place, picture in enumerate(section.pictures):
            name, chart = f"{section.anchor}-{place}", picture.chart
            yield (section.anchor, place), _both(chart, name)


def _both(chart: Chart | BarChart, name: str) -> Markup:
    """For telephones and for desks; the style sheet shows one of them."""
    if isinstance(chart, BarChart):
        narrow, wide = draw_bars(chart, f"{name}-s", narrow=True), draw_bars(chart, name)
    else:
        narrow, wide = draw(shortened(chart), f"{name}-s", NARROW), draw(chart, name)
    return Markup('<div class="schmal">{}</div><div class="breit">{}</div>').format(narrow, wide)


def _groups(entries: Sequence[CardEntry]) -> list[tuple[str, list[_CardView]]]:
    products = dict.fromkeys(one.product for one in entries)
    return [
        (name, _merged([_view(one, f"karte-{k}") for k, one in enumerate(entries) if one.product == name]))
        for name in products
    ]


def _view(entry: CardEntry, name: str) -> _CardView:
    card = entry.card
    if card is None:
        return _CardView(entry.heading, entry.verdict, "", [], [], "", Markup(), entry.count)
    known = [key for key in _SHOWN if any(key in row for row in card.scores.values())]
    rows = [
        [german(model), *(_figure(key, row.get(key, float("nan"))) for key in known)]
        for model, row in card.scores.items()
    ]
    spans = (
        f"{card.target}. Daten von {full(card.data_start)} bis {full(card.data_end)}, "
        f"gelernt bis {full(card.split)}, danach geprüft. Fassung {card.version}, Startwert {card.seed}."
    )
    return _CardView(
        entry.heading, entry.verdict, spans, [german(key) for key in known], rows, "; ".join(card.notes),
        _calibration(card, name),
    )  # fmt: skip


def _calibration(card: ModelCard, name: str) -> Markup:
    """The diagonal plot of the model itself, from what it had not seen."""
    shares = {
        float(key.removeprefix(_BELOW)): value
        for key, value in card.scores[card.name].items()
        if key.startswith(_BELOW) and value == value  # noqa: PLR0124 - not a number
    }
    if len(shares) < 3:
        return Markup()
    levels = sorted(shares)
    title = f"Kalibrierung: {german(card.name)}"
    return reliability(levels, [shares[level] for level in levels], title, name)


def _figure(key: str, value: float) -> str:
    return f"{number(100 * value, 0)} %" if key in _SHARES else number(value, 2)


def _merged(views: list[_CardView]) -> list[_CardView]:
    """Thirty trees waiting for the same are one entry."""
    waiting: dict[str, list[_CardView]] = {}
    for one in views:
        if not one.rows:
            waiting.setdefault(one.verdict, []).append(one)
    kept = [one for one in views if one.rows]
    for verdict, many in waiting.items():
        count = sum(one.count for one in many)
        heading = many[0].heading if len(many) == 1 else f"{count} Messreihen"
        kept.append(_CardView(heading, verdict, "", [], [], "", Markup()))
    return kept
