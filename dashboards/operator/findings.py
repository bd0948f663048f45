"""What is wrong, how badly, and what to do: one function per kind of trouble, all pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from dashboards.operator.conditions import meaning
from dashboards.operator.report import DeviceState, Operations
from dashboards.operator.silence import (
    AGENT_SILENT,
    agent_silent,
    silent_devices,
    silent_gateway,
    silent_streams,
)
from dashboards.wording import age, counted, duration, listed, since


class Severity(IntEnum):
    """Sorted worst first."""

    CRITICAL = 0
    WARNING = 1
    NOTICE = 2


@dataclass(frozen=True, slots=True)
class Finding:
    """One trouble: what, since when or how much, and the remedy."""

    severity: Severity
    what: str
    detail: str
    remedy: str


GAP_SETTLES = timedelta(minutes=15)
REPORT_FRESH = timedelta(minutes=2)
# Beyond this a clock spoils the order of measurements of different agents.
CLOCK_TOLERANCE_S = 5.0
# LoRaWAN without confirmation loses frames by plan; at the edge of reach a fifth and more.
LOSS_EXPECTED = 0.3
BACKLOG_OLD_S = 900.0
DISK_LOW_MB = 200.0
_NAMED = 5
_NOTICED = (
    (
        "stuck",
        "Wert steht still",
        "Werte stehen still",
        "Fühler vor Ort prüfen: verschmutzt, vereist, verhakt?",
    ),
    (
        "battery",
        "Batterie geht zu Ende",
        "Batterien gehen zu Ende",
        "Tausch einplanen und im Register eintragen.",
    ),
)


def findings(operations: Operations, now: datetime) -> list[Finding]:
    """Everything that is wrong, worst first."""
    found = [finding for rule in _RULES for finding in rule(operations)]
    if now - operations.at > REPORT_FRESH:
        found.append(
            Finding(
                Severity.CRITICAL,
                "Der Lagebericht ist alt",
                f"Er ist {duration(now - operations.at)} alt; was seitdem geschah, ist unbekannt.",
                "Uhren beider Prozesse vergleichen, Schnittstelle (udp run) neu starten.",
            )
        )
    return sorted(found, key=lambda finding: finding.severity)


def _conditions(operations: Operations) -> Iterator[Finding]:
    for subject, text in sorted(operations.conditions.items()):
        what, follows, remedy = meaning(subject)
        yield Finding(Severity.CRITICAL, what, f"{follows} Wortlaut der Meldung: „{text}“".strip(), remedy)


def _agents(operations: Operations) -> Iterator[Finding]:
    for agent in operations.agents:
        if agent.last_journalled_at is None or agent.last_sent_at is None:
            continue
        quiet = operations.at - agent.last_journalled_at
        if quiet > AGENT_SILENT:
            yield Finding(
                Severity.CRITICAL,
                f"Agent {agent.agent} schweigt",
                f"Seit {duration(quiet)} ist nichts angekommen. Was er hört, behält er im eigenen Speicher.",
                "Strom und Netzanschluss des Gateways prüfen, dann systemctl status udp-edge.",
            )
        ahead = (agent.last_sent_at - agent.last_journalled_at).total_seconds()
        if ahead > CLOCK_TOLERANCE_S:
            yield Finding(
                Severity.WARNING,
                f"Uhr von {agent.agent} geht vor",
                f"Rund {duration(timedelta(seconds=ahead))} gegenüber der Plattform.",
                "Zeitabgleich (NTP oder GPS) auf dem Gateway prüfen: chronyc tracking.",
            )


def _never(operations: Operations) -> Iterator[Finding]:
    never = [agent.agent for agent in operations.agents if agent.last_journalled_at is None]
    if never:
        yield Finding(
            Severity.WARNING,
            f"{counted(len(never), 'Agent hat', 'Agenten haben')} sich noch nie gemeldet",
            f"{_named(never)}.",
            "Läuft udp-edge dort? Stimmen Name, Zertifikat und Adresse der Plattform?",
        )


def _gateways(operations: Operations) -> Iterator[Finding]:
    for gateway in operations.gateways:
        if gateway.last_sign is None or agent_silent(gateway.agent, operations):
            continue
        if silent_gateway(gateway, operations):
            yield Finding(
                Severity.WARNING,
                f"Gateway {gateway.name or gateway.gateway} schweigt",
                f"Letztes Lebenszeichen {age(operations.at - gateway.last_sign)}: seitdem weder Empfang "
                f"noch Statistik (EUI {gateway.gateway}).",
                "Strom, Antenne und Packet Forwarder prüfen; läuft der Agent, fehlt nur der Funk.",
            )


def _modules(operations: Operations) -> Iterator[Finding]:
    for module in operations.modules:
        if agent_silent(module.agent, operations):
            continue
        silent = silent_streams(module, operations)
        if not silent:
            continue
        quiet = operations.at - max(one.last_measured_at for one in silent if one.last_measured_at)
        spoken = len([one for one in module.streams if one.last_measured_at is not None])
        detail = "Die anderen Module laufen weiter." if len(silent) == spoken else (
            f"Es fehlen: {_named([one.name for one in silent])}; die übrigen Werte kommen."
        )  # fmt: skip
        yield Finding(
            Severity.WARNING,
            f"Modul {module.sensor} von {module.name} schweigt seit {since(quiet)}",
            f"{detail} Agent: {module.agent}.",
            "Strom und Modbus-Adresse des Moduls prüfen; das Protokoll von udp-edge nennt den Grund.",
        )


def _health(operations: Operations) -> Iterator[Finding]:
    for agent in operations.agents:
        name, values = agent.agent, agent.health
        dropped, backlog = values.get("dropped_messages", 0), values.get("backlog_age", 0)
        if dropped:
            yield Finding(
                Severity.CRITICAL,
                f"{name} hat verworfen",
                f"Weil der Speicher voll war: {counted(int(dropped), 'Nachricht', 'Nachrichten')}.",
                "Verbindung wiederherstellen, Grenzen des Speichers (spool) prüfen.",
            )
        if refused := int(values.get("refused_messages", 0)):
            yield Finding(
                Severity.CRITICAL,
                f"Eingang lehnt ab, was {name} sendet",
                f"{counted(refused, 'Nachricht bleibt', 'Nachrichten bleiben')} im Speicher des Agenten; er "
                "versucht es stündlich wieder, Neues läuft weiter.",
                "Das Protokoll von udp-edge nennt den Grund; meist sind Agent und Eingang verschieden alt.",
            )
        if damaged := int(values.get("damaged_files", 0)):
            yield Finding(
                Severity.CRITICAL,
                f"Speicher von {name} war beschädigt",
                f"{counted(damaged, 'Datei liegt', 'Dateien liegen')} neben dem neuen Speicher; "
                "was lesbar war, hat der Agent übernommen.",
                "SD-Karte tauschen; den Rest holt sqlite3 DATEI .recover, danach die Datei löschen.",
            )
        if backlog > BACKLOG_OLD_S:
            yield Finding(
                Severity.WARNING,
                f"{name} hat Rückstand",
                f"Die älteste unbestätigte Nachricht ist {duration(timedelta(seconds=backlog))} alt.",
                "Kommt der Rückstand nicht von selbst herunter: Broker und Eingang (udp-ingest) prüfen.",
            )
        offset = values.get("clock_offset", 0)
        if abs(offset) > CLOCK_TOLERANCE_S:
            yield Finding(
                Severity.WARNING,
                f"Uhr von {name} geht falsch",
                f"Abweichung {duration(timedelta(seconds=abs(offset)))}.",
                "Zeitabgleich (NTP oder GPS) auf dem Gateway prüfen: chronyc tracking.",
            )
        if values.get("disk_free", DISK_LOW_MB) < DISK_LOW_MB:
            yield Finding(
                Severity.WARNING,
                f"Platz auf {name} wird knapp",
                f"Noch {values['disk_free']:.0f} MB frei.",
                "Alte Protokolle löschen oder Grenze des Speichers (spool) senken.",
            )


def _gaps(operations: Operations) -> Iterator[Finding]:
    lost = [gap for gap in operations.gaps if gap.lost]
    if lost:
        yield Finding(
            Severity.CRITICAL,
            f"{counted(sum(gap.count for gap in lost), 'Nachricht', 'Nachrichten')} verloren",
            f"Der Agent hat sie nicht mehr: {_named(sorted({gap.agent for gap in lost}))}.",
            "Zweitweg prüfen (ChirpStack, The Things Stack); Speicher des Agenten vergrößern.",
        )
    waiting = [gap for gap in operations.gaps if not gap.lost]
    late = [gap for gap in waiting if operations.at - gap.noticed_at > GAP_SETTLES]
    if waiting:
        yield Finding(
            Severity.WARNING if late else Severity.NOTICE,
            f"{counted(sum(gap.count for gap in waiting), 'Nachricht', 'Nachrichten')} noch unterwegs",
            f"Lücken in der Zählung von {_named(sorted({gap.agent for gap in waiting}))}.",
            "Der Agent sendet von selbst erneut; bleibt die Lücke, seine Verbindung prüfen.",
        )


def _devices(operations: Operations) -> Iterator[Finding]:
    silent = silent_devices(operations)
    if silent:
        yield Finding(
            Severity.WARNING,
            f"{counted(len(silent), 'Gerät schweigt', 'Geräte schweigen')}",
            f"{_named([device.name for device in silent])}.",
            "Batterie und Standort prüfen; mehrere am selben Ort: das Gateway dort.",
        )
    strange = [device for device in operations.devices if not device.known]
    if strange:
        yield Finding(
            Severity.NOTICE,
            f"{counted(len(strange), 'Gerät steht', 'Geräte stehen')} nicht im Register",
            f"{_named([device.dev_eui for device in strange])}.",
            "Eigene Geräte anmelden (udp import-city); fremde darf das Netz hören.",
        )
    unheard = [device for device in operations.devices if device.last_received_at is None]
    if unheard:
        yield Finding(
            Severity.NOTICE,
            f"{counted(len(unheard), 'Gerät wurde', 'Geräte wurden')} noch nie gehört",
            f"{_named([device.name for device in unheard])}.",
            "Schlüssel und DevEUI im Register mit dem Gerät vergleichen.",
        )
    poor = [device for device in operations.devices if loss(device) > LOSS_EXPECTED]
    if poor:
        yield Finding(
            Severity.NOTICE,
            f"{counted(len(poor), 'Gerät verliert', 'Geräte verlieren')} mehr als 30 % der Funksprüche",
            f"{_named([device.name for device in poor])}.",
            "Gateways und Pegel stehen unten (Verlorene Funksprüche); Datenrate senken, Antenne verbessern.",
        )


def loss(device: DeviceState) -> float:
    """Share of the frames that were sent (by the counter) and never heard."""
    sent = device.lost + device.uplinks
    return device.lost / sent if sent else 0.0


def _events(operations: Operations) -> Iterator[Finding]:
    """What no figure above shows: values that stand still, batteries, and the way to us as a whole."""
    opened = [one for one in operations.events if one.closed_at is None]
    for one in (one for one in opened if one.subject == "network"):
        yield Finding(Severity.CRITICAL, "Kein Gerät kommt mehr an", one.reason, "")
    for kind, single, many, remedy in _NOTICED:
        found = [one for one in opened if one.kind == kind]
        if found:
            yield Finding(
                Severity.WARNING,
                counted(len(found), single, many),
                " ".join(one.reason for one in found[:_NAMED])
                + (f" Und {len(found) - _NAMED} weitere, siehe Ereignisse." if len(found) > _NAMED else ""),
                remedy,
            )


def _quarantine(operations: Operations) -> Iterator[Finding]:
    if not operations.quarantine:
        return
    newest = max((entry.at for entry in operations.quarantined), default=operations.at)
    fresh = operations.at - newest < timedelta(days=1)
    yield Finding(
        Severity.WARNING if fresh else Severity.NOTICE,
        f"{counted(operations.quarantine, 'Lieferung', 'Lieferungen')} in Quarantäne",
        f"Die jüngste kam {age(operations.at - newest)}.",
        "Grund und Abhilfe stehen unten je Lieferung; danach udp-ingest replay.",
    )


def _nothing(operations: Operations) -> Iterator[Finding]:
    heard = [one.last_journalled_at for one in operations.agents]
    heard += [one.last_received_at for one in operations.devices]
    if not any(heard):
        yield Finding(
            Severity.WARNING,
            "Noch nichts empfangen",
            "Weder ein Agent noch ein Gerät hat sich je gemeldet.",
            "Laufen Broker, Agenten und Eingang? udp-ingest run zeigt Verbindungsfehler.",
        )


def _named(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    if len(names) <= _NAMED:
        return listed(names)
    return f"{', '.join(names[:_NAMED])} und {len(names) - _NAMED} weitere"


_RULES: tuple[Callable[[Operations], Iterator[Finding]], ...] = (
    _conditions, _agents, _never, _gateways, _modules, _health, _gaps, _devices, _events, _quarantine,
    _nothing,
)  # fmt: skip
