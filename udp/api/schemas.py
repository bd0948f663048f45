"""The answers as the OpenAPI document describes them; tests hold the real answers against these."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

QualityWord = Literal["unchecked", "good", "suspect", "bad"]
RuleWord = Literal[
    "none", "passed", "range", "step", "stuck", "silence", "clock", "neighbour", "dry_probe", "person",
    "citizen", "withdrawn", "no_number",
]  # fmt: skip
Number = Annotated[float | None, Field(description="null where there is no number", examples=[62.5])]
Moment = Annotated[datetime, Field(examples=["2026-11-21T08:00:00Z"])]


_NOTICE = "to be shown wherever the value is shown; empty where there is nothing to say"


class Answer(BaseModel):
    """Nothing beyond what is described."""

    model_config = ConfigDict(extra="forbid")


class Place(Answer):
    """WGS 84 (EPSG:4326)."""

    latitude: float = Field(examples=[51.5491])
    longitude: float = Field(examples=[7.3114])
    elevation_m: float | None
    district: str = Field(examples=["castrop"])
    district_name: str = Field(examples=["Castrop (Altstadt)"])


class DatastreamLink(Answer):
    """A Datastream as its Thing lists it."""

    id: int = Field(examples=[17])
    key: str = Field(examples=["fill_level"])
    name: str = Field(examples=["Füllstand"])
    observed_property: str = Field(examples=["fill_level"])
    unit: str = Field(description="UCUM", examples=["%"])
    self: str = Field(examples=["/api/v1/datastreams/17"])
    observations: str = Field(examples=["/api/v1/datastreams/17/observations"])


class ThingAnswer(Answer):
    """What people point at: a bin, a pole, a stream gauge."""

    key: str = Field(description="stable for ever", examples=["behaelter-0001"])
    name: str = Field(examples=["Behälter Marktplatz"])
    description: str
    kind: str = Field(examples=["waste_bin"])
    theme: str = Field(examples=["papier-und-abfall"])
    simulated: bool = Field(description="true: from the virtual city, not measured")
    citizen: bool = Field(description="true: measured by citizens or schools, not checked by the city")
    location: Place
    properties: dict[str, Any]
    datastreams: list[DatastreamLink]
    self: str = Field(examples=["/api/v1/things/behaelter-0001"])


class ThingsAnswer(Answer):
    """All Things asked for."""

    count: int
    things: list[ThingAnswer]


class ObservedPropertyAnswer(Answer):
    """What is measured."""

    key: str = Field(examples=["fill_level"])
    name: str = Field(examples=["Füllstand"])
    definition: str


class UnitAnswer(Answer):
    """Unit of measurement."""

    symbol: str = Field(description="UCUM", examples=["%"])
    name: str = Field(examples=["Prozent"])


class DerivedAnswer(Answer):
    """How a Datastream is computed from others."""

    formula: str = Field(examples=["heat_index"])
    version: str = Field(examples=["1"])
    source: str = Field(description="where the formula is from")
    inputs: list[int] = Field(description="Datastream ids", examples=[[17, 18]])


class DatastreamAnswer(Answer):
    """One property of one Thing by one sensor."""

    id: int = Field(examples=[17])
    key: str = Field(examples=["fill_level"])
    name: str = Field(examples=["Füllstand"])
    thing: str = Field(examples=["behaelter-0001"])
    thing_name: str = Field(examples=["Behälter Marktplatz"])
    theme: str = Field(examples=["papier-und-abfall"])
    district: str = Field(examples=["castrop"])
    simulated: bool
    citizen: bool
    notice: str = Field(description=_NOTICE, examples=["", "Bürgersensor, ungeprüft"])
    sensor: str = Field(examples=["Dingtek DF702 (Ultraschall)"])
    observed_property: ObservedPropertyAnswer
    unit: UnitAnswer
    access: Literal["open", "internal", "restricted"]
    exemption: Literal["copyright", "personal", "state", "data_protection", "undecided"] | None = Field(
        description="why it is not open; null where it is"
    )
    licence: str = Field(examples=["dl-de/zero-2-0"])
    expected_interval_s: float = Field(examples=[3600.0])
    finest_s: float | None = Field(
        description="finest step of time you may know: times of current values are rounded down to it, "
        "history comes in buckets of whole such steps; null: as measured",
        examples=[None, 900.0],
    )
    datasets: list[str] = Field(
        description="those of the policy it belongs to; see /api/v1/policy", examples=[["papier-und-abfall"]]
    )
    derived: DerivedAnswer | None = Field(description="null: measured")
    self: str = Field(examples=["/api/v1/datastreams/17"])
    observations: str = Field(examples=["/api/v1/datastreams/17/observations"])


class DatastreamsAnswer(Answer):
    """All Datastreams asked for."""

    count: int
    datastreams: list[DatastreamAnswer]


class CurrentValue(Answer):
    """The newest measurement of one Datastream."""

    datastream: int = Field(examples=[17])
    key: str = Field(examples=["fill_level"])
    name: str = Field(examples=["Füllstand"])
    thing: str = Field(examples=["behaelter-0001"])
    thing_name: str = Field(examples=["Behälter Marktplatz"])
    kind: str = Field(examples=["waste_bin"])
    theme: str = Field(examples=["papier-und-abfall"])
    district: str = Field(examples=["castrop"])
    simulated: bool
    citizen: bool
    notice: str = Field(description=_NOTICE, examples=["", "Bürgersensor, ungeprüft"])
    observed_property: str = Field(examples=["fill_level"])
    unit: str = Field(examples=["%"])
    licence: str = Field(examples=["dl-de/zero-2-0"])
    expected_interval_s: float = Field(examples=[3600.0])
    value: Number
    phenomenon_time: Moment
    result_time: Moment
    quality: QualityWord
    rule: RuleWord
    age_s: int = Field(description="at `now`", examples=[240])
    stale: bool = Field(
        description="two expected intervals (at least ten minutes) have passed without a value"
    )


class LatestAnswer(Answer):
    """All current values."""

    now: Moment
    count: int
    values: list[CurrentValue]


class HistoryRow(Answer):
    """One bucket of one line. Over several series `value` is their median, `low` and `high` how far they
    lie apart; of one series, its least and greatest value within the bucket, where its mean is told."""

    start: Moment
    value: Number
    low: Number
    high: Number
    count: int = Field(description="series with a value", examples=[1])
    series: str = Field(description="to be shown beside the line", examples=["Rathaus (simuliert)"])
    unit: str = Field(description="UCUM", examples=["Cel"])
    thing: str | None = Field(description="null: a line over several series")
    district: str | None = Field(description="null: a line over all districts", examples=["castrop"])


class HistoryAnswer(Answer):
    """Ascending by time; `every` is what was asked for, or chosen by `points`."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    now: Moment
    from_: Moment = Field(alias="from")
    to: Moment
    every: str = Field(description="ISO 8601 duration of the buckets", examples=["PT1H"])
    count: int
    values: list[HistoryRow]


class ObservationAnswer(Answer):
    """One measurement."""

    phenomenon_time: Moment
    result_time: Moment
    value: Number
    quality: QualityWord
    rule: RuleWord
    revision: int = Field(examples=[0])


class BucketAnswer(Answer):
    """Measurements that are not bad, in a bucket aligned to UTC; only the functions asked for."""

    start: Moment
    mean: Number = None
    min: Number = None
    max: Number = None
    count: int | None = Field(default=None, examples=[6])


class ObservationsAnswer(Answer):
    """Measurements of [from, to); `next` is the following page, null on the last."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    datastream: DatastreamAnswer
    from_: Moment = Field(alias="from")
    to: Moment
    every: str | None = Field(description="ISO 8601 duration of the buckets", examples=["PT1H", None])
    retrieved_at: Moment
    next: str | None
    observations: list[ObservationAnswer] | list[BucketAnswer]


class PartHealth(Answer):
    """One part of the platform."""

    status: Literal["ok", "warning", "failed"]
    detail: str


class HealthAnswer(Answer):
    """`failed` when any part has failed (503), `warning` when somebody should look."""

    status: Literal["ok", "warning", "failed"]
    checked_at: Moment
    parts: dict[str, PartHealth]


class OutsideAnswer(Answer):
    """How finely the public may know a dataset."""

    time_step_s: float | None = Field(description="null: as measured", examples=[None, 900.0])
    current: Literal["now", "step"] = Field(
        description="`now`: the newest value at once, its time rounded; `step`: the last whole step's mean"
    )
    place_m: float = Field(description="places are rounded to a grid of so many metres; 0: not", examples=[0])
    minimum_users: int = Field(
        description="fewer people or devices behind one series, and it is closed", examples=[1]
    )


class RetentionAnswer(Answer):
    """How long it is kept, in days; null is without limit."""

    raw_days: float | None = Field(description="messages as they came")
    values_days: float | None = Field(description="single values")
    aggregates_days: float | None = Field(description="hourly and daily figures")


class FundingAnswer(Answer):
    """Who paid, as the grant asks to be named."""

    text: str = Field(examples=["Gefördert vom Land Nordrhein-Westfalen"])
    link: str = Field(description="https, or empty")
    logo: str = Field(description="path on this host, or empty", examples=["/foerderung/land.svg"])


class DatasetAnswer(Answer):
    """One dataset of the city's policy, open or not."""

    key: str = Field(examples=["wetter"])
    title: str
    description: str
    owner: str
    purpose: str
    legal_basis: str
    access: Literal["open", "internal", "restricted"]
    exemption: Literal["copyright", "personal", "state", "data_protection"] | None = Field(
        description="why it is not open; null where it is"
    )
    licence: str = Field(examples=["dl-de/zero-2-0"])
    visible_to: list[str] = Field(description="roles that see it as measured")
    funding: FundingAnswer | None = Field(description="null: nobody asks to be named")
    outside: OutsideAnswer
    retention: RetentionAnswer
    open_datastreams: int


class PolicyAnswer(Answer):
    """The policy in force; `sha256` is of the file it was read from."""

    sha256: str
    journal_kept_days: float | None
    datasets: list[DatasetAnswer]


class ProblemAnswer(BaseModel):
    """RFC 9457."""

    type: str = Field(examples=["/api#not-found"])
    title: str = Field(examples=["Das gibt es hier nicht"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["datastream 99 is not known; see /api/v1/datastreams for all of them"])
    instance: str = Field(examples=["/api/v1/datastreams/99"])
