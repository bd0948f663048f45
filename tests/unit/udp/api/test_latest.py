"""All current values: complete, honest about age, and cheap to ask again."""

import gzip
import json
from datetime import timedelta

from udp.api import schemas
from udp.sensorthings import Quality


def values(city, query=""):
    return {one["datastream"]: one for one in city.client.get(f"/api/v1/latest{query}").json()["values"]}


def test_every_value_comes_with_what_is_needed_to_show_it(measured):
    answer = measured.client.get("/api/v1/latest")
    schemas.LatestAnswer.model_validate_json(answer.content)
    found = values(measured)[measured.ids["wetter-1/air_temperature"]]
    assert found["value"] == -3.5
    assert found["unit"] == "Cel"
    assert found["phenomenon_time"] == "2026-11-21T11:55:00Z"
    assert (found["age_s"], found["stale"]) == (300, False)
    assert (found["quality"], found["rule"]) == ("good", "passed")
    assert (found["theme"], found["district"], found["simulated"]) == ("wetter", "ickern", True)


def test_filters_choose(measured):
    assert set(values(measured, "?theme=wetter")) == {measured.ids["wetter-1/air_temperature"]}
    assert set(values(measured, "?district=castrop")) == {measured.ids["behaelter-1/fill_level"]}
    assert values(measured, "?theme=wetter&district=castrop") == {}


def test_asking_again_without_news_costs_nothing(measured):
    first = measured.client.get("/api/v1/latest")
    again = measured.client.get("/api/v1/latest", headers={"If-None-Match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == first.headers["etag"]


def test_age_alone_does_not_move_the_etag(measured):
    first = measured.client.get("/api/v1/latest")
    measured.clock[0] += timedelta(minutes=9)
    later = measured.client.get("/api/v1/latest")
    assert later.headers["etag"] == first.headers["etag"]
    assert later.json()["now"] != first.json()["now"]
    assert later.json()["values"][0]["age_s"] == first.json()["values"][0]["age_s"] + 540


def test_a_new_value_moves_the_etag(measured):
    first = measured.client.get("/api/v1/latest").headers["etag"]
    measured.measure("wetter-1/air_temperature", [measured.clock[0]], [-3.5])
    second = measured.client.get("/api/v1/latest", headers={"If-None-Match": first})
    assert second.status_code == 200
    assert second.headers["etag"] != first


def test_a_value_that_becomes_stale_moves_the_etag_too(measured):
    """Else a cache would show a dead sensor as alive for ever."""
    first = measured.client.get("/api/v1/latest").headers["etag"]
    measured.clock[0] += timedelta(hours=3)
    answer = measured.client.get("/api/v1/latest", headers={"If-None-Match": first})
    assert answer.status_code == 200
    assert all(one["stale"] for one in answer.json()["values"])


def test_quality_travels(measured):
    measured.measure("wetter-1/air_temperature", [measured.clock[0]], [99.0], quality=Quality.SUSPECT)
    assert values(measured)[measured.ids["wetter-1/air_temperature"]]["quality"] == "suspect"


def test_packed_and_plain_are_the_same(measured):
    plain = measured.client.get("/api/v1/latest", headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    with measured.client.stream("GET", "/api/v1/latest", headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join(packed.iter_raw())
    assert json.loads(gzip.decompress(raw)) == plain.json()


def test_an_empty_platform_answers_an_empty_list(city):
    answer = city.client.get("/api/v1/latest")
    assert answer.status_code == 200
    assert answer.json()["values"] == []


def test_a_store_that_is_gone_is_said_and_comes_back(measured, tmp_path):
    folder = tmp_path / "store"
    measured.store.close()
    answer = measured.client.get("/api/v1/latest")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert answer.json()["type"] == "/api#store-unavailable"
    assert str(folder) not in answer.text
    assert measured.client.get("/health").status_code == 503
    assert measured.client.get("/api/v1/things").status_code == 200
