"""What came by the doors of citizens' and schools' projects, and what was turned away there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from dashboards.operator.report import Operations, WebhookCount
from dashboards.wording import LocalTime, age, number

REFUSALS: Mapping[str, tuple[str, str]] = {
    "wrong_key": ("falscher Schlüssel (401)", "Den Betreiber bitten, den Schlüssel neu einzutragen."),
    "not_approved": ("noch nicht freigegeben (403)", "Anmeldungen ansehen: /betrieb/buerger"),
    "too_large": ("zu groß (413)", "Im Webhook nur „Uplink message“ einschalten lassen."),
    "not_readable": ("kein lesbares JSON (422)", "Die Bytes stehen in der Quarantäne."),
    "too_often": ("zu oft (429)", "Den Sendeabstand vergrößern lassen."),
    "set_aside": ("nicht brauchbar", "Grund und Bytes stehen in der Quarantäne."),
}
_FINE = {
    "stored": "gespeichert",
    "nothing": "kein Feld passt",
    "duplicate": "Wiederholung ohne Wirkung (200)",
    "connection": "Verbindung zu TTN",
}
_FRESH = timedelta(days=1)


def rows(operations: Operations, time: LocalTime) -> list[tuple[str, str, str, str, str]]:
    """One line per project and outcome, refusals of the last day first."""
    ordered = sorted(
        operations.webhooks, key=lambda one: (not fresh(one, operations), one.project, one.outcome)
    )
    return [
        (
            "unbekanntes Projekt" if one.project == "?" else one.project,
            word(one),
            number(one.count, 0),
            f"{time.stand(one.last_at, operations.at)} ({age(operations.at - one.last_at)})",
            REFUSALS[one.outcome][1] if one.outcome in REFUSALS else "",
        )
        for one in ordered
    ]


def word(one: WebhookCount) -> str:
    """What became of them."""
    if one.outcome in REFUSALS:
        return f"✕ {REFUSALS[one.outcome][0]}"
    return f"✓ {_FINE.get(one.outcome, one.outcome)}"


def fresh(one: WebhookCount, operations: Operations) -> bool:
    """Whether it is a refusal of the last day."""
    return one.outcome in REFUSALS and operations.at - one.last_at < _FRESH
