"""Fetches the platform's report on itself, with the operator key."""

from __future__ import annotations

from datetime import timedelta

from dashboards.interface import Interface
from dashboards.operator.report import (
    AgentState,
    DeviceState,
    EventEntry,
    GatewayState,
    HeardBy,
    ModuleState,
    ModuleStream,
    MqttRefusal,
    MqttState,
    Operations,
    QuarantineEntry,
    SequenceGap,
    WebhookCount,
)
from dashboards.reading import Entry, each

# More entries than a person reads are a stack to work off, not a page.
NEWEST = 50


def fetch(interface: Interface) -> Operations:
    """The report as it stands; InterfaceUnavailable or Unreadable when nobody can know."""
    whole = Entry(interface.get("/api/v1/operations", {"quarantine": str(NEWEST)}).content, "operations")
    quarantine = whole.entry("quarantine")
    return Operations(
        at=whole.moment("now"),
        devices=each(whole.entries("devices"), "devices", _device),
        gateways=each(whole.entries("gateways"), "gateways", _gateway),
        agents=each(whole.entries("agents"), "agents", _agent),
        gaps=each(whole.entries("gaps"), "gaps", _gap),
        quarantine=quarantine.integer("count"),
        quarantined=each(quarantine.entries("newest"), "quarantine", _quarantined),
        counters={name: int(value) for name, value in whole.numbers("counters").items()},
        conditions=whole.texts("conditions"),
        modules=each(whole.entries("modules"), "modules", _module),
        webhooks=each(whole.entries("webhooks"), "webhooks", _webhook),
        events=each(whole.entries("events"), "events", _event),
        mqtt=None if whole.raw("mqtt") is None else _mqtt(whole.entry("mqtt")),
    )


def _mqtt(entry: Entry) -> MqttState:
    names = ("clients", "subscriptions", "waiting", "sent", "created", "refused", "dropped", "missed_appends")
    return MqttState(
        trouble=entry.text("trouble", ""),
        figures={name: entry.integer(name, 0) for name in names},
        refusals=each(entry.entries("refusals"), "refusals", _refusal),
    )


def _refusal(entry: Entry) -> MqttRefusal:
    return MqttRefusal(
        at=entry.moment("at"),
        who=entry.text("who"),
        origin=entry.text("origin", ""),
        wanted=entry.text("wanted"),
        topic=entry.text("topic", ""),
        why=entry.text("why"),
    )


def _device(entry: Entry) -> DeviceState:
    return DeviceState(
        dev_eui=entry.text("dev_eui"),
        name=entry.text("thing_name", entry.text("dev_eui")),
        known=entry.flag("known", True),
        expected_interval=timedelta(seconds=entry.number("expected_interval_s", 3600)),
        last_received_at=entry.optional_moment("last_received_at"),
        last_f_cnt=entry.integer("last_f_cnt", 0),
        uplinks=entry.integer("uplinks", 0),
        duplicates=entry.integer("duplicates", 0),
        lost=entry.integer("lost", 0),
        silent_after=entry.optional_span("silent_after_s"),
        recent_sent=entry.integer("recent_sent", 0),
        recent_missing=entry.integer("recent_missing", 0),
        heard_by=each(entry.entries("heard_by"), "heard_by", _heard),
    )


def _event(entry: Entry) -> EventEntry:
    return EventEntry(
        kind=entry.text("kind"),
        subject=entry.text("subject"),
        reason=entry.text("reason"),
        opened_at=entry.moment("opened_at"),
        closed_at=entry.optional_moment("closed_at"),
    )


def _heard(entry: Entry) -> HeardBy:
    return HeardBy(
        gateway=entry.text("name", entry.text("gateway")),
        uplinks=entry.integer("uplinks"),
        rssi_dbm=entry.optional_number("rssi_dbm"),
        snr_db=entry.optional_number("snr_db"),
    )


def _gateway(entry: Entry) -> GatewayState:
    return GatewayState(
        gateway=entry.text("gateway"),
        name=entry.text("thing_name", ""),
        last_received_at=entry.optional_moment("last_received_at"),
        receptions=entry.integer("receptions"),
        agent=entry.text("agent", ""),
        last_stat_at=entry.optional_moment("last_stat_at"),
        stat_interval=entry.optional_span("stat_interval_s"),
    )


def _module(entry: Entry) -> ModuleState:
    return ModuleState(
        agent=entry.text("agent"),
        sensor=entry.text("sensor"),
        name=entry.text("thing_name", entry.text("agent")),
        streams=each(entry.entries("streams"), "streams", _stream),
    )


def _stream(entry: Entry) -> ModuleStream:
    return ModuleStream(
        name=entry.text("name", entry.text("key")),
        interval=timedelta(seconds=entry.number("expected_interval_s")),
        last_measured_at=entry.optional_moment("last_measured_at"),
    )


def _agent(entry: Entry) -> AgentState:
    return AgentState(
        agent=entry.text("agent"),
        name=entry.text("thing_name", entry.text("agent")),
        highest_sequence=None if entry.raw("highest_sequence") is None else entry.integer("highest_sequence"),
        last_sent_at=entry.optional_moment("last_sent_at"),
        last_journalled_at=entry.optional_moment("last_journalled_at"),
        health=entry.numbers("health"),
    )


def _gap(entry: Entry) -> SequenceGap:
    return SequenceGap(
        agent=entry.text("agent"),
        first=entry.integer("first"),
        last=entry.integer("last"),
        noticed_at=entry.moment("noticed_at"),
        lost=entry.flag("lost"),
    )


def _quarantined(entry: Entry) -> QuarantineEntry:
    return QuarantineEntry(
        at=entry.moment("at"),
        way=entry.text("way"),
        origin=entry.text("origin"),
        reason=entry.text("reason"),
        remedy=entry.text("remedy", ""),
        excerpt=entry.text("octets", ""),
    )


def _webhook(entry: Entry) -> WebhookCount:
    return WebhookCount(
        project=entry.text("project"),
        outcome=entry.text("outcome"),
        count=entry.integer("count"),
        last_at=entry.moment("last_at"),
    )
