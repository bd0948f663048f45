"""The watch finds what goes wrong by itself, tells it once, and closes it when it is well again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from udp.events.port import EventKind, Trouble
from udp.events.sql import SqlEvents
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles

from .conftest import DEVICES, START, TEN_MINUTES, city_text, eui

EVERYBODY = tuple(range(1, DEVICES + 1))
OTHERS = EVERYBODY[1:]
HOUR = timedelta(hours=1)
FIRST = f"silent device:{eui(1)}"


def test_nobody_who_speaks_is_accused(settled):
    settled.wait(2 * HOUR, EVERYBODY)
    assert settled.open() == {}
    assert settled.watch.silent_after(f"device:{eui(1)}") <= timedelta(minutes=50)


def test_a_silent_device_is_told_once_and_closed_when_it_speaks(settled):
    settled.wait(timedelta(minutes=30), OTHERS)
    assert settled.open() == {}
    settled.wait(timedelta(minutes=25), OTHERS)
    assert list(settled.open()) == [FIRST]
    assert settled.open()[FIRST].startswith("Pegel 1 schweigt seit ")
    assert "Sonst kommt etwa alle 10 Minuten eine Meldung" in settled.open()[FIRST]
    settled.restart()
    settled.wait(timedelta(minutes=40), OTHERS)
    assert [one.subject for one in settled.events.recent(10)] == [f"device:{eui(1)}"]
    settled.wait(timedelta(minutes=10), EVERYBODY)
    assert settled.open() == {}
    (event,) = settled.events.recent(10)
    assert event.opened_at < event.closed_at <= settled.clock[0]


def test_a_gateway_is_missed_within_ten_minutes_and_its_agent_stands_for_it(settled):
    settled.wait(timedelta(minutes=5), EVERYBODY, gateway=False)
    assert settled.open() == {}
    settled.wait(timedelta(minutes=5), EVERYBODY, gateway=False)
    assert list(settled.open()) == ["silent agent:gw-1"]
    settled.wait(timedelta(minutes=3), EVERYBODY)
    assert settled.open() == {}


@pytest.mark.parametrize("once", [30.0, 600.0, 3600.0])
def test_a_gateway_that_falls_out_is_told_within_ten_minutes_once_however_seldom_it_told_once(town, once):
    """A past of `once` seconds from statistics to statistics, then live ones every half minute."""
    half_minute = timedelta(seconds=30)
    past = [START + number * timedelta(seconds=once) for number in range(100)]
    town.say(past, EVERYBODY)
    town.clock[0] = past[-1]

    def pass_time(rounds: int, *, statistics: bool) -> None:
        for _ in range(rounds):
            town.clock[0] += half_minute
            town.say([town.clock[0]], EVERYBODY, statistics=statistics)
            town.watch.look()

    pass_time(20, statistics=True)
    assert town.open() == {}
    fell_out = town.clock[0]
    pass_time(20, statistics=False)
    assert list(town.open()) == ["silent gateway:gw-1"]
    pass_time(100, statistics=False)
    returned = town.clock[0]
    pass_time(2, statistics=True)
    assert town.open() == {}
    (event,) = town.events.recent(10)
    assert event.opened_at - fell_out <= timedelta(minutes=10)
    assert event.closed_at - returned <= timedelta(minutes=1)
    pass_time(20, statistics=True)
    assert len(town.events.recent(10)) == 1


def test_when_nothing_comes_any_more_it_is_one_event_and_not_one_for_each(settled):
    settled.wait(2 * HOUR, gateway=False)
    assert set(settled.open()) == {"silent network", "silent agent:gw-1"}
    assert "von keinem einzigen Gerät" in settled.open()["silent network"]
    settled.wait(timedelta(minutes=15), EVERYBODY)
    assert settled.open() == {}


def test_a_past_that_still_arrives_is_no_silence(town):
    """Fourteen days come within minutes, everybody hours behind the clock all the while."""
    town.clock[0] = START + timedelta(days=14)
    moments = [START + number * TEN_MINUTES for number in range(14 * 144)]
    for first in range(0, len(moments), 288):
        town.say(moments[first : first + 288], EVERYBODY)
        town.clock[0] += timedelta(seconds=30)
        town.watch.look()
        assert town.open() == {}


def test_a_value_that_stands_still_is_told_and_forgotten_when_it_moves(settled):
    settled.stuck[3] = 47.5
    end = settled.clock[0] + timedelta(days=2, hours=6)
    while settled.clock[0] < end:
        settled.clock[0] += TEN_MINUTES
        settled.speak()
        if settled.clock[0].minute == 0:
            settled.watch.look()
    (reason,) = settled.open().values()
    assert reason.startswith("Pegel 3: Wasserstand steht seit 2 Tagen unverändert auf 47,5 cm.")
    assert list(settled.open()) == [f"stuck datastream:{settled.stream('pegel-3', 'water_level')}"]
    del settled.stuck[3]
    settled.wait(timedelta(minutes=30), EVERYBODY)
    assert settled.open() == {}


def test_a_battery_is_told_by_its_curve_and_closed_after_the_change(settled):
    settled.volts = 2.0  # two alkaline cells of 1.0 V: 10 percent
    settled.clock[0] += timedelta(days=3)
    settled.say([settled.clock[0] - timedelta(days=2) + number * HOUR for number in range(48)], EVERYBODY)
    settled.wait(HOUR, EVERYBODY)
    batteries = [subject for subject in settled.open() if subject.startswith("battery")]
    assert len(batteries) == DEVICES
    assert settled.open()[batteries[0]].startswith("Pegel 1: Batterie noch etwa 10 %")
    settled.volts = 3.2
    settled.clock[0] += timedelta(days=4)
    settled.say([settled.clock[0] - timedelta(days=4) + number * HOUR for number in range(96)], EVERYBODY)
    settled.wait(HOUR, EVERYBODY)
    assert [subject for subject in settled.open() if subject.startswith("battery")] == []


def test_what_leaves_the_register_leaves_the_open_events(settled):
    settled.wait(HOUR, OTHERS)
    assert list(settled.open()) == [FIRST]
    text = city_text()
    first = text.index("[[thing]]")
    (settled.folder / "city.toml").write_text(
        text[:first] + text[text.index("[[thing]]", first + 1) :], "utf-8"
    )
    settled.registry.import_city(read_city(settled.folder / "city.toml", load_profiles()))
    settled.wait(timedelta(minutes=2), OTHERS)
    assert settled.open() == {}


def test_many_writers_open_an_event_once(settled):
    trouble = Trouble(EventKind.SILENT, "device:x", "schweigt", START)
    logs = [SqlEvents(settled.registry.database) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        begun = list(pool.map(lambda log: log.begin([trouble], START), logs * 5))
    assert sum(begun) == 1
    (event,) = settled.events.open_events()
    assert settled.events.end([event.id, event.id, 999], START + HOUR) == 1
    assert settled.events.begin([trouble], START + 2 * HOUR) == 1
    assert [one.closed_at is None for one in settled.events.recent(10)] == [True, False]
    assert len(settled.events.recent(10, START + timedelta(minutes=90))) == 1
