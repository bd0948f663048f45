"""What the report tells, as plain values: gathered by the jobs, drawn by the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from models.card import ModelCard
from models.report.bars import BarChart
from models.report.drawing import Chart


@dataclass(frozen=True, slots=True)
class Picture:
    """A chart with its words; ``rows`` are the same figures as a table under ``heads``."""

    heading: str
    chart: Chart | BarChart
    notes: Sequence[str] = ()
    heads: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its caption."""

    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the report."""

    anchor: str
    heading: str
    sentences: Sequence[str] = ()
    pictures: Sequence[Picture] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True, slots=True)
class CardEntry:
    """A model card with where it belongs; ``card`` None while there is nothing to measure. ``count``: of how
    many series it speaks."""

    product: str
    heading: str
    verdict: str
    card: ModelCard | None
    count: int = 1


@dataclass(frozen=True, slots=True)
class Report:
    """The whole page."""

    city: str
    made_at: datetime
    simulated: bool
    sections: Sequence[Section]
    cards: Sequence[CardEntry] = field(default_factory=tuple)
