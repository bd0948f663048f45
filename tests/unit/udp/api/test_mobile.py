# ruff: noqa: E501 - tables are read line by line
"""The interface for the city's app: words, nearest first, and unknown wherever nobody knows."""

from datetime import datetime, timedelta

import pytest

from udp.api.mobile import schemas
from udp.forecasting.port import Statement
from udp.registry.port import CityDescription
from udp.sensorthings import (
    LISTED,
    Access,
    Datastream,
    Location,
    ObservedProperty,
    Quality,
    Thing,
    Unit,
)

ZERO = "dl-de/zero-2-0"
HERE = "51.5649,7.3120"
MODELS = {
    "/app/v1/near?near=51.5649,7.3120": schemas.Near,
    "/app/v1/bins": schemas.Bins,
    "/app/v1/containers?near=51.5649,7.3120": schemas.Containers,
    "/app/v1/parking": schemas.CarParks,
    "/app/v1/charging": schemas.ChargingPoints,
    "/app/v1/climate/now": schemas.Climate,
    "/app/v1/warnings": schemas.Warnings,
    "/app/v1/trees": schemas.Trees,
}


def thing(key, kind, theme, north_m, **properties):
    place = Location(51.5649 + north_m / 111_200, 7.3120, "rauxel", "Rauxel")
    return Thing(key, key.title(), kind, theme, place, simulated=True, properties=properties)


def stream(number, of, measures, interval_s=3600.0):
    return Datastream(number, measures, measures, of, "Fühler", ObservedProperty(measures, measures, ""),
                      Unit("1", "1"), Access.OPEN, None, ZERO, interval_s)  # fmt: skip


@pytest.fixture
def town(city):
    waste, cars = "papier-und-abfall", "parken-und-laden"
    things = [
        thing("nah", "waste_bin", waste, 50),
        thing("fern", "waste_bin", waste, 900),
        thing("stumm", "waste_bin", waste, 300),
        thing("einfach", "waste_bin", waste, 10, **{LISTED: ZERO}),
        thing("verschwiegen", "waste_bin", waste, 20),
        *(thing(f"markt-{one}", "paper_container", waste, 100, site="markt", site_name="Markt") for one in "ab"),
        thing("dorf-a", "paper_container", waste, 2000, site="dorf", site_name="Dorf"),
        thing("weiler-a", "paper_container", waste, 700, site="weiler", site_name="Weiler"),
        *(thing(f"platz-{one}", "parking_bay", cars, 60, site="p1", site_name="P1") for one in range(3)),
        thing("saeule-1", "charging_station", cars, 30, **{LISTED: ZERO}, operator="Stadtwerke", power_kw=22.0),
        thing("linde", "tree_pit", "baeume-und-boden", 80),
        thing("station", "weather_station", "wetter", 400),
    ]  # fmt: skip
    measured = [
        *((one, "fill_level", 3600.0) for one in ("nah", "fern", "stumm", "markt-a", "markt-b", "dorf-a", "weiler-a")),
        *((f"platz-{one}", "parking_occupied", 21600.0) for one in range(3)),
        ("linde", "soil_tension", 3600.0),
        ("station", "air_temperature", 600.0),
        ("station", "relative_humidity", 600.0),
    ]  # fmt: skip
    streams = [stream(number, *one) for number, one in enumerate(measured)]
    city.registry.import_city(CityDescription("Stadt", True, tuple(things), tuple(streams), (), ()))
    for number, one in city.registry.inventory().datastreams.items():
        city.ids[f"{one.thing}/{one.key}"] = number
    now = city.clock[0]
    for key, value in (("nah", 85.0), ("fern", 12.0), ("markt-a", 95.0), ("markt-b", 81.0), ("dorf-a", 20.0)):
        city.measure(f"{key}/fill_level", [now - timedelta(minutes=20)], [value])
    city.measure("stumm/fill_level", [now - timedelta(hours=3)], [0.0])
    city.measure("platz-0/parking_occupied", [now - timedelta(hours=2)], [1.0])
    city.measure("platz-1/parking_occupied", [now - timedelta(minutes=7)], [0.0])
    city.measure("linde/soil_tension", [now - timedelta(minutes=20)], [81.0])
    city.measure("station/air_temperature", [now - timedelta(minutes=5)], [21.34])
    return city


def ask(town, address, **headers):
    answer = town.client.get(address, headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()


def told(town, address):
    return {one["id"]: one["properties"] for one in ask(town, address)["features"]}


@pytest.mark.parametrize("address", MODELS)
def test_every_answer_is_what_the_description_says(town, address):
    answer = town.client.get(address)
    said = MODELS[address].model_validate_json(answer.content)
    assert said.version == "1"
    if address != "/app/v1/warnings":
        assert said.features, "an empty list would prove nothing"
        assert answer.headers["content-type"] == "application/geo+json"
        assert said.simuliert and all("Simuliert" in one.properties.hinweis for one in said.features)


def test_a_fill_level_is_a_word_and_a_silent_sensor_is_unknown_never_empty(town):
    found = told(town, "/app/v1/bins")
    assert {key: one["fuellstand"] for key, one in found.items()} == {
        "nah": "voll", "fern": "leer", "stumm": "unbekannt", "einfach": "unbekannt",
    }  # fmt: skip
    assert "85" not in town.client.get("/app/v1/bins?near=51.5649,7.3120&limit=1").text.replace("7.3120", "")
    assert found["stumm"]["stand"] is None and found["stumm"]["gueltig_bis"] is None
    assert found["stumm"]["sensor"] is True and found["einfach"]["sensor"] is False


def test_a_value_turns_unknown_at_the_moment_it_said_it_would(town):
    until = datetime.fromisoformat(told(town, "/app/v1/bins")["fern"]["gueltig_bis"])
    town.clock[0] = until - timedelta(seconds=1)
    assert told(town, "/app/v1/bins")["fern"]["fuellstand"] == "leer"
    town.clock[0] = until + timedelta(seconds=1)
    assert told(town, "/app/v1/bins")["fern"]["fuellstand"] == "unbekannt"


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.SUSPECT])
def test_a_doubtful_value_is_no_word(town, quality):
    town.measure("fern/fill_level", [town.clock[0]], [1.0], quality)
    assert told(town, "/app/v1/bins")["fern"]["fuellstand"] == "unbekannt"


def test_a_value_from_the_future_is_not_believed(town):
    town.measure("fern/fill_level", [town.clock[0] + timedelta(days=30)], [1.0])
    assert told(town, "/app/v1/bins")["fern"]["fuellstand"] == "unbekannt"


def test_nearest_first_with_distance_and_a_way_there(town):
    found = ask(town, f"/app/v1/bins?near={HERE}&limit=3")["features"]
    assert [one["id"] for one in found] == ["einfach", "nah", "stumm"]
    assert found[1]["properties"]["entfernung_m"] == 50
    assert found[1]["properties"]["navigation"]["geo"] == "geo:51.565350,7.312000?q=51.565350,7.312000(Nah)"


def test_a_bin_without_a_sensor_is_shown_only_where_file_and_policy_open_it(town):
    assert "verschwiegen" not in town.client.get("/app/v1/bins").text
    town.decide('key = "papier-und-abfall"', access="internal", exemption="state")
    assert ask(town, "/app/v1/bins")["features"] == []
    assert "einfach" in town.client.get("/app/v1/bins", headers=town.operator).text


def test_where_the_next_is_full_the_next_free_is_named_even_beyond_the_limit(town):
    body = ask(town, f"/app/v1/containers?near={HERE}&limit=1")
    (first,) = body["features"]
    assert (first["id"], first["properties"]["frei"], first["properties"]["fuellstand"]) == (
        "markt",
        "nein",
        "voll",
    )
    assert body["naechster_freier"]["id"] == "dorf", "the site between is silent, and silent is not free"
    assert body["naechster_freier"]["entfernung_m"] == pytest.approx(2000, abs=5)
    assert body["naechster_freier"]["navigation"]["geo"].startswith("geo:51.58")
    town.measure("markt-b/fill_level", [town.clock[0]], [10.0])
    assert ask(town, f"/app/v1/containers?near={HERE}")["naechster_freier"]["id"] == "markt"


def test_bays_are_counted_and_nobody_learns_since_when(town):
    found = told(town, "/app/v1/parking")["p1"]
    assert (found["frei"], found["belegt"], found["unbekannt"]) == (1, 1, 1)
    assert found["stand"] == "2026-11-21T11:45:00Z", "the newest report, rounded as the policy says"
    assert "10:00" not in town.client.get("/app/v1/parking").text
    assert all(set(one) == {"id", "name", "zustand"} for one in found["plaetze"])


def test_a_mean_of_a_step_is_neither_free_nor_taken(town):
    town.decide('key = "parken"', outside='{ time_step = "15m", current = "step" }')
    start = town.clock[0] - timedelta(minutes=15)
    town.measure("platz-1/parking_occupied", [start, start + timedelta(minutes=9)], [0.0, 1.0])
    found = told(town, "/app/v1/parking")["p1"]
    assert found["unbekannt"] == 3, found


def test_charging_points_have_no_state_of_ours(town):
    found = told(town, "/app/v1/charging")["saeule-1"]
    assert (found["zustand"], found["betreiber"], found["leistung_kw"]) == ("unbekannt", "Stadtwerke", 22.0)


def test_trees_speak_by_the_berlin_method(town):
    assert told(town, "/app/v1/trees")["linde"]["wasser"] == "trocken"
    town.measure("linde/soil_tension", [town.clock[0]], [32.0])
    assert told(town, "/app/v1/trees")["linde"]["wasser"] == "gut"


def test_climate_says_what_is_not_known(town):
    body = ask(town, "/app/v1/climate/now")
    station = next(one["properties"] for one in body["features"] if one["id"] == "station")
    assert (
        station["temperatur"]["wert"] == 21.3
        and station["feuchte"] is None
        and station["luft"] == "unbekannt"
    )
    assert body["stadt"]["temperatur"]["wert"] == 21.3 and body["stadt"]["gefuehlt"] is None
    assert "nicht die Gefühlte Temperatur des DWD" in body["stadt"]["gefuehlt_ist"]


def test_without_a_source_the_empty_list_of_warnings_says_that_it_says_nothing(town):
    body = ask(town, "/app/v1/warnings")
    assert (body["warnungen"], body["stand"], body["quelle"]) == ([], None, None)
    assert "heißt nicht, dass keine Gefahr" in body["hinweis"]


def forecast(town, **more):
    values = {
        "of": town.ids["fern/fill_level"], "product": "fuellstand", "issued_at": town.clock[0] - timedelta(hours=1),
        "leads_s": (3600,), "model": "pooled inflow rate", "fallback": False, "reason": "", "remarks": ("wenn nicht geleert",),
        "summary": {"hours_to_critical": 25.0, "hours_to_critical_10": 20.0, "hours_to_critical_90": None}, "fingerprint": "x",
    }  # fmt: skip
    town.forecasts.write([Statement(**(values | more))])
    return told(town, "/app/v1/bins")["fern"]["prognose"]


def test_a_forecast_says_that_it_is_one(town):
    said = forecast(town)
    assert said["voll_ab"] == "2026-11-22T12:00:00Z" and said["voll_spaetestens"] is None
    assert said["text"]["de"] == "Prognose: voraussichtlich voll ab So 22.11., 13 Uhr"
    assert said["prognose"] is True


@pytest.mark.parametrize(
    "more",
    [{"fallback": True}, {"reason": "noch nicht geprüft"}, {"product": "anderes"},
     {"summary": {"hours_to_critical": None}}, {"summary": {"hours_to_critical": 0.5}}],
    ids=str,
)  # fmt: skip
def test_no_model_in_use_no_forecast(town, more):
    assert forecast(town, **more) is None


def test_an_old_forecast_is_none(town):
    assert forecast(town, issued_at=town.clock[0] - timedelta(hours=24, minutes=1)) is None


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/app/v1/near", ["near: is missing", "near=51.5649,7.3120"]),
        ("/app/v1/bins?near=7.3120,51.5649", ["longitude first", "near=51.5649,7.3120"]),
        ("/app/v1/bins?near=48.137,11.575", ["outside the city", "latitude from 51."]),
        ("/app/v1/bins?near=hier", ["near: 'hier'", "latitude,longitude"]),
        ("/app/v1/bins?near=51.5,nan", ["near:", "no place on Earth"]),
        ("/app/v1/bins?near=51.5,7.3,1", ["near:", "latitude,longitude"]),
        ("/app/v1/trees?limit=501", ["limit: 501 is too high", "at most 500"]),
        ("/app/v1/trees?limit=0", ["limit: 0 is too small"]),
        ("/app/v1/parking?nahe=1", ["nahe", "known here are near, limit"]),
        (f"/app/v1/near?near={HERE}&art=hund", ["art: 'hund'", "abfallbehaelter"]),
    ],
)
def test_a_refusal_names_the_parameter_and_the_remedy(town, address, words):
    answer = town.client.get(address)
    assert answer.status_code == 422 and answer.headers["content-type"] == "application/problem+json"
    detail = answer.json()["detail"]
    assert all(word in detail for word in words), detail


def test_an_unchanged_answer_is_not_sent_twice_and_moves_with_what_turns_unknown(town):
    first = town.client.get("/app/v1/bins")
    etag = first.headers["etag"]
    town.clock[0] += timedelta(seconds=30)
    again = town.client.get("/app/v1/bins", headers={"If-None-Match": etag})
    assert again.status_code == 304 and again.content == b""
    town.clock[0] += timedelta(hours=3)
    assert town.client.get("/app/v1/bins", headers={"If-None-Match": etag}).status_code == 200


def test_other_sites_may_ask_and_answers_travel_small(town):
    answer = town.client.get(
        "/app/v1/bins", headers={"Origin": "https://app.example", "Accept-Encoding": "gzip"}
    )
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-encoding"] == "gzip"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert town.client.head("/app/v1/bins").content == b""


def test_everything_around_in_one_answer(town):
    found = ask(town, f"/app/v1/near?near={HERE}&art=baum,ladesaeule")["features"]
    assert [one["properties"]["art"] for one in found] == ["ladesaeule", "baum"]
    kinds = {one["properties"]["art"] for one in ask(town, f"/app/v1/near?near={HERE}")["features"]}
    assert kinds == {"abfallbehaelter", "papiercontainer", "parkplatz", "ladesaeule", "baum"}


def test_a_citizens_place_stays_as_round_as_the_policy_says(town):
    town.decide('key = "baeume-und-boden"', outside="{ place_m = 500 }")
    (feature,) = ask(town, "/app/v1/trees")["features"]
    exact = town.registry.inventory().things["linde"].location
    assert feature["geometry"]["coordinates"] != [exact.longitude, exact.latitude]


def test_the_description_has_all_addresses_with_their_answers(town):
    paths = town.client.get("/api/openapi.json").json()["paths"]
    for address in MODELS:
        operation = paths[address.split("?")[0]]["get"]
        kind = "application/json" if "warnings" in address else "application/geo+json"
        assert "$ref" in operation["responses"]["200"]["content"][kind]["schema"]
        assert list(operation["responses"]["422"]["content"]) == ["application/problem+json"]
