# ruff: noqa: E501 - tables of cases are read line by line
"""How finely data leave is decided by the policy and enforced in the values, whichever the series."""

import json
from datetime import datetime, timedelta

import pytest

HOUR = '{ time_step = "1h", current = "step" }'


@pytest.fixture
def hourly(measured):
    """Weather in whole hours that are over; measured every ten minutes, 60 odd values."""
    start = measured.clock[0] - timedelta(hours=10)
    times = [start + timedelta(minutes=10 * count, seconds=17) for count in range(60)]
    measured.measure("wetter-1/air_temperature", times, [float(count) for count in range(60)])
    measured.clock[0] += timedelta(minutes=25)
    measured.decide('key = "wetter"', outside=HOUR)
    return measured


def one(city, path, **more):
    answer = city.client.get(path, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_the_newest_value_is_the_mean_of_the_last_hour_that_is_over(hourly):
    (value,) = one(hourly, "/api/v1/latest?theme=wetter")["values"]
    # 11:00 to 12:00: counts 54 to 59 and -3.5 measured at 11:55.
    assert value["value"] == pytest.approx((sum(range(54, 60)) - 3.5) / 7)
    assert (value["phenomenon_time"], value["result_time"]) == (
        "2026-11-21T11:00:00Z",
        "2026-11-21T12:00:00Z",
    )
    assert value["stale"] is False
    (seen,) = one(hourly, "/api/v1/latest?theme=wetter", headers=hourly.operator)["values"]
    assert seen["phenomenon_time"] == "2026-11-21T11:55:00Z"
    assert seen["value"] == -3.5


def test_a_new_value_moves_nothing_before_its_hour_is_over(hourly):
    before = hourly.client.get("/api/v1/latest?theme=wetter")
    hourly.measure("wetter-1/air_temperature", [hourly.clock[0] - timedelta(minutes=1)], [99.0])
    again = hourly.client.get("/api/v1/latest?theme=wetter")
    assert "99" not in again.text
    assert before.json()["values"] == again.json()["values"]
    hourly.clock[0] += timedelta(minutes=35)
    assert one(hourly, "/api/v1/latest?theme=wetter")["values"][0]["value"] == 99.0


def test_live_begins_with_the_same(hourly):
    async def first():
        from udp.api.view import Filter
        from udp.policy import PUBLIC

        feed = hourly.client.app.state.feed
        listener = await feed.join(PUBLIC, Filter(theme="wetter"))
        text = listener.queue.get_nowait().decode()
        feed.close()
        return text

    import asyncio

    text = asyncio.run(first())
    assert '"phenomenon_time":"2026-11-21T11:00:00Z"' in text
    assert "-3.5" not in text


@pytest.mark.parametrize("query", ["", "?format=csv", "?every=20m", "?every=90m"])
def test_single_values_and_finer_steps_are_refused(hourly, query):
    answer = hourly.client.get(
        f"/api/v1/datastreams/{hourly.ids['wetter-1/air_temperature']}/observations{query}"
    )
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "1h" in answer.json()["detail"] or "60m" in answer.json()["detail"]


def test_history_comes_in_whole_hours_that_are_over(hourly):
    path = f"/api/v1/datastreams/{hourly.ids['wetter-1/air_temperature']}/observations?every=1h"
    found = one(hourly, path)["observations"]
    assert {datetime.fromisoformat(row["start"]).minute for row in found} == {0}
    assert found[-1]["start"] == "2026-11-21T11:00:00Z"


def test_it_does_not_leave_by_sensorthings(hourly):
    number = hourly.ids["wetter-1/air_temperature"]
    assert hourly.client.get(f"/v1.1/Datastreams({number})").status_code == 404
    assert "air_temperature" not in hourly.client.get("/v1.1/Datastreams?$expand=Observations").text
    assert hourly.client.get(f"/v1.1/Datastreams({number})", headers=hourly.operator).status_code == 200


def test_rounded_places_leave_nowhere_else_as_they_are(measured):
    exits = ("/api/v1/things", "/api/v1/things?format=geojson", "/api/v1/things/wetter-1",
             "/v1.1/Locations", "/v1.1/FeaturesOfInterest", "/v1.1/Things?$expand=Locations")  # fmt: skip
    measured.decide('key = "wetter"', outside="{ place_m = 500 }")
    measured.decide('key = "papier-und-abfall"', outside="{ place_m = 500 }")
    for path in exits:
        text = measured.client.get(path).text
        assert "51.55," not in text.replace(" ", "")
        assert "51.55}" not in text
        assert "volumen_l" not in text, path
        assert "51.55" in measured.client.get(path, headers=measured.operator).text
    near = "st_within(location,geography'POLYGON((7.3099 51.5499,7.3101 51.5499,7.3101 51.5501,7.3099 51.5501,7.3099 51.5499))')"
    found = measured.client.get("/v1.1/Locations", params={"$filter": near, "$count": "true"}).json()
    assert found["@iot.count"] == 0


def test_a_decision_counts_from_the_next_request_on(measured):
    assert one(measured, "/api/v1/latest?theme=wetter")["count"] == 1
    measured.decide('key = "wetter"', access="restricted", exemption="state")
    assert one(measured, "/api/v1/latest?theme=wetter")["count"] == 0
    assert one(measured, "/api/v1/latest?theme=wetter", headers=measured.operator)["count"] == 1
    measured.policy.write_text("format = 7")
    assert one(measured, "/api/v1/latest?theme=wetter")["count"] == 0


def test_everybody_may_read_the_policy_and_counts_are_of_open_data(measured):
    found = one(measured, "/api/v1/policy")
    by_key = {entry["key"]: entry for entry in found["datasets"]}
    assert by_key["wetter"]["open_datastreams"] == 1
    assert (by_key["zaehler"]["access"], by_key["zaehler"]["exemption"]) == ("internal", "personal")
    assert by_key["zaehler"]["open_datastreams"] == by_key["netz"]["open_datastreams"] == 0
    assert by_key["parken"]["outside"]["time_step_s"] == 900
    assert {entry["retention"]["raw_days"] for entry in found["datasets"]} == {found["journal_kept_days"]}
    assert by_key["buergersensoren"]["outside"]["place_m"] == 100
    assert one(measured, "/api/v1/policy", headers=measured.operator) == found
    assert "Frau S." not in json.dumps(found)
