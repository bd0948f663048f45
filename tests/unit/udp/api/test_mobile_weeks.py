"""When containers usually have room, and what the register says of charging points."""

from datetime import date, timedelta

import numpy as np
import pytest

from udp.api.mobile import schemas
from udp.api.mobile.weekly import Weeks, profile
from udp.charging.register_file import Point
from udp.charging.taking import take
from udp.registry.port import CityDescription
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Aggregates, Function, Observations

LEVEL = ObservedProperty("fill_level", "Füllstand", "")
MONDAY = np.datetime64("2026-09-28T00:00:00", "us")
HOUR = np.timedelta64(1, "h")


def hours(level_of, *, weeks=6, stream=1):
    """level_of(weekday, hour in UTC) of every hour; None where nothing was measured."""
    rows = [
        (MONDAY + at * HOUR, value)
        for at in range(weeks * 168)
        if (value := level_of(at // 24 % 7, at % 24)) is not None
    ]
    return Aggregates(
        np.full(len(rows), stream), np.array([row[0] for row in rows]),
        {Function.MEAN: np.array([float(row[1]) for row in rows])},
    )  # fmt: skip


def joined(*parts):
    return Aggregates(
        np.concatenate([one.datastream for one in parts]), np.concatenate([one.bucket for one in parts]),
        {Function.MEAN: np.concatenate([one.values[Function.MEAN] for one in parts])},
    )  # fmt: skip


def test_full_at_weekends_and_emptied_on_tuesdays():
    found = profile(hours(lambda day, _: 95 if day in (5, 6, 0) else 60 if day == 4 else 20), [1])
    assert found["meist_frei"] == "Di–Fr"
    assert found["tage"] == {
        "Mo": "oft voll", "Di": "meist frei", "Mi": "meist frei", "Do": "meist frei", "Fr": "meist frei",
        "Sa": "oft voll", "So": "oft voll",
    }  # fmt: skip
    assert found["wochen"] == 6


def test_single_days_stand_for_themselves_and_afternoons_can_differ():
    found = profile(hours(lambda day, hour: 10 if day in (1, 3) else 95 if hour > 12 else 30), [1])
    assert found["meist_frei"] == "Di, Do"
    assert found["tage"]["Fr"] == "wechselnd"


def test_a_site_has_room_where_one_container_has():
    full, empty = hours(lambda *_: 99, stream=1), hours(lambda day, _: 10 if day < 3 else 99, stream=2)
    assert profile(joined(full, empty), [1, 2])["meist_frei"] == "Mo–Mi"


def test_a_full_container_beside_a_silent_one_proves_nothing():
    assert profile(hours(lambda *_: 99), [1, 2]) is None
    assert profile(hours(lambda *_: 10), [1, 2])["meist_frei"] == "Mo–So", "room is room"


def test_two_weeks_are_not_usual():
    assert profile(hours(lambda *_: 10, weeks=2), [1]) is None
    assert profile(hours(lambda _, hour: 10 if hour == 9 else None), [1]) is None, "one hour is no day"


def test_the_hours_of_the_night_do_not_count():
    found = profile(hours(lambda _, hour: 10 if 5 <= hour < 20 else 99), [1])
    assert found["meist_frei"] == "Mo–So"


def test_what_was_made_is_kept():
    weeks = Weeks(hours(lambda *_: 10))
    assert weeks.profile([1]) is weeks.profile([1])


@pytest.fixture
def town(city):
    things = tuple(
        Thing(key, key, "paper_container", "papier-und-abfall", Location(51.5, 7.3, "x", "X"), simulated=True)
        for key in ("offen", "zu")
    )
    streams = tuple(
        Datastream(at, "fill_level", "Füllstand", key, "s", LEVEL, Unit("%", "Prozent"), access,
                   None if access is Access.OPEN else "state",
                   "dl-de/zero-2-0" if access is Access.OPEN else "", 3600.0)
        for at, (key, access) in enumerate([("offen", Access.OPEN), ("zu", Access.RESTRICTED)])
    )  # fmt: skip
    city.registry.import_city(CityDescription("Stadt", True, things, streams, (), ()))
    start = np.datetime64((city.clock[0] - timedelta(weeks=5)).replace(tzinfo=None, minute=5), "us")
    for number in city.registry.inventory().datastreams:
        city.store.append(
            Observations.build(number, start + np.arange(5 * 168) * HOUR, np.full(5 * 168, 30.0))
        )
    return city


def test_the_app_is_told_and_nothing_of_what_is_closed(town):
    body = town.client.get("/app/v1/containers").json()
    schemas.Containers.model_validate(body)
    (one,) = body["features"]
    assert one["properties"]["wochenprofil"]["meist_frei"] == "Mo–So"
    seen = town.client.get("/app/v1/containers", headers=town.operator).json()
    assert {each["id"] for each in seen["features"]} == {"offen", "zu"}


def test_a_series_that_leaves_by_the_day_has_no_profile_by_the_hour(town):
    town.decide('key = "papier-und-abfall"', outside='{ time_step = "1d", current = "now" }')
    (one,) = town.client.get("/app/v1/containers").json()["features"]
    assert one["properties"]["wochenprofil"] is None


def test_the_register_is_believed_for_a_quarter(town):
    point = Point("ladesaeule-bnetza-1", "Stadtwerke", "Münsterplatz", "Münsterplatz 1", 51.56, 7.31,
                  "In Betrieb", "Normalladeeinrichtung", 2, 22.0, "AC Typ 2", None)  # fmt: skip
    take(town.registry.database, [point], date(2026, 11, 1), town.clock[0])

    def told():
        body = town.client.get("/app/v1/charging").json()
        schemas.ChargingPoints.model_validate(body)
        (one,) = body["features"]
        return one["properties"]

    assert told()["register"]["betrieb"] == "in Betrieb"
    assert (told()["zustand"], told()["ladepunkte"], told()["leistung_kw"]) == ("unbekannt", 2, 22.0)
    assert told()["lizenz"] == "cc-by/4.0"
    town.clock[0] += timedelta(days=100)
    assert told()["register"]["betrieb"] == "unbekannt"
