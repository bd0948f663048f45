"""Where models leave what is no Observation: the newest statement per series, cards, cases of waste.

Forecast values themselves are Observations (lead > 0) in the store, under Datastream numbers given
here from a range of their own. Who may know any of it follows from the measured Datastream it is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

# Above every number a register gives, below the largest a store takes.
FIRST_NUMBER = 50_000_001
# Of what a weather service says of the whole city; no register gives this number.
CITY = 0


class Kind(StrEnum):
    """What a forecast Datastream holds."""

    QUANTILE = "quantile"
    """The value below which the truth stays with probability `level`, in the unit of the measured one."""
    LOAD = "load"
    """As a quantile, of what a counter counts in the hour before the valid time; in the counter's unit."""
    PROBABILITY = "probability"
    """Of having reached `level` (in the unit of the measured one) by the valid time, 0 to 1."""
    NOWCAST = "nowcast"
    """Rain (mm) at the measured gauge in the five minutes before the valid time, by radar; `level` 0."""
    RAIN = "rain"
    """Rain (mm) over the city in the hour before the valid time, as a weather service expects it."""
    RAIN_OVER = "rain_over"
    """The weather service's probability of more than `level` mm in that hour, 0 to 1."""
    AIR = "air"
    """Air temperature (degrees Celsius) over the city at the valid time, as a weather service expects it."""
    AIR_ERROR = "air_error"
    """How far off (kelvin, absolute) the weather service expects that temperature to be."""


OF_WEATHER_SERVICES = frozenset({Kind.NOWCAST, Kind.RAIN, Kind.RAIN_OVER, Kind.AIR, Kind.AIR_ERROR})
"""What a weather service says, whatever is measured here."""


@dataclass(frozen=True, slots=True, order=True)
class ForecastKey:
    """What a forecast Datastream is about; `of` is the measured Datastream, `CITY` none in particular."""

    of: int
    kind: Kind
    level: float


@dataclass(frozen=True, slots=True)
class Chance:
    """Probability of having reached `level` (unit of the measured series) by each lead."""

    level: float
    leads_s: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """The newest word of a model about one measured Datastream.

    Without `leads_s` there is no forecast, and `reason` says why. `fallback`: a simple comparison
    speaks, because the model is not calibrated or was worse. `summary` holds what the product adds
    (hours to critical ...). `bands` are the values by quantile level ("0.5"), one per lead; `chance`
    the probabilities of having reached a level, with leads of their own: the newest forecast is here,
    all forecasts ever issued are in the store. `fingerprint` stands for everything it was computed from.
    """

    of: int
    product: str
    issued_at: datetime
    leads_s: tuple[int, ...]
    model: str
    fallback: bool
    reason: str
    remarks: tuple[str, ...]
    summary: Mapping[str, Any]
    fingerprint: str
    bands: Mapping[str, Sequence[float]] = field(default_factory=dict)
    chance: Chance | None = None


@dataclass(frozen=True, slots=True)
class Card:
    """A model card as JSON (models.card); `of` are the measured Datastreams it speaks for."""

    product: str
    group: str
    fitted_at: datetime
    of: tuple[int, ...]
    usable: bool
    verdict: str
    content: Mapping[str, Any]


class Verdict(StrEnum):
    """What a person says of a case."""

    NONE = ""
    FINE = "fine"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Case:
    """One fault at one meter, from opening to closing; `id` 0 is not yet numbered."""

    id: int
    of: int
    family: str
    kind: str
    opened_at: datetime
    last_seen_at: datetime
    closed_at: datetime | None
    strangeness: float
    excess: float
    unit: str
    cost_eur: float
    reason: str
    verdict: Verdict = Verdict.NONE
    note: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Everything the models say at one moment."""

    streams: Mapping[ForecastKey, int] = field(default_factory=dict)
    statements: Mapping[tuple[int, str], Statement] = field(default_factory=dict)
    cards: Sequence[Card] = ()
    cases: Sequence[Case] = ()


class Forecasts(Protocol):
    """Written by the model jobs, read by API and pages. StoreUnavailable when it cannot answer now."""

    def told(self) -> Told:
        """One consistent picture."""

    def number(self, keys: Sequence[ForecastKey]) -> Mapping[ForecastKey, int]:
        """The Datastream numbers of `keys`, given now where they are new. They never change."""

    def write(
        self, statements: Sequence[Statement] = (), cards: Sequence[Card] = (), cases: Sequence[Case] = ()
    ) -> None:
        """All or none. Statements and cards replace those of the same series and product or group. A
        case is the same when meter, family and opening are; what a person said of it stays."""

    def judge(self, case: int, verdict: Verdict, note: str) -> Case:
        """Keep what a person says of a case. NotFound for a number nobody gave."""

    def close(self) -> None:
        """Release connections."""
