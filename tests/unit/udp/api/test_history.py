"""Many series in one answer: the numbers are those of each series alone, and gaps stay gaps."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from edge.wire.identifiers import DevEUI
from udp.api.many_series import step_for
from udp.auth import KeyWish
from udp.policy import Role
from udp.registry.port import Channel, CityDescription, Device
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Quality, Thing, Unit

AIR = ObservedProperty("air_temperature", "Lufttemperatur", "tag:x")
RAIN = ObservedProperty("precipitation", "Niederschlag", "tag:x")
ENERGY = ObservedProperty("energy", "Arbeit", "tag:x")
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def stream(number, thing, measures, unit, **more):
    values = {"key": measures.key, "name": measures.name, "sensor": "s", "access": Access.OPEN,
              "exemption": None, "licence": "dl-de/zero-2-0", "expected_interval_s": 600.0}  # fmt: skip
    values |= more
    return Datastream(id=number, thing=thing, observed_property=measures, unit=Unit(unit, unit), **values)


@pytest.fixture
def stations(city):
    """Two stations in Ickern with the same name, one in Rauxel, a meter; 48 hours each ten minutes."""
    things = tuple(
        Thing(
            key, name, kind, theme, Location(51.5, 7.3, district, district.capitalize()), simulated=key == "a"
        )
        for key, name, kind, theme, district in (
            ("a", "Station", "weather_station", "wetter", "ickern"),
            ("b", "Station", "weather_station", "wetter", "ickern"),
            ("c", "Rauxel Süd", "weather_station", "wetter", "rauxel"),
            ("m", "Rathaus", "meter", "energie", "castrop"),
        )
    )
    streams = (
        stream(0, "a", AIR, "Cel"), stream(1, "b", AIR, "Cel"), stream(2, "c", AIR, "Cel"),
        stream(3, "c", RAIN, "mm"), stream(4, "m", ENERGY, "kWh", expected_interval_s=3600.0),
    )  # fmt: skip
    city.registry.import_city(CityDescription("Stadt", True, things, streams, (), ()))
    city.ids = {
        f"{one.thing}/{one.key}": number for number, one in city.registry.inventory().datastreams.items()
    }
    times = [city.clock[0] - 10 * MINUTE * count for count in range(288, 0, -1)]
    for place, key in enumerate("abc"):
        city.measure(f"{key}/air_temperature", times, [10.0 * place + at % 7 for at in range(288)])
    city.measure("c/precipitation", times, [0.25] * 288)
    return city


def asked(city, query, *, headers=None, status=200):
    answer = city.client.get(f"/api/v1/history?{query}", headers=headers or {})
    assert answer.status_code == status, answer.text
    return answer.json()


def test_each_line_is_what_its_series_says_alone(stations):
    told = asked(stations, "observed_property=air_temperature&every=1h")
    for key in "abc":
        number = stations.ids[f"{key}/air_temperature"]
        alone = stations.client.get(f"/api/v1/datastreams/{number}/observations?every=1h").json()[
            "observations"
        ]
        line = [one for one in told["values"] if one["thing"] == key]
        assert [(one["start"], one["value"], one["low"], one["high"]) for one in line] == [
            (one["start"], one["mean"], one["min"], one["max"]) for one in alone
        ]
        assert len(line) == 24
    starts = [one["start"] for one in told["values"]]
    assert starts == sorted(starts), "boards need it ascending by time, not by series"


def test_lines_are_told_apart_and_say_what_they_are(stations):
    told = {
        (one["thing"], one["series"])
        for one in asked(stations, "observed_property=air_temperature")["values"]
    }
    assert told == {
        ("a", "Station · Lufttemperatur (a/air_temperature) (simuliert)"),
        ("b", "Station · Lufttemperatur (b/air_temperature)"),
        ("c", "Rauxel Süd"),
    }


def test_over_a_district_the_median_and_how_far_apart(stations):
    found = asked(stations, "observed_property=air_temperature&across=district&every=1h")["values"]
    alone = asked(stations, "observed_property=air_temperature&every=1h")["values"]
    for one in found:
        of = [other["value"] for other in alone
              if (other["district"], other["start"]) == (one["district"], one["start"])]  # fmt: skip
        assert (one["low"], one["high"], one["count"]) == (min(of), max(of), len(of))
        assert one["value"] == pytest.approx(sum(of) / len(of)), "the median of one or two is their mean"
    assert {one["series"] for one in found} == {"Ickern (simuliert)", "Rauxel"}
    whole = asked(stations, "observed_property=air_temperature&across=all&every=1h")["values"]
    assert {one["count"] for one in whole} == {3}


def test_a_gap_is_told_as_null_and_only_between_values(stations):
    stations.clock[0] += 6 * HOUR
    stations.measure("c/air_temperature", [stations.clock[0] - 30 * MINUTE], [9.0])
    told = asked(stations, "thing=c&observed_property=air_temperature&every=1h")["values"]
    assert [one["value"] is None for one in told] == [False] * 18 + [True] * 5 + [False]
    others = asked(stations, "thing=a&observed_property=air_temperature&every=1h")["values"]
    assert len(others) == 18, "who fell silent has no future of nulls"


def test_bad_values_do_not_count(stations):
    stations.clock[0] += HOUR
    stations.measure("a/air_temperature", [stations.clock[0] - MINUTE], [999.0], quality=Quality.BAD)
    assert max(one["value"] for one in asked(stations, "observed_property=air_temperature")["values"]) < 30


def test_amounts_are_summed_and_counters_subtracted(stations):
    rain = asked(stations, "observed_property=precipitation&value=total&every=1h")["values"]
    assert [one["value"] for one in rain] == [1.5] * 24
    stations.decide('key = "zaehler"', visible_to='["climate"]')
    key = {"X-Api-Key": stations.keys.make(KeyWish(role=Role.CLIMATE))}
    hours = [stations.clock[0] - HOUR * count for count in range(10, 0, -1)]
    stations.measure("m/energy", hours, [100, 103, 103, 110, 4, 5, 6.5, 7, 8, 9])
    used = asked(stations, "observed_property=energy&value=rise&every=1h&points=24", headers=key)["values"]
    assert [one["value"] for one in used] == [3, 0, 7, None, 1, 1.5, 0.5, 1, 1], (
        "an exchanged counter is no use"
    )
    assert asked(stations, "observed_property=energy")["values"] == [], "and the public sees none of it"


def test_as_many_points_as_there_is_room_for(stations):
    for days in (1, 7, 31, 366, 3660):
        told = asked(
            stations,
            f"observed_property=air_temperature&points=300&from={(stations.clock[0] - days * DAY).date()}",
        )
        steps = {datetime.fromisoformat(one["start"]).timestamp() for one in told["values"]}
        assert 0 < len(steps) <= 301
        assert all(later - early >= 600 for early, later in pairwise(sorted(steps))), (
            "not finer than sensors are"
        )
    assert asked(stations, "every=1h")["every"] == "PT1H"


@pytest.mark.parametrize(
    ("days", "interval_s", "finest", "step"),
    [
        (1, 60, (), 5 * MINUTE),
        (1, 600, (), 10 * MINUTE),
        (1, 21600, (), HOUR),
        (30, 600, (), 3 * HOUR),
        (365, 600, (), 7 * DAY),
        (1, 60, (15 * MINUTE,), 15 * MINUTE),
        (1, 60, (15 * MINUTE, 20 * MINUTE), HOUR),
        (1, 60, (DAY,), DAY),
        (1, 60, (11 * MINUTE,), 11 * DAY),
        (36500, 60, (), 122 * DAY),
    ],
)
def test_the_step_fits_window_sensor_and_policy(days, interval_s, finest, step):
    one = stream(0, "a", AIR, "Cel", expected_interval_s=interval_s)
    found = step_for(days * DAY, 300, [one], finest)
    assert found == step
    assert all(found % fine == timedelta(0) for fine in finest)


def test_what_leaves_in_steps_leaves_in_whole_ones_that_are_over(stations):
    stations.decide('key = "wetter"', visible_to="[]", outside='{ time_step = "1h", current = "step" }')
    stations.clock[0] += 25 * MINUTE
    stations.measure("a/air_temperature", [stations.clock[0] - MINUTE], [25.0])
    told = asked(
        stations, f"observed_property=air_temperature&points=2000&to={stations.clock[0]:%FT%H:17:00}Z"
    )
    assert told["every"] == "PT1H"
    assert told["to"] == f"{stations.clock[0]:%FT%H}:00:00Z"
    refused = asked(stations, "observed_property=air_temperature&every=10m", status=422)
    assert "steps of 60m" in refused["detail"]


def test_all_may_be_asked_for_by_a_star(stations):
    plain, starred = (
        asked(stations, f"observed_property=precipitation{more}")["values"]
        for more in ("", "&district=*&thing=*&kind=*&theme=*")
    )
    assert plain == starred != []
    assert stations.client.get("/api/v1/latest?district=*&kind=meter&thing=*").status_code == 422, (
        "no meter is open"
    )
    latest = stations.client.get("/api/v1/latest?thing=c&observed_property=precipitation&kind=*").json()
    assert [one["unit"] for one in latest["values"]] == ["mm"]


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("value=median", 422, "known are mean, min, max, total, rise"),
        ("across=town", 422, "known are series, district, all"),
        ("across=all", 422, "make no median; name one observed_property"),
        ("theme=unfug", 422, "known are"),
        ("every=1m", 413, "at once"),
        ("points=5", 422, "10"),
        ("from=2026-11-22&to=2026-11-21", 422, "exchange them"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_remedy(stations, query, status, words):
    assert words in asked(stations, query, status=status)["detail"]


def test_a_citizens_line_says_so(stations):
    before = stations.registry.inventory()
    eui = DevEUI.parse("00000000000000c1")
    device = Device(eui, "c", "p", "p", (Channel(2, "t"), Channel(3, "r")), 600.0, citizen=True)
    streams = tuple(replace(one, id=number) for number, one in enumerate(before.datastreams.values()))
    stations.registry.import_city(
        CityDescription("Stadt", True, tuple(before.things.values()), streams, (device,), ())
    )
    told = asked(stations, "thing=c&observed_property=air_temperature", headers=stations.operator)["values"]
    assert {one["series"] for one in told} == {"Rauxel Süd (Bürgersensor, ungeprüft)"}
