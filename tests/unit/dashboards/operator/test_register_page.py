"""The register's page and the events on the first one, as those who look after the devices read them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from dashboards.interface import Interface
from dashboards.operator.refresh import OperatorRefresh
from dashboards.page_directory import PageDirectory
from dashboards.templating import operator_environment
from dashboards.wording import LocalTime
from edge.wire.settings import Secret

NOW = datetime(2026, 11, 21, 14, 20, tzinfo=UTC)
HEALTHY = {
    "now": "2026-11-21T14:20:00Z", "conditions": {}, "counters": {}, "gateways": [], "gaps": [],
    "agents": [{"agent": "gw-1", "thing_name": None, "highest_sequence": 1, "health": {},
                "last_sent_at": "2026-11-21T14:19:00Z", "last_journalled_at": "2026-11-21T14:19:00Z"}],
    "devices": [], "quarantine": {"count": 0, "newest": []},
}  # fmt: skip


def event(kind: str, subject: str, reason: str, closed: str | None = None) -> dict[str, Any]:
    return {
        "kind": kind, "subject": subject, "reason": reason, "opened_at": "2026-11-21T10:00:00Z",
        "closed_at": closed,
    }  # fmt: skip


@pytest.fixture
def draw(city: Any, api: str, clock: Any, local: LocalTime, tmp_path: Path) -> Any:
    city.operations = dict(HEALTHY)
    city.register = [
        {
            "dev_eui": "0101010101010101", "thing": "korb-1", "thing_name": "Papierkorb <Markt>",
            "profile": "dingtek-df702", "citizen": False,
            "record": {"owner": "EUV", "height_m": "2.5", "place": "links am Mast", "photo": "korb-1.jpg"},
            "maintenance": [
                {"at": "2026-03-01", "kind": "batterie", "text": "Zelle getauscht", "person": "M. Muster"},
                {"at": "2026-04-02T08:30:00+00:00", "kind": "notiz", "text": "schief", "person": ""},
            ],
        }
    ]  # fmt: skip

    def drawn(page: str) -> str:
        with Interface(api, timedelta(seconds=5), Secret("sesam")) as interface:
            OperatorRefresh(
                interface, PageDirectory(tmp_path / "betrieb", mode=0o640), operator_environment(),
                time=local, city="Castrop-Rauxel", now=clock,
            ).round()  # fmt: skip
        return (tmp_path / "betrieb" / page).read_text(encoding="utf-8").replace("\u00a0", " ")

    return drawn


def test_the_register_says_where_a_device_hangs_and_what_was_done(draw: Any) -> None:
    text = draw("geraete/index.html")
    for said in (
        "Papierkorb &lt;Markt&gt;",
        "links am Mast",
        "2,5 m",
        "EUV",
        "korb-1.jpg",
        "0101010101010101",
    ):
        assert said in text
    assert text.index("02.04.2026 10:30") < text.index("2026-03-01" if "2026-03-01" in text else "01.03.2026")
    assert "Zelle getauscht" in text
    assert "M. Muster" in text
    assert '<a href="/betrieb/">Betrieb</a>' in text
    assert '<a href="/betrieb/geraete/">' in draw("index.html")


def test_events_stand_on_the_first_page_open_ones_first(draw: Any, city: Any) -> None:
    city.operations["events"] = [
        event("silent", "device:1", "Pegel 1 schweigt seit 3 Stunden.", "2026-11-21T13:00:00Z"),
        event("stuck", "datastream:7", "Pegel 2: Wasserstand steht seit 2 Tagen unverändert auf 47 cm."),
        event("battery", "device:2", "Pegel 3: Batterie noch etwa 9 %."),
    ]
    text = draw("index.html")
    assert "1 Wert steht still" in text
    assert "1 Batterie geht zu Ende" in text
    table = text[text.index('id="ereignisse"') :]
    assert table.index("Wasserstand") < table.index("Pegel 1 schweigt")
    assert "vorbei seit" in table


def test_when_nothing_comes_it_is_critical(draw: Any, city: Any) -> None:
    city.operations["events"] = [event("silent", "network", "Seit 2 Stunden kommt nichts.")]
    text = draw("index.html")
    assert "Kein Gerät kommt mehr an" in text
    assert "befund kritisch" in text
