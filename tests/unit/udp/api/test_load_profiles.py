"""Who may have load profiles, and how finely."""

from datetime import timedelta

import numpy as np
import pytest

from udp.auth import KeyWish
from udp.policy import Role
from udp.registry.port import CityDescription
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Observations

ENERGY = ObservedProperty("energy", "Elektrische Arbeit", "")


@pytest.fixture
def meters(city):
    """A meter of a large house that the city has opened, and one that is closed."""
    things = tuple(
        Thing(key, key, "meter", "energie", Location(51.5, 7.3, "x", "X"), simulated=True,
              properties={"users": 50.0})
        for key in ("rathaus", "kita")
    )  # fmt: skip
    streams = tuple(
        Datastream(at, "energy", "Strom", key, "s", ENERGY, Unit("kWh", "kWh"), access,
                   None if access is Access.OPEN else "personal",
                   "dl-de/zero-2-0" if access is Access.OPEN else "", 900.0)
        for at, (key, access) in enumerate([("rathaus", Access.OPEN), ("kita", Access.RESTRICTED)])
    )  # fmt: skip
    city.registry.import_city(CityDescription("Stadt", True, things, streams, (), ()))
    start = np.datetime64((city.clock[0] - timedelta(hours=30)).replace(tzinfo=None), "us")
    times = start + np.arange(121) * np.timedelta64(15, "m")
    for number in city.registry.inventory().datastreams:
        city.store.append(Observations.build(number, times, np.arange(121.0)))
    return city


def lines(meters, query="", *, headers=None, status=200):
    answer = meters.client.get(f"/api/v1/load-profiles{query}", headers=headers or {})
    assert answer.status_code == status, answer.text
    return answer.text.splitlines()[1:] if status == 200 else answer.json()["detail"]


def test_operators_get_all_meters_and_the_public_none_of_what_is_internal(meters):
    assert len(lines(meters, headers=meters.operator)) == 2 * 96
    assert lines(meters) == []
    assert "no meter" in lines(meters, "?thing=kita", status=404)


def test_the_climate_team_sees_what_the_policy_shows_it(meters):
    meters.decide('key = "zaehler"', visible_to='["climate"]')
    key = {"X-Api-Key": meters.keys.make(KeyWish(role=Role.CLIMATE))}
    assert len(lines(meters, "?thing=rathaus", headers=key)) == 96
    assert "no meter" in lines(meters, "?thing=kita", headers=key, status=404), (
        "the city file closes it further"
    )


def test_an_opened_meter_leaves_in_its_steps_only(meters):
    """A day is the finest: then no quarter, no hour and no reading."""
    meters.decide('key = "zaehler"', access="open", licence="dl-de/zero-2-0")
    for every in ("15m", "1h", "readings"):
        assert "coarser" in lines(meters, f"?thing=rathaus&every={every}", status=422)
        assert lines(meters, f"?every={every}") == []
    meters.decide('key = "zaehler"', outside='{ time_step = "1h", current = "step", minimum_users = 10 }')
    assert len(lines(meters, "?thing=rathaus&every=1h")) == 24
    assert "coarser" in lines(meters, "?thing=rathaus&every=15m", status=422)
    assert "coarser" in lines(meters, "?thing=rathaus&every=readings", status=422)


def test_a_period_that_runs_is_not_told(meters):
    meters.clock[0] += timedelta(minutes=14)
    last = lines(meters, "?thing=rathaus", headers=meters.operator)[-1].split(";")
    assert last[5] == "2026-11-21T13:00:00+01:00"


def test_too_much_is_refused_before_it_is_read(meters):
    assert "too many" in lines(meters, "?from=2025-12-01", headers=meters.operator, status=413)
    assert "known are" in lines(meters, "?every=7m", headers=meters.operator, status=422)
