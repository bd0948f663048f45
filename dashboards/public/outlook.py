"""What is expected, read from the API: forecasts of measured series, and how good the models are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboards.interface import Interface
from dashboards.reading import Entry, each

# What is said of sensors and meters is for those who look after them, no forecast for everybody.
_FORECASTS = frozenset({"fuellstand", "abfluss", "teich", "boden"})


@dataclass(frozen=True, slots=True)
class Expected:
    """At one valid time: middle, 80 % interval, 90 % interval; in the unit of the measured series."""

    at: datetime
    hours: float
    middle: float
    inner: tuple[float, float]
    outer: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Outlook:
    """The newest forecast of one series. `chances` are hours and probability of reaching `level`;
    `critical` the hours until then as earliest (1 in 10), middle and latest (9 in 10), None for never."""

    datastream: int
    product: str
    issued_at: datetime
    model: str
    fallback: bool
    reason: str
    remarks: Sequence[str]
    expected: Sequence[Expected]
    level: float | None
    chances: Sequence[tuple[float, float]]
    critical: tuple[float | None, float | None, float | None] | None
    days_to_dry: float | None = None


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model as the page shows it; `scores` are model or comparison, metric and figure."""

    product: str
    group: str
    verdict: str
    usable: bool
    fitted_at: datetime
    things: Sequence[str]
    target: str
    tested_from: datetime | None
    scores: Mapping[str, Mapping[str, float]]
    notes: Sequence[str]
    labels: Mapping[str, str]


def fetch_outlooks(interface: Interface) -> dict[int, Outlook]:
    """By measured Datastream; InterfaceUnavailable or Unreadable when nobody can know."""
    content = interface.get("/api/v1/forecasts", remember=True).content
    found = each(Entry(content, "forecasts").entries("forecasts"), "forecasts", _outlook)
    return {one.datastream: one for one in found if one.product in _FORECASTS}


def fetch_cards(interface: Interface) -> list[ModelCard]:
    """Every model of what is open."""
    content = interface.get("/api/v1/models", remember=True).content
    return each(Entry(content, "models").entries("models"), "models", _card)


def _outlook(entry: Entry) -> Outlook:
    summary, chance = entry.entry("summary"), entry.raw("probability")
    known = summary.raw("critical_percent") is not None
    told = Entry(chance, "probability") if chance is not None else None
    return Outlook(
        datastream=entry.integer("datastream"),
        product=entry.text("product"),
        issued_at=entry.moment("issued_at"),
        model=entry.text("model", ""),
        fallback=entry.flag("fallback", False),
        reason=entry.text("reason", ""),
        remarks=[str(one) for one in entry.entries("remarks")],
        expected=[one for one in each(entry.entries("values"), "values", _expected) if one is not None],
        level=None if told is None else told.number("level"),
        chances=[] if told is None else each(told.entries("values"), "probability", _chance),
        critical=_critical(summary) if known else None,
        days_to_dry=summary.optional_number("days_to_dry"),
    )


def _expected(entry: Entry) -> Expected | None:
    """None where a level is missing: half an interval says nothing."""
    levels = entry.entry("quantiles").numbers_of("0.05", "0.1", "0.5", "0.9", "0.95")
    if levels is None:
        return None
    low90, low80, middle, high80, high90 = levels
    hours = entry.number("lead_s") / 3600
    return Expected(entry.moment("valid_time"), hours, middle, (low80, high80), (low90, high90))


def _chance(entry: Entry) -> tuple[float, float]:
    return entry.number("lead_s") / 3600, entry.number("probability")


def _critical(summary: Entry) -> tuple[float | None, float | None, float | None]:
    keys = ("hours_to_critical_10", "hours_to_critical", "hours_to_critical_90")
    early, middle, late = (summary.optional_number(key) for key in keys)
    return early, middle, late


def _card(entry: Entry) -> ModelCard:
    raw: Any = entry.raw("card")
    card = Entry(raw if isinstance(raw, dict) else {}, "card")
    names = sorted(card.raw("scores") or {})
    return ModelCard(
        product=entry.text("product"),
        group=entry.text("group"),
        verdict=entry.text("verdict"),
        usable=entry.flag("usable", False),
        fitted_at=entry.moment("fitted_at"),
        things=[str(one) for one in entry.entries("things")],
        target=card.text("target", ""),
        tested_from=card.optional_moment("split"),
        scores={name: card.entry("scores").known_numbers(name) for name in names},
        notes=[str(one) for one in card.entries("notes")],
        labels=card.texts("labels"),
    )
