"""Forecasts leave marked as such, with their issue time, and only where their series may be known."""

from datetime import timedelta

import numpy as np
import pytest

from udp.api import forecast_schemas
from udp.forecasting.port import Card, Case, Chance, ForecastKey, Kind, Statement
from udp.store.columns import Observations

LEADS = (3600, 7200)
STEPS = '{ time_step = "1h", current = "step" }'
BANDS = {"0.05": [1.0, 2.0], "0.5": [3.0, 4.0], "0.95": [5.0, 6.0]}


def statement(of, now, **more):
    values = {
        "product": "fuellstand", "issued_at": now, "leads_s": LEADS, "model": "pooled inflow rate",
        "fallback": False, "reason": "", "remarks": ("Gilt, wenn nicht geleert wird",),
        "summary": {"hours_to_critical": 20.0}, "fingerprint": "x", "bands": BANDS,
        "chance": Chance(80.0, (86400,), (0.25,)),
    }  # fmt: skip
    return Statement(of=of, **(values | more))


def case(of, now, **more):
    values = {
        "id": 0, "family": "base", "kind": "nights", "opened_at": now - timedelta(days=3),
        "last_seen_at": now, "closed_at": None, "strangeness": 3.1, "excess": 120.0, "unit": "kWh",
        "cost_eur": 36.0,
        "reason": "Seit einer Woche nachts mehr als sonst: läuft etwas durch?",
    }  # fmt: skip
    return Case(of=of, **(values | more))


@pytest.fixture
def expected(measured):
    now = measured.clock[0]
    said = [statement(one, now) for one in measured.ids.values()]
    cards = [Card("fuellstand", "bin", now, tuple(measured.ids.values()), True, "In Gebrauch.", {"seed": 0})]
    closed = case(measured.ids["geheim-1/fill_level"], now, family="weekend", closed_at=now)
    measured.forecasts.write(said, cards, [case(measured.ids["geheim-1/fill_level"], now), closed])
    return measured


def test_answers_are_what_the_description_says(expected):
    client, number = expected.client, expected.ids["behaelter-1/fill_level"]
    found = forecast_schemas.ForecastsAnswer.model_validate_json(client.get("/api/v1/forecasts").content)
    one = client.get(f"/api/v1/datastreams/{number}/forecast")
    forecast_schemas.ForecastAnswer.model_validate_json(one.content)
    forecast_schemas.ModelsAnswer.model_validate_json(client.get("/api/v1/models").content)
    cases = client.get("/api/v1/cases?all=true", headers=expected.operator)
    forecast_schemas.CasesAnswer.model_validate_json(cases.content)
    assert found.forecasts and one.json()["forecast"] is True and one.json()["simulated"] is True
    assert [row["lead_s"] for row in one.json()["values"]] == [3600, 7200]
    assert one.json()["values"][0]["valid_time"] == "2026-11-21T13:00:00Z"
    assert one.json()["issued_at"] == "2026-11-21T12:00:00Z"
    assert one.json()["values"][1]["quantiles"] == {"0.05": 2.0, "0.5": 4.0, "0.95": 6.0}


def test_what_is_forecast_of_a_hidden_series_is_hidden(expected):
    client = expected.client
    public = {one["datastream"] for one in client.get("/api/v1/forecasts").json()["forecasts"]}
    assert public == {expected.ids["behaelter-1/fill_level"], expected.ids["wetter-1/air_temperature"]}
    assert set(client.get("/api/v1/models").json()["models"][0]["datastreams"]) == public
    hidden = expected.ids["geheim-1/fill_level"]
    assert client.get(f"/api/v1/datastreams/{hidden}/forecast").status_code == 404
    assert client.get("/api/v1/cases").json()["cases"] == []
    everything = client.get("/api/v1/forecasts", headers=expected.operator).json()
    assert everything["count"] == len(expected.ids)


def test_a_series_that_leaves_in_steps_is_not_forecast_outside(expected):
    expected.decide('key = "wetter"', outside=STEPS)
    public = {one["datastream"] for one in expected.client.get("/api/v1/forecasts").json()["forecasts"]}
    assert public == {expected.ids["behaelter-1/fill_level"]}


@pytest.mark.parametrize("kind", [Kind.QUANTILE, Kind.LOAD])
def test_an_earlier_forecast_comes_from_the_store(expected, kind):
    number, now = expected.ids["behaelter-1/fill_level"], expected.clock[0]
    earlier = now - timedelta(hours=6)
    issued = np.datetime64(earlier.replace(tzinfo=None), "us")
    for level in (0.05, 0.5, 0.95):
        (own,) = expected.forecasts.number([ForecastKey(number, kind, level)]).values()
        leads = np.array(LEADS)
        times = issued + leads * np.timedelta64(1_000_000, "us")
        expected.store.append(
            Observations.build(own, times, leads / 3600 * level, result_time=issued, lead=leads)
        )
    path = f"/api/v1/datastreams/{number}/forecast?issued_at=2026-11-21T06:00:00Z"
    found = expected.client.get(path)
    forecast_schemas.ForecastAnswer.model_validate_json(found.content)
    assert found.json()["issued_at"] == "2026-11-21T06:00:00Z"
    assert found.json()["values"][1]["quantiles"] == {"0.05": 0.1, "0.5": 1.0, "0.95": 1.9}
    assert expected.client.get(path.replace("T06", "T05")).status_code == 404
    rows = expected.client.get(f"/api/v1/datastreams/{number}/observations").json()["observations"]
    assert len(rows) == 24, "measurements only: no forecast may pass for one"


def test_a_verdict_needs_a_key_and_is_kept(expected):
    client = expected.client
    (open_one,) = client.get("/api/v1/cases", headers=expected.operator).json()["cases"]
    path, said = f"/api/v1/cases/{open_one['id']}/verdict", {"verdict": "fine", "note": "Tag der offenen Tür"}
    assert client.post(path, json=said).status_code == 401
    assert client.post(path, json={"verdict": "maybe"}, headers=expected.operator).status_code == 422
    assert client.post("/api/v1/cases/999/verdict", json=said, headers=expected.operator).status_code == 404
    judged = client.post(path, json=said, headers=expected.operator)
    forecast_schemas.CaseAnswer.model_validate_json(judged.content)
    now = expected.clock[0]
    expected.forecasts.write(cases=[case(expected.ids["geheim-1/fill_level"], now, cost_eur=50.0)])
    (again,) = client.get("/api/v1/cases", headers=expected.operator).json()["cases"]
    assert (again["verdict"], again["note"], again["cost_eur"]) == ("fine", "Tag der offenen Tür", 50.0)


def test_without_models_there_are_no_forecasts_and_no_error(measured):
    assert measured.client.get("/api/v1/forecasts").json() == {"count": 0, "forecasts": []}
    number = measured.ids["behaelter-1/fill_level"]
    assert measured.client.get(f"/api/v1/datastreams/{number}/forecast").status_code == 404
