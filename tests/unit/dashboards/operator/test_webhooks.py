"""Every refusal at a citizen's door has its line on the operator page."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

from dashboards.operator.report import WebhookCount
from dashboards.operator.tables import tables
from dashboards.operator.webhooks import REFUSALS
from dashboards.wording import LocalTime
from udp.ledger.port import PacketOutcome

from .test_findings import HEALTHY


def test_each_way_a_delivery_can_end_has_a_line_and_fresh_refusals_come_first() -> None:
    at = HEALTHY.at
    counts = [
        WebhookCount("b-abcd2345", one.value, number, at - timedelta(hours=number))
        for number, one in enumerate(PacketOutcome, 1)
    ]
    old = WebhookCount("?", "wrong_key", 7, at - timedelta(days=3))
    found = tables(replace(HEALTHY, webhooks=[*counts, old]), LocalTime(ZoneInfo("Europe/Berlin")))
    (table,) = [one for one in found if one.key == "webhooks"]
    assert len(table.rows) == len(PacketOutcome) + 1
    words = [row[1] for row in table.rows]
    assert all(word.startswith("✕") for word in words[: len(REFUSALS)])
    told = " ".join(words)
    assert all(code in told for code in ("401", "403", "413", "422", "429", "200"))
    assert not [one.value for one in PacketOutcome if one.value in told]
    assert "unbekanntes Projekt" in [row[0] for row in table.rows]
