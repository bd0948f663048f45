"""A forecast on the page says that it is one, when it was issued, how sure it is, and what nobody knows."""

from datetime import UTC, datetime, timedelta

import pytest

NOW = datetime(2026, 11, 21, 14, 20, tzinfo=UTC)
LEADS = (6, 24, 72, 168)


def iso(moment):
    return moment.isoformat().replace("+00:00", "Z")


def forecast(number, **more):
    issued = NOW - timedelta(minutes=20)
    values = [
        {
            "valid_time": iso(issued + timedelta(hours=h)),
            "lead_s": h * 3600,
            "quantiles": {"0.05": 40.0, "0.1": 41.5, "0.5": 45.0 + h / 4, "0.9": 90.0, "0.95": 95.0},
        }
        for h in LEADS
    ]
    return {
        "forecast": True, "datastream": number, "product": "fuellstand", "issued_at": iso(issued),
        "model": "pooled inflow rate", "fallback": False, "reason": None,
        "remarks": ["Gilt, wenn der Behälter nicht geleert wird"],
        "summary": {"critical_percent": 80.0, "hours_to_critical": 61.0, "hours_to_critical_10": 30.0,
                    "hours_to_critical_90": None},
        "values": values,
        "probability": {"level": 80.0, "values": [{"lead_s": 86400, "probability": 0.12}]},
    } | more  # fmt: skip


def card(**more):
    return {
        "product": "fuellstand", "group": "waste_bin", "fitted_at": iso(NOW), "usable": True,
        "verdict": "In Gebrauch: mittlerer Fehler 4,2 gegen 4,5 bei „mittleres Tempo“.", "things": ["korb"],
        "datastreams": [1],
        "card": {"target": "Füllstand in %", "split": iso(NOW - timedelta(days=5)), "notes": ["60 Behälter"],
                 "scores": {"pooled inflow rate": {"mae": 4.2, "coverage80": 0.81},
                            "mean pace": {"mae": None}},
                 "labels": {"mae": "mittlerer Fehler", "pooled inflow rate": "Zuflussmodell"}},
    } | more  # fmt: skip


@pytest.fixture
def bin_page(city, public, tmp_path):
    number = city.stream(
        city.place("korb", theme="papier-und-abfall"), "fill_level", "Füllstand", ("%", "Prozent"), 3600
    )
    for hour in range(48):
        city.observe(number, NOW - timedelta(hours=hour, minutes=20), 44.0)
    city.value(number, 44.0)

    def drawn(**more):
        city.forecasts = [forecast(number, **more)]
        city.models = [card()]
        public.round()
        return (tmp_path / "pages" / "messwert" / str(number) / "index.html").read_text(encoding="utf-8")

    return drawn


def test_a_forecast_says_what_it_is_and_how_sure(bin_page, tmp_path):
    text = bin_page().replace("\u00a0", " ")
    for words in (
        "Prognose (simuliert)", "In 24 Stunden etwa 51 % (in 9 von 10 Fällen zwischen 40 und 95)",
        "80 % wahrscheinlich am Di, 24.11.", "frühestens am So, 22.11.", "24 Stunden 12 %",
        "Gilt, wenn der Behälter nicht geleert wird.", "21.11.2026, 15:00 Uhr", "/prognosen/",
    ):  # fmt: skip
        assert words in text, words
    assert 'aria-labelledby="prognose-b-t prognose-b-d"' in text
    (table,) = (tmp_path / "pages").rglob("prognose.csv")
    rows = table.read_text(encoding="utf-8").splitlines()
    assert len(rows) == 1 + len(LEADS) and all(",true,2026-11-21T14:00:00Z," in row for row in rows[1:])


def test_without_a_forecast_the_page_says_why(bin_page):
    text = bin_page(
        values=[], probability=None, reason="Der Sensor schweigt seit mehr als zwei Tagen", summary={}
    )
    assert "Keine Prognose: Der Sensor schweigt seit mehr als zwei Tagen." in text
    assert "prognose.csv" not in text


def test_half_an_interval_is_not_drawn(bin_page):
    broken = [{"valid_time": iso(NOW), "lead_s": 3600, "quantiles": {"0.5": 3.0, "0.95": None}}]
    assert "Keine Prognose" in bin_page(values=broken)


def test_what_is_said_of_a_sensor_is_no_forecast(bin_page):
    assert "Prognose (simuliert)" not in bin_page(product="drift", values=[], reason="Drift: zu kurz")


def test_the_models_page_shows_verdict_and_figures(bin_page, tmp_path):
    bin_page()
    text = (
        (tmp_path / "pages" / "prognosen" / "index.html").read_text(encoding="utf-8").replace("\u00a0", " ")
    )
    for words in ("Wie gut sind die Prognosen?", "Messpunkt korb", "In Gebrauch: mittlerer Fehler 4,2",
                  "Zuflussmodell", "4,20", "81 %", "60 Behälter"):  # fmt: skip
        assert words in text, words
