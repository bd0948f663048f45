"""What only staff is told, as the OpenAPI document describes it: events, devices, operations."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from udp.api.schemas import Answer, Moment


class EventAnswer(Answer):
    """Something that went wrong and was noticed; without an operator's key times are whole hours."""

    id: int
    kind: Literal["silent", "stuck", "battery"]
    subject: str = Field(examples=["thing:behaelter-0001"])
    thing: str | None
    thing_name: str | None
    datastream: int | None
    reason: str
    since: Moment
    opened_at: Moment
    closed_at: Moment | None = Field(description="null: still so")
    detail: dict[str, Any]


class EventsAnswer(Answer):
    """Newest first."""

    now: Moment
    count: int
    events: list[EventAnswer]


class UpkeepAnswer(Answer):
    """One line of a Thing's maintenance log."""

    at: str
    kind: str
    text: str
    person: str


class DeviceAnswer(Answer):
    """A device in force, as the register knows it; never its keys."""

    dev_eui: str = Field(examples=["0102030405060708"])
    thing: str
    thing_name: str
    profile: str
    citizen: bool
    record: dict[str, str] = Field(description="by the English words of the device table's columns")
    maintenance: list[UpkeepAnswer]


class DevicesAnswer(Answer):
    """Every device in force."""

    count: int
    devices: list[DeviceAnswer]


class QuarantineAnswer(Answer):
    """What could not be used."""

    count: int
    newest: list[dict[str, Any]]


class OperationsAnswer(Answer):
    """What the operator page shows: it may say more tomorrow, so parts are described by name only."""

    model_config = ConfigDict(extra="allow")

    now: Moment
    conditions: dict[str, str]
    counters: dict[str, float]
    agents: list[dict[str, Any]]
    gateways: list[dict[str, Any]]
    modules: list[dict[str, Any]]
    devices: list[dict[str, Any]]
    stale_devices: list[str]
    gaps: list[dict[str, Any]]
    webhooks: list[dict[str, Any]]
    quarantine: QuarantineAnswer
    events: list[EventAnswer]
