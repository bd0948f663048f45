"""Laws of the inventory: deterministic, complete, honest about places, and heard by gateways."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from simulators.city import City, Way
from simulators.coverage import SNR_FLOOR, Coverage
from simulators.devices import ENCODERS
from simulators.inventory import build_city
from simulators.places import Places
from simulators.timetable import Timetable, Transmission


def test_the_same_seed_makes_the_same_city_and_another_seed_another(places: Places, city: City) -> None:
    assert build_city(7, places) == city
    other = build_city(8, places)
    assert {d.keys.dev_eui for d in other.devices}.isdisjoint({d.keys.dev_eui for d in city.devices})
    assert [d.thing for d in other.devices] == [d.thing for d in city.devices], "Things keep their keys"


def test_the_city_has_what_it_shall_have(city: City) -> None:
    kinds = Counter(device.kind for device in city.devices)
    assert kinds["waste_bin"] == 60
    assert kinds["paper_container"] == 26
    assert kinds["stream_gauge"] == kinds["rain_gauge"] == 6
    assert kinds["parking_bay"] == 40
    assert len(kinds) >= 8
    assert len(city.gateways) == 9
    assert len(city.poles) == 7
    assert sum(d.place.district == "poeppinghausen" for d in city.devices if d.kind == "waste_bin") == 5
    assert {device.profile for device in city.devices} <= set(ENCODERS)
    assert len({device.thing for device in city.devices}) == len(city.devices)


def test_devices_take_all_the_ways(city: City) -> None:
    ways = Counter(device.way for device in city.devices)
    assert ways[Way.THINGS_MQTT] == ways[Way.THINGS_WEBHOOK] == 8
    assert 10 <= ways[Way.CHIRPSTACK] <= 32
    by_radio = ways[Way.RADIO] + ways[Way.RADIO_UNKNOWN]
    assert 0.08 < ways[Way.RADIO_UNKNOWN] / by_radio < 0.25
    assert 40 <= sum(device.also_chirpstack for device in city.devices) <= 80
    assert all(device.citizen == device.way.by_things_stack for device in city.devices)


def test_two_devices_share_a_device_address(city: City) -> None:
    addresses = Counter(device.keys.dev_addr for device in city.devices if device.way is Way.RADIO)
    assert max(addresses.values()) == 2


def test_invented_places_say_so(city: City) -> None:
    assert all(device.place.confidence == "sim_only" for device in city.devices if device.kind == "waste_bin"
               and device.thing != "unterflur-altstadt-markt")  # fmt: skip
    assert all(pole.confidence == "sim_only" for pole in city.poles)
    for device in city.devices:
        assert 51.50 < device.place.latitude < 51.63
        assert 7.22 < device.place.longitude < 7.39


def test_citizens_homes_are_rounded_to_a_hundred_metres(city: City) -> None:
    for device in city.devices:
        if device.citizen:
            assert round(device.place.latitude, 3) == device.place.latitude
            assert round(device.place.longitude, 3) == device.place.longitude


def test_devices_are_heard_by_one_to_four_gateways_above_their_floor(
    city: City, coverage: Coverage, morning: list[Transmission]
) -> None:
    heard_by = Counter(len(one.heard) for one in morning)
    assert set(heard_by) <= {0, 1, 2, 3, 4}
    assert heard_by[2] + heard_by[3] + heard_by[4] > heard_by[1]
    for one in morning:
        assert one.lost or one.heard
        assert all(ear.snr_db >= SNR_FLOOR[one.spreading_factor] for ear in one.heard)
    nearest = {device.thing: coverage.reach(device).gateways[0] for device in city.devices}
    assert len(set(nearest.values())) >= 7, "all quarters of the town are covered by their own gateway"


def test_a_fortnight_is_what_a_small_machine_can_send(timetable: Timetable) -> None:
    start = datetime(2026, 11, 10, tzinfo=UTC).timestamp()
    day = timetable.between(start, start + 86_400)
    assert 9_000 < len(day) < 14_500


def test_a_thing_is_found_by_key_or_dev_eui(city: City) -> None:
    device = city.devices[3]
    assert city.device(device.thing) is device
    assert city.device(device.keys.dev_eui.hex().upper()) is device
    with pytest.raises(ValueError, match="no device 'behälter'"):
        city.device("behälter")
