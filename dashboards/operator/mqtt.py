"""SensorThings by MQTT: who listens, and what clients were refused and why."""

from __future__ import annotations

from collections.abc import Mapping

from dashboards.operator.report import MqttState, Operations
from dashboards.wording import LocalTime, counted, number

_LONGEST = 80
_WANTED: Mapping[str, str] = {
    "connect": "verbinden",
    "subscribe": "abonnieren",
    "publish": "schreiben",
    "publish now": "schreiben (vorübergehend nicht möglich)",
}


def rows(operations: Operations, time: LocalTime) -> list[tuple[str, str, str, str, str]]:
    """One line per refusal, newest first."""
    refusals = operations.mqtt.refusals if operations.mqtt else ()
    return [
        (
            time.stand(one.at, operations.at),
            _WANTED.get(one.wanted, one.wanted),
            _short(one.topic) or "–",
            one.why,
            f"{'ohne Schlüssel' if one.who == 'nobody' else one.who} {one.origin}".strip(),
        )
        for one in refusals
    ]


def note(state: MqttState | None) -> str:
    """How it goes since the interface was started, in one line."""
    if state is None:
        return ""
    found = state.figures
    parts = [
        counted(found["clients"], "verbundenes Programm", "verbundene Programme"),
        counted(found["subscriptions"], "Abonnement", "Abonnements"),
        f"{counted(found['sent'], 'Nachricht', 'Nachrichten')} gesendet",
        f"{counted(found['created'], 'Wert', 'Werte')} angenommen",
        f"{number(found['refused'], 0)} abgelehnt",
        f"{number(found['dropped'], 0)} getrennt",
    ]
    if found["missed_appends"]:
        parts.append(f"✕ {number(found['missed_appends'], 0)} Lieferungen nicht weitergesagt")
    if state.trouble:
        parts.append(f"✕ pausiert: {state.trouble}")
    return f"{', '.join(parts)}. Gezählt seit dem Start der Schnittstelle (udp run)."


def _short(topic: str) -> str:
    return topic if len(topic) <= _LONGEST else topic[:_LONGEST] + "…"
