"""The answers about forecasts as the OpenAPI document describes them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from udp.api.schemas import Answer, Moment


class ValidValue(Answer):
    """What is expected at one valid time; the truth stays below a quantile with its probability."""

    valid_time: Moment
    lead_s: int = Field(description="valid time - issue time", examples=[86400])
    quantiles: dict[str, float | None] = Field(examples=[{"0.05": 40.0, "0.5": 46.0, "0.95": 58.0}])


class ValidChance(Answer):
    """How likely the level has been reached by then."""

    valid_time: Moment
    lead_s: int
    probability: float = Field(examples=[0.62])


class ChanceAnswer(Answer):
    """Of reaching `level`, in the unit of the series."""

    level: float = Field(examples=[80.0])
    values: list[ValidChance]


class ForecastAnswer(Answer):
    """A forecast, never a measurement. `fallback`: a simple comparison speaks, `remarks` say why."""

    forecast: Literal[True]
    datastream: int = Field(description="the measured Datastream it is about", examples=[17])
    name: str
    thing: str
    thing_name: str
    kind: str
    theme: str
    district: str
    simulated: bool
    observed_property: str
    unit: str
    licence: str
    product: str = Field(examples=["fuellstand"])
    issued_at: Moment
    model: str | None = Field(examples=["pooled inflow rate"])
    fallback: bool | None
    reason: str | None = Field(description="why there is no forecast; German")
    remarks: list[str]
    summary: dict[str, Any] = Field(examples=[{"hours_to_critical": 61.0, "critical_percent": 80.0}])
    values: list[ValidValue]
    probability: ChanceAnswer | None
    streams: dict[str, int] = Field(description="forecast Datastreams in the store by quantile")


class ForecastsAnswer(Answer):
    """The newest of each."""

    count: int
    forecasts: list[ForecastAnswer]


class ModelAnswer(Answer):
    """A model card: what it learned from and how good it is on what it has not seen."""

    product: str
    group: str
    fitted_at: Moment
    usable: bool
    verdict: str = Field(description="German")
    datastreams: list[int]
    things: list[str]
    card: dict[str, Any] | None


class ModelsAnswer(Answer):
    """All models of what you may see."""

    count: int
    models: list[ModelAnswer]


class CaseAnswer(Answer):
    """One fault at one meter."""

    id: int
    datastream: int
    thing: str | None
    thing_name: str | None
    kind: str = Field(examples=["nights"])
    opened_at: Moment
    last_seen_at: Moment
    closed_at: Moment | None
    strangeness: float = Field(description="-log10 of how often a healthy meter shows this in a month")
    excess: float = Field(description="above the expectation since a week before opening, in `unit`")
    unit: str
    cost_eur: float
    reason: str = Field(description="German, for the facility manager")
    verdict: Literal["fine", "fault"] | None
    note: str


class CasesAnswer(Answer):
    """The dearest first."""

    count: int
    cases: list[CaseAnswer]
