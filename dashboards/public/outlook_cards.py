"""Model cards as a page shows them: finished words and rows, nothing left to compute."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dashboards.public.outlook import ModelCard
from dashboards.public.outlook_view import product_name
from dashboards.wording import LocalTime, counted, number

# Shares are shown in percent, all other figures as they are; in the order of the columns.
_SHARES = ("coverage80", "coverage90")
_SHOWN = ("mae", "mae_24h", "mae_72h", "crps", "nse_1h", "nse_3h", "nse_6h", *_SHARES)


@dataclass(frozen=True, slots=True)
class CardView:
    """`rows` hold one row per model or comparison."""

    heading: str
    verdict: str
    usable: bool
    target: str
    tested: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    notes: str


def card_groups(
    cards: Sequence[ModelCard], names: Mapping[str, str], time: LocalTime
) -> list[tuple[str, list[CardView]]]:
    """By product; `names` are those of Things. Equal verdicts without figures are told once."""
    products = dict.fromkeys(one.product for one in cards)
    return [
        (product_name(key), _merged([_view(one, names, time) for one in cards if one.product == key]))
        for key in products
    ]


def _view(card: ModelCard, names: Mapping[str, str], time: LocalTime) -> CardView:
    known = [key for key in _SHOWN if any(key in row for row in card.scores.values())]
    return CardView(
        heading=_heading(card, names),
        verdict=card.verdict,
        usable=card.usable,
        target=card.target,
        tested=time.full(card.tested_from) if card.tested_from else "",
        heads=[card.labels.get(key, key) for key in known],
        rows=[
            [card.labels.get(name, name), *(_figure(key, row.get(key)) for key in known)]
            for name, row in card.scores.items()
        ],
        notes="; ".join(card.notes),
    )


def _heading(card: ModelCard, names: Mapping[str, str]) -> str:
    if len(card.things) == 1:
        return names.get(card.things[0], card.things[0])
    return counted(len(card.things), "Messpunkt", "Messpunkte")


def _figure(key: str, value: float | None) -> str:
    if value is None:
        return "–"
    return f"{number(100 * value, 0)}\u00a0%" if key in _SHARES else number(value, 2)


def _merged(views: list[CardView]) -> list[CardView]:
    """Thirty trees that are all waiting for the same are one entry."""
    waiting: dict[str, list[CardView]] = {}
    kept: list[CardView] = []
    for one in views:
        if one.rows:
            kept.append(one)
        else:
            waiting.setdefault(one.verdict, []).append(one)
    for verdict, many in waiting.items():
        heading = many[0].heading if len(many) == 1 else counted(len(many), "Messpunkt", "Messpunkte")
        kept.append(CardView(heading, verdict, False, "", "", (), (), ""))
    return kept
