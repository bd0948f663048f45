"""What is computed follows its inputs: late ones, corrected ones, missing ones, closed ones."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from udp.datasets.reading import read_policy
from udp.derived.round import Deriving
from udp.policy import PUBLIC, Gate
from udp.registry.port import CityDescription
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Quality, QualityRule, Thing, Unit
from udp.store.columns import Function, Observations, Period
from udp.store.embedded.store import EmbeddedSettings, EmbeddedStore

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MIDNIGHT = NOW.replace(hour=0)
ZERO = "dl-de/zero-2-0"
MEASURED = (
    ("station", "wetter", "air_temperature", 600.0), ("station", "wetter", "relative_humidity", 600.0),
    ("mast", "luft", "pm10", 600.0), ("mast", "luft", "no2", 600.0),
    ("tonne", "papier-und-abfall", "fill_level", 3600.0),
)  # fmt: skip


def city(closed=()):
    places = {thing: theme for thing, theme, _, _ in MEASURED}
    things = tuple(Thing(key, key, "pole", theme, Location(51.5, 7.3, "x", "X"), simulated=True)
                   for key, theme in places.items())  # fmt: skip
    streams = tuple(
        Datastream(number, key, key, thing, "s", ObservedProperty(key, key, ""), Unit("1", "1"),
                   Access.RESTRICTED if key in closed else Access.OPEN, "state" if key in closed else None,
                   "" if key in closed else ZERO, every)
        for number, (thing, _, key, every) in enumerate(MEASURED)
    )  # fmt: skip
    return CityDescription("Stadt", True, things, streams, (), ())


class Town:
    def __init__(self, folder):
        self.clock = NOW
        self.registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
        self.registry.import_city(city())
        self.store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: self.clock)
        self.deriving = Deriving(self.registry, self.store, lambda: self.clock)

    def close(self):
        self.store.close()
        self.registry.close()

    def id(self, key):
        (found,) = (n for n, one in self.registry.inventory().datastreams.items() if one.key == key)
        return found

    def measure(self, key, at, values, **more):
        times = [np.datetime64(one.replace(tzinfo=None), "us") for one in at]
        more = {"quality": Quality.GOOD, "rule": QualityRule.PASSED} | more
        self.store.append(Observations.build(self.id(key), times, values, **more))

    def read(self, key, **more):
        return self.store.read(
            [self.id(key)], Period(NOW - timedelta(days=40), NOW + timedelta(days=2)), **more
        )

    def again(self):
        """The same by another deriving, which remembers nothing."""
        return Deriving(self.registry, self.store, lambda: self.clock).round()


@pytest.fixture
def town(tmp_path):
    with closing(Town(tmp_path)) as made:
        yield made


def every(start, end, minutes=10):
    return [
        start + timedelta(minutes=n * minutes) for n in range(int((end - start) / timedelta(minutes=minutes)))
    ]


def warm_days(town, days=3, celsius=5.0):
    times = every(MIDNIGHT - timedelta(days=days, hours=1), NOW)
    town.measure("air_temperature", times, [celsius] * len(times))
    town.measure("relative_humidity", times, [50.0] * len(times))
    return times


def test_everything_that_can_be_computed_is_and_only_once(town):
    times = warm_days(town)
    first = town.deriving.round()
    assert first.datastreams == 4 and first.new > len(times)
    felt = town.read("heat_index")
    assert len(felt) == len(times) and set(felt.quality.tolist()) == {Quality.GOOD}
    again = town.again()
    assert (again.new, again.changed, again.withdrawn) == (0, 0, 0)
    assert town.registry.version() == town.deriving.registry.version()


def test_without_input_there_is_no_value(town):
    town.measure("air_temperature", [NOW - timedelta(hours=1)], [20.0])
    town.deriving.round()
    assert len(town.read("heat_index")) == 0, "the humidity is missing"
    assert len(town.read("degree_days")) == 0, "an hour is no day"
    assert len(town.read("fill_class")) == 0


def test_degree_days_are_of_local_days_that_are_over(town):
    warm_days(town, days=3, celsius=5.0)
    town.deriving.round()
    found = town.read("degree_days")
    assert found.result.tolist() == pytest.approx([15.0, 15.0, 15.0])
    assert found.phenomenon_time.astype("datetime64[h]").astype(str).tolist() == [
        "2026-11-17T23",
        "2026-11-18T23",
        "2026-11-19T23",
    ]
    assert (found.result_time >= found.phenomenon_time + np.timedelta64(24, "h")).all(), (
        "nobody knew it earlier"
    )


@pytest.mark.parametrize(("celsius", "degrees"), [(15.0, 0.0), (14.9, 5.1), (-10.0, 30.0), (25.0, 0.0)])
def test_degree_days_have_a_heating_limit(town, celsius, degrees):
    warm_days(town, days=2, celsius=celsius)
    town.deriving.round()
    assert town.read("degree_days").result.tolist() == pytest.approx([degrees, degrees])


def test_a_late_input_changes_the_value_and_its_aggregates(town):
    hour = MIDNIGHT - timedelta(days=20)
    times = every(hour, hour + timedelta(hours=1))
    town.measure("pm10", times, [5.0] * 6)
    town.deriving.round()
    period = Period(hour, hour + timedelta(days=1))

    def day():
        return town.store.aggregate(
            [town.id("air_quality_index")], period, timedelta(days=1), [Function.MAXIMUM]
        )

    assert town.read("air_quality_index").result.tolist() == [1.0]
    assert day().values[Function.MAXIMUM].tolist() == [1.0]
    town.clock += timedelta(hours=1)
    town.measure("no2", times, [70.0] * 6, result_time=times[0].replace(tzinfo=None))
    tally = town.again()
    assert (tally.new, tally.changed) == (0, 1)
    found = town.read("air_quality_index")
    assert (found.result.tolist(), found.revision.tolist()) == ([4.0], [1])
    assert day().values[Function.MAXIMUM].tolist() == [4.0]
    assert town.read("air_quality_index", as_of=NOW).result.tolist() == [1.0], (
        "what was told then stays known"
    )


def test_a_correction_changes_what_rests_on_it(town):
    at = [NOW - timedelta(hours=1)]
    town.measure("air_temperature", at, [32.0])
    town.measure("relative_humidity", at, [60.0])
    town.deriving.round()
    (before,) = town.read("heat_index").result.tolist()
    town.measure("air_temperature", at, [22.0], revision=1)
    town.again()
    (after,) = town.read("heat_index").result.tolist()
    assert before > 36 and after < 24


def test_what_has_lost_its_input_is_withdrawn_and_comes_back_with_it(town):
    at = [NOW - timedelta(hours=1)]
    town.measure("fill_level", at, [90.0])
    town.deriving.round()
    assert town.read("fill_class").result.tolist() == [2.0]
    town.measure("fill_level", at, [90.0], quality=Quality.BAD, rule=QualityRule.RANGE, revision=1)
    assert town.again().withdrawn == 1
    gone = town.read("fill_class")
    assert gone.quality.tolist() == [Quality.BAD] and gone.rule.tolist() == [QualityRule.WITHDRAWN]
    assert town.again().withdrawn == 0
    town.measure("fill_level", at, [10.0], revision=2)
    town.again()
    assert town.read("fill_class").result.tolist() == [0.0]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(Quality.GOOD, Quality.SUSPECT, Quality.SUSPECT), (Quality.GOOD, Quality.UNCHECKED, Quality.UNCHECKED),
     (Quality.SUSPECT, Quality.UNCHECKED, Quality.SUSPECT), (Quality.GOOD, Quality.GOOD, Quality.GOOD)],
)  # fmt: skip
def test_a_value_is_as_good_as_its_worst_input(town, one, other, expected):
    at = [NOW - timedelta(hours=1)]
    town.measure("air_temperature", at, [30.0], quality=one)
    town.measure("relative_humidity", at, [50.0], quality=other)
    town.deriving.round()
    assert town.read("heat_index").quality.tolist() == [expected]


def test_one_false_echo_fills_no_bin(town):
    times = every(NOW - timedelta(hours=6), NOW, 60)
    town.measure("fill_level", times, [10.0, 12.0, 95.0, 14.0, 95.0, 96.0])
    town.deriving.round()
    assert town.read("fill_class").result.tolist() == [0.0, 0.0, 0.0, 0.0, 2.0, 2.0]


def test_an_hour_with_gaps_has_no_air_quality(town):
    hour = NOW - timedelta(hours=3)
    town.measure("pm10", every(hour, hour + timedelta(minutes=40)), [5.0] * 4)
    town.deriving.round()
    assert len(town.read("air_quality_index")) == 0


def test_what_rests_on_closed_inputs_is_closed(town):
    town.deriving.round()
    assert known(town) >= {"heat_index", "air_quality_index", "fill_class", "degree_days"}
    town.registry.import_city(city(closed=("relative_humidity", "no2")))
    closed = known(town)
    assert not closed & {"heat_index", "air_quality_index"}, "at once, before the next round"
    assert closed >= {"fill_class", "degree_days"}
    town.again()
    stream = town.registry.inventory().datastreams[town.id("heat_index")]
    assert (stream.access, stream.exemption) == (Access.RESTRICTED, "state")
    assert known(town) == closed


def known(town, policy=None):
    gate = Gate(policy or read_policy(None))
    return {one.key for one in gate.admit(town.registry.inventory(), PUBLIC).datastreams.values()}


def test_where_the_policy_says_nothing_of_an_input_nothing_is_published_of_what_rests_on_it(town):
    town.deriving.round()
    policy = read_policy(None)
    without = replace(
        policy, datasets=tuple(one for one in policy.datasets if one.key != "wetter"), _rules={}
    )
    assert not known(town, without) & {"heat_index", "degree_days"}


def test_the_register_says_what_from_and_forgets_what_cannot_be_computed_any_more(town):
    town.deriving.round()
    inventory = town.registry.inventory()
    how = inventory.derived[town.id("heat_index")]
    assert how.inputs == (town.id("air_temperature"), town.id("relative_humidity"))
    assert how.version == "1" and "National Weather Service" in how.source
    number = town.id("heat_index")
    kept = city()
    town.registry.import_city(
        replace(kept, datastreams=tuple(s for s in kept.datastreams if s.key != "relative_humidity"))
    )
    town.again()
    assert number not in town.registry.inventory().datastreams
    town.registry.import_city(city())
    town.again()
    assert town.id("heat_index") == number, "numbers never move"


def test_what_was_forgotten_by_retention_stays_computed(town):
    warm_days(town, days=6)
    town.deriving.round()
    before = town.read("degree_days").result.tolist()
    town.store.prune([town.id("air_temperature")], MIDNIGHT - timedelta(days=2))
    tally = Deriving(town.registry, town.store, lambda: town.clock).round(again=True)
    assert tally.withdrawn == 0 and town.read("degree_days").result.tolist() == before


def test_what_retention_took_from_a_computed_series_alone_is_not_computed_again(town):
    warm_days(town, days=6)
    town.deriving.round()
    limit = MIDNIGHT - timedelta(days=2)
    town.store.prune([town.id("heat_index")], limit)
    while town.store.maintain(NOW):
        pass
    left = len(town.read("heat_index"))
    for again in (True, False, True):
        tally = Deriving(town.registry, town.store, lambda: town.clock).round(again=again)
        assert (tally.new, tally.changed, tally.withdrawn) == (0, 0, 0)
    assert len(town.read("heat_index")) == left


def test_a_round_without_news_looks_at_nothing_and_an_hour_that_ended_is_found(town):
    hour = NOW - timedelta(hours=1)
    town.measure("pm10", every(hour, NOW), [5.0] * 6)
    town.deriving.round()
    assert len(town.read("air_quality_index")) == 0, "values of the hour may still be under way"
    town.clock += timedelta(minutes=1)
    assert town.deriving.round().days == 0
    town.clock += timedelta(minutes=11)
    assert town.deriving.round().new == 1
    assert town.read("air_quality_index").result.tolist() == [1.0]
