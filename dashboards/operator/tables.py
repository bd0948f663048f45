"""The figures behind the findings, as rows of finished words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dashboards.operator import counters, mqtt, webhooks
from dashboards.operator.findings import LOSS_EXPECTED, loss
from dashboards.operator.reasons import in_german
from dashboards.operator.report import AgentState, DeviceState, HeardBy, ModuleState, Operations
from dashboards.operator.silence import (
    AGENT_SILENT,
    limit_of,
    silent_devices,
    silent_gateway,
    silent_streams,
)
from dashboards.wording import LocalTime, age, counted, duration, number

_LONGEST = 60
_LARGE_MB = 10_000.0
_GATEWAYS_NAMED = 3
_UNBROKEN = "\u00a0"
_HEARD_NOTE = (
    "Fehlen zuletzt: Lücken in den höchstens 50 jüngsten Zählern (FCnt). Empfang: wie viele davon welches "
    "Gateway hörte, in Klammern sein jüngster Pegel (RSSI in dBm/SNR in dB). Hört auch das beste nur unter "
    "−115 dBm oder −10 dB, steht das Gerät am Rand; hört es gut und fehlt trotzdem viel, stört etwas."
)
_KINDS = {"silent": "stumm", "stuck": "steht still", "battery": "Batterie"}
_EVER = datetime.min.replace(tzinfo=UTC)
_HEALTH = (
    "backlog_messages", "backlog_age", "dropped_messages", "refused_messages", "disk_free", "clock_offset",
    "memory",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class TableView:
    """One table; the first cell of a row is its heading. `empty` is said when there are no rows."""

    key: str
    heading: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str
    note: str = ""


def tables(operations: Operations, time: LocalTime) -> list[TableView]:
    """All tables, the most urgent first."""
    return [
        _events(operations, time),
        _agents(operations, time),
        _health(operations),
        _gateways(operations, time),
        _modules(operations, time),
        _silent(operations, time),
        _gaps(operations, time),
        _losses(operations),
        _quarantine(operations, time),
        _webhooks(operations, time),
        _mqtt(operations, time),
        _counters(operations),
        _devices(operations, time),
    ]


def _events(operations: Operations, time: LocalTime) -> TableView:
    ordered = sorted(
        operations.events, key=lambda one: (one.closed_at is not None, -one.opened_at.timestamp())
    )
    rows = [
        (
            one.reason,
            _KINDS.get(one.kind, one.kind),
            time.stand(one.opened_at, operations.at),
            "offen" if one.closed_at is None else f"vorbei seit {time.stand(one.closed_at, operations.at)}",
            one.subject,
        )
        for one in ordered[:_LONGEST]
    ]
    heads = ("Was", "Art", "bemerkt", "Zustand", "Kennung")
    return TableView(
        "ereignisse", "Ereignisse", _shown(len(rows), len(ordered)), heads, rows,
        "Nichts ist verstummt, stehen geblieben oder leer.",
        "Von selbst bemerkt und von selbst wieder geschlossen; niemand muss dafür etwas einstellen.",
    )  # fmt: skip


def _agents(operations: Operations, time: LocalTime) -> TableView:
    rows = [
        (
            agent.agent,
            _state(agent.last_journalled_at, operations, AGENT_SILENT),
            _moment(agent.last_journalled_at, operations, time),
            _transit(agent),
            "–" if agent.highest_sequence is None else number(agent.highest_sequence, 0),
            agent.name,
        )
        for agent in sorted(operations.agents, key=lambda one: (one.last_journalled_at or _EVER, one.agent))
    ]
    heads = ("Agent", "Zustand", "zuletzt angekommen", "Uhr gegen Plattform", "höchste Nummer", "Ort")
    return TableView(
        "agenten", "Agenten", "Längstes Schweigen zuerst", heads, rows, "Noch kein Agent ist bekannt.",
    )  # fmt: skip


def _health(operations: Operations) -> TableView:
    rows = [
        (agent.agent, *(_figure(agent.health.get(name), name) for name in _HEALTH))
        for agent in operations.agents
        if agent.health
    ]
    heads = (
        "Agent",
        "Rückstand",
        "ältester",
        "verworfen",
        "abgelehnt",
        "Platz frei",
        "Uhr weicht ab",
        "Speicher",
    )
    return TableView(
        "selbstauskunft", "Rückstand, Uhr und Platz", "Was jeder Agent zuletzt von sich sagte", heads, rows,
        "Noch keine Selbstauskunft.",
    )  # fmt: skip


def _gateways(operations: Operations, time: LocalTime) -> TableView:
    rows = [
        (
            gateway.name or gateway.gateway,
            _word(gateway.last_sign, silent=silent_gateway(gateway, operations)),
            _moment(gateway.last_received_at, operations, time),
            "–" if gateway.stat_interval is None else _moment(gateway.last_stat_at, operations, time),
            number(gateway.receptions, 0),
            gateway.gateway,
        )
        for gateway in sorted(operations.gateways, key=lambda gateway: gateway.last_sign or _EVER)
    ]
    heads = ("Gateway", "Zustand", "letzter Empfang", "letzte Statistik", "Empfänge", "EUI")
    return TableView("gateways", "Gateways", "Längstes Schweigen zuerst", heads, rows, "Noch kein Empfang.")


def _modules(operations: Operations, time: LocalTime) -> TableView:
    rows = [
        (
            f"{module.name}: {module.sensor}",
            _module_word(module, operations),
            _moment(module.last_sign, operations, time),
            module.agent,
        )
        for module in sorted(operations.modules, key=lambda module: module.last_sign or _EVER)
    ]
    heads = ("Modul", "Zustand", "letzter Wert", "Agent")
    return TableView("module", "Module", "Längstes Schweigen zuerst", heads, rows, "Kein Modul im Register.")


def _module_word(module: ModuleState, operations: Operations) -> str:
    silent = silent_streams(module, operations)
    if silent and len(silent) < len(module.streams):
        return f"▲ {counted(len(silent), 'Wert fehlt', 'Werte fehlen')}"
    return _word(module.last_sign, silent=bool(silent))


def _silent(operations: Operations, time: LocalTime) -> TableView:
    rows = [
        (
            device.name,
            _moment(device.last_received_at, operations, time),
            duration(device.expected_interval),
            duration(limit_of(device)),
            device.dev_eui,
        )
        for device in silent_devices(operations)
    ]
    heads = ("Gerät", "zuletzt gehört", "erwartet alle", "gilt als stumm nach", "DevEUI")
    return TableView(
        "stumm", "Stumme Geräte", "Längstes Schweigen zuerst", heads, rows,
        "Kein Gerät, das sich je gemeldet hat, ist stumm.",
        "Stumm ist, wer länger schweigt, als sein eigener Rhythmus erklärt; ist der noch nicht gelernt, "
        "drei erwartete Abstände lang, mindestens aber 30 Minuten (bei seltenen Sendern 6 Stunden).",
    )  # fmt: skip


def _gaps(operations: Operations, time: LocalTime) -> TableView:
    ordered = sorted(operations.gaps, key=lambda gap: (not gap.lost, gap.noticed_at))
    rows = [
        (
            gap.agent,
            "verloren" if gap.lost else "noch offen",
            f"{gap.first} bis {gap.last}",
            number(gap.count, 0),
            _moment(gap.noticed_at, operations, time),
        )
        for gap in ordered[:_LONGEST]
    ]
    heads = ("Agent", "Zustand", "Nummern", "Anzahl", "bemerkt")
    return TableView(
        "luecken", "Lücken in der Zählung", _shown(len(rows), len(ordered)), heads, rows,
        "Keine Lücke bekannt.",
    )  # fmt: skip


def _losses(operations: Operations) -> TableView:
    poor = sorted((one for one in operations.devices if one.lost), key=loss, reverse=True)
    rows = [
        (
            one.name,
            number(one.lost, 0),
            f"{number(100 * loss(one), 1)} %",
            number(one.uplinks, 0),
            _recent(one),
            _heard_by(one),
            one.dev_eui,
        )
        for one in poor[:_LONGEST]
    ]
    heads = ("Gerät", "nie gehört", "Anteil", "gehört", "fehlen zuletzt", "Empfang", "DevEUI")
    return TableView(
        "verluste", "Verlorene Funksprüche", _shown(len(rows), len(poor)), heads, rows,
        "Kein Zähler (FCnt) hat eine Lücke.",
        f"Bis {number(100 * LOSS_EXPECTED, 0)} % sind bei LoRaWAN ohne Bestätigung zu erwarten. "
        + _HEARD_NOTE,
    )  # fmt: skip


def _quarantine(operations: Operations, time: LocalTime) -> TableView:
    rows = [
        (
            _moment(entry.at, operations, time),
            f"{entry.way}: {entry.origin}",
            *in_german(entry.reason, entry.remedy),
            entry.excerpt[:64] + ("…" if len(entry.excerpt) > 64 else ""),
        )
        for entry in operations.quarantined[:50]
    ]
    heads = ("Zeit", "Herkunft", "Grund", "Abhilfe", "Bytes (hex)")
    return TableView(
        "quarantaene", "Quarantäne", _shown(len(rows), operations.quarantine), heads, rows,
        "Keine Lieferung musste zurückgelegt werden.",
    )  # fmt: skip


def _webhooks(operations: Operations, time: LocalTime) -> TableView:
    heads = ("Projekt", "Was wurde daraus", "Anzahl", "zuletzt", "Abhilfe")
    found = webhooks.rows(operations, time)
    return TableView(
        "webhooks", "Bürgersensoren und The Things Network", _shown(len(found), len(found)), heads, found,
        "Noch kein Paket eines Projekts.", "Freigeben und ablehnen: /betrieb/buerger",
    )  # fmt: skip


def _mqtt(operations: Operations, time: LocalTime) -> TableView:
    heads, found = ("Zeit", "Was", "Thema", "Grund", "Wer"), mqtt.rows(operations, time)
    refused = operations.mqtt.figures["refused"] if operations.mqtt else 0
    return TableView(
        "mqtt", "SensorThings über MQTT", f"Abgelehnt: {_shown(len(found), refused)}", heads, found,
        "Nichts wurde abgelehnt.", mqtt.note(operations.mqtt),
    )  # fmt: skip


def _counters(operations: Operations) -> TableView:
    duplicates = sum(device.duplicates for device in operations.devices)
    rows = [("weitere Lieferungen desselben Funkspruchs", number(duplicates, 0), "")]
    rows += [
        (counters.in_german(name), number(value, 0), name) for name, value in operations.counters.items()
    ]
    heads = ("Zähler", "Wert", "Name in /metrics")
    return TableView("zaehler", "Zähler", "Seit Beginn, wo nicht „jetzt“ steht", heads, rows, "")


def _devices(operations: Operations, time: LocalTime) -> TableView:
    rows = [
        (
            device.name,
            _moment(device.last_received_at, operations, time),
            duration(device.expected_interval),
            number(device.uplinks, 0),
            number(device.duplicates, 0),
            _recent(device),
            _heard_by(device),
            device.dev_eui,
        )
        for device in sorted(operations.devices, key=_longest_silent)
    ]
    heads = (
        "Gerät", "zuletzt gehört", "erwartet alle", "gehört", "Dubletten", "fehlen zuletzt", "Empfang",
        "DevEUI",
    )  # fmt: skip
    return TableView(
        "geraete", "Alle Geräte", _shown(len(rows), len(rows)), heads, rows, "Noch kein Gerät im Register.",
        _HEARD_NOTE,
    )  # fmt: skip


def _recent(device: DeviceState) -> str:
    return f"{device.recent_missing} von {device.recent_sent}" if device.recent_sent else "–"


def _heard_by(device: DeviceState) -> str:
    """The gateways that hear it most, each with its share and newest signal; no line break within one."""
    named = [
        f"{one.gateway.removeprefix('Gateway ')} {one.uplinks}×{_signal(one)}".replace(" ", _UNBROKEN)
        for one in device.heard_by[:_GATEWAYS_NAMED]
    ]
    more = len(device.heard_by) - len(named)
    return " · ".join([*named, f"+{more}"] if more > 0 else named) or "–"


def _signal(one: HeardBy) -> str:
    if one.rssi_dbm is None:
        return ""
    return f" ({number(one.rssi_dbm, 0)}" + ("" if one.snr_db is None else f"/{number(one.snr_db, 0)}") + ")"


def _longest_silent(device: DeviceState) -> tuple[datetime, str]:
    return (device.last_received_at or _EVER, device.name)


def _state(moment: datetime | None, operations: Operations, limit: timedelta) -> str:
    return _word(moment, silent=moment is not None and operations.at - moment > limit)


def _word(moment: datetime | None, *, silent: bool) -> str:
    if moment is None:
        return "○ noch nie"
    return "✕ schweigt" if silent else "✓ meldet sich"


def _moment(moment: datetime | None, operations: Operations, time: LocalTime) -> str:
    if moment is None:
        return "noch nie"
    return f"{time.stand(moment, operations.at)} ({age(operations.at - moment)})"


def _transit(agent: AgentState) -> str:
    """An agent's clock ahead of ours is certain; behind may also be the way or a backlog."""
    if agent.last_journalled_at is None or agent.last_sent_at is None:
        return "–"
    seconds = (agent.last_journalled_at - agent.last_sent_at).total_seconds()
    if seconds < 0:
        return f"geht {number(-seconds, 1)} s vor"
    return f"{number(seconds, 1)} s unterwegs"


def _figure(value: float | None, name: str) -> str:
    if value is None:
        return "–"
    if name in ("backlog_age", "clock_offset"):
        return f"{number(value, 1 if name == 'backlog_age' else 3)} s"
    if name not in ("disk_free", "memory"):
        return number(value, 0)
    return f"{number(value / 1000, 1)} GB" if value > _LARGE_MB else f"{number(value, 0)} MB"


def _shown(shown: int, known: int) -> str:
    if shown == known:
        return counted(known, "Eintrag", "Einträge")
    return f"{shown} von {counted(known, 'Eintrag', 'Einträgen')}"
