"""Who listens by MQTT and what was refused stands on the operator page, in German."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from dashboards.operator import mqtt
from dashboards.operator.report import MqttRefusal, MqttState
from dashboards.operator.tables import tables
from dashboards.wording import LocalTime

from .test_findings import HEALTHY

FIGURES = {
    "clients": 1, "subscriptions": 3, "waiting": 0, "sent": 12_345, "created": 7, "refused": 2, "dropped": 1,
    "missed_appends": 0,
}  # fmt: skip
BERLIN = LocalTime(ZoneInfo("Europe/Berlin"))


def told(state: MqttState | None) -> tuple[str, list[str]]:
    (table,) = [one for one in tables(replace(HEALTHY, mqtt=state), BERLIN) if one.key == "mqtt"]
    return table.note, [" ".join(row) for row in table.rows]


def test_figures_and_refusals_in_words_of_people() -> None:
    at = HEALTHY.at - timedelta(minutes=5)
    refusals = [
        MqttRefusal(at, "nobody", "192.0.2.0/24", "publish", "v1.1/Observations", "writing needs a key"),
        MqttRefusal(at, "key abc", "", "subscribe", "x" * 200, "leads to nothing"),
    ]
    words, rows = told(MqttState("", FIGURES, refusals))
    assert words.replace("\u00a0", " ") == (
        "1 verbundenes Programm, 3 Abonnements, 12.345 Nachrichten gesendet, 7 Werte angenommen, "
        "2 abgelehnt, 1 getrennt. Gezählt seit dem Start der Schnittstelle (udp run)."
    )
    assert "schreiben v1.1/Observations writing needs a key ohne Schlüssel 192.0.2.0/24" in rows[0]
    assert "abonnieren" in rows[1] and "key abc" in rows[1] and "…" in rows[1] and len(rows[1]) < 200


def test_trouble_is_marked_and_an_older_interface_says_nothing() -> None:
    words, _ = told(MqttState("disk full", {**FIGURES, "missed_appends": 2}, []))
    assert "✕ pausiert: disk full" in words and "✕ 2 Lieferungen nicht weitergesagt" in words
    assert told(None) == ("", [])
    assert mqtt.note(None) == ""
