"""What a job hands back: plain values that travel between processes and know no platform."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from models.card import ModelCard
from models.forecaster import Forecast
from models.series import Instant

# The middle, the 80 % and the 90 % interval: each level more is one more series per value.
PUBLISHED: tuple[float, ...] = (0.05, 0.1, 0.5, 0.9, 0.95)


@dataclass(frozen=True, slots=True)
class Chance:
    """Probability of having reached ``level`` (unit of the series) by each horizon in hours."""

    level: float
    by_hours: Mapping[int, float] | Mapping[float, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer for one measured series; without ``forecast``, ``reason`` says why there is none.
    ``per_hour``: forecast is what a counter will count in each hour, not its reading."""

    of: int
    issued_at: Instant
    model: str
    fallback: bool = False
    reason: str = ""
    forecast: Forecast | None = None
    chance: Chance | None = None
    remarks: tuple[str, ...] = ()
    summary: Mapping[str, Any] = field(default_factory=dict)
    cases: tuple[FoundCase, ...] = ()
    per_hour: bool = False


@dataclass(frozen=True, slots=True)
class FoundCase:
    """One fault at one meter as seen at the issue time."""

    family: str
    kind: str
    opened_at: Instant
    last_seen_at: Instant
    closed_at: Instant | None
    strangeness: float
    excess: float
    cost_eur: float
    reason: str


@dataclass(frozen=True, slots=True)
class Trial:
    """What warnings of a level above ``threshold`` from a probability on were worth on unseen data:
    ``notice_hours`` before the start of each event that was warned of."""

    threshold: float
    probability: float
    hits: int
    misses: int
    false_alarms: int
    notice_hours: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fitted:
    """What calibration left behind: ``speaker`` answers (the model, or the simple comparison when the model
    is not calibrated or was worse on data it had not seen), ``card`` says how good both are.
    ``without_rain``: forecasts of rain made it worse, and are not used."""

    speaker: Any
    name: str
    fallback: bool
    reason: str
    card: ModelCard | None
    without_rain: bool = False
    trials: tuple[Trial, ...] = ()

    @property
    def verdict(self) -> str:
        """One German sentence."""
        if self.card is not None and not self.reason:
            return self.card.verdict
        shown = " Gezeigt wird der einfache Vergleich." if self.speaker is not None else ""
        return f"Nicht kalibriert: {self.reason}.{shown}" if self.reason else "Ohne Modellkarte."
