"""Load profiles add up, say what they do not know, and readings come back as they left."""

import csv
import io
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from udp.__main__ import main
from udp.energy.intervals import Status, intervals
from udp.energy.obis import code
from udp.energy.sheet import PROFILE
from udp.registry.port import CityDescription
from udp.registry.sql import SqlRegistry
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Quality, QualityRule, Thing, Unit
from udp.store.census import everything
from udp.store.columns import Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

QUARTER = timedelta(minutes=15)
START = datetime(2026, 10, 24, 22, tzinfo=UTC)  # midnight of the day with 25 hours
DAY = Period(START, START + timedelta(hours=25))


def stream(key, observed, unit="kWh", number=1):
    return Datastream(number, key, key, "z", "s", ObservedProperty(observed, observed, ""), Unit(unit, unit),
                      Access.INTERNAL, "personal", "", 3600.0)  # fmt: skip


def thing(key="z", **properties):
    place = Location(51.5, 7.3, "x", "X")
    return Thing(key, f"Zähler {key}", "meter", "energie", place, simulated=True, properties=properties)


def rows(minutes, values, **more):
    base = np.datetime64(START.replace(tzinfo=None), "us")
    times = [base + np.timedelta64(round(one * 60e6), "us") for one in minutes]
    return Observations.build(1, times, values, **more)


@pytest.mark.parametrize(
    ("streams", "properties", "wanted"),
    [
        (["energy"], {}, ["1-0:1.8.0*255"]),
        (
            ["energy", "energy_t2", "energy_export_t1"],
            {},
            ["1-0:1.8.1*255", "1-0:1.8.2*255", "1-0:2.8.1*255"],
        ),
        (["energy"], {"obis": "1-0:2.8.0"}, ["1-0:2.8.0*255"]),
        (["energy"], {"obis": "nonsense"}, ["1-0:1.8.0*255"]),
        (["energy", "energy_t2"], {"obis_energy": "1-0:1.8.0*255"}, ["1-0:1.8.0*255", "1-0:1.8.2*255"]),
    ],
)
def test_electricity_is_named_by_direction_and_tariff(streams, properties, wanted):
    beside = {key: stream(key, "energy") for key in streams}
    assert [code(one, thing(**properties), beside) for one in beside.values()] == wanted


@pytest.mark.parametrize(
    ("observed", "properties", "wanted"),
    [("volume", {}, "8-0:1.0.0*255"), ("volume", {"medium": "gas"}, "7-0:3.0.0*255"),
     ("volume", {"medium": "Warmwasser"}, "9-0:1.0.0*255"), ("heat_energy", {}, "6-0:1.0.0*255"),
     ("power", {}, None)],
)  # fmt: skip
def test_other_media_have_their_own(observed, properties, wanted):
    one = stream(observed, observed)
    assert code(one, thing(**properties), {observed: one}) == wanted


def test_water_of_a_heat_meter_is_no_drinking_water():
    beside = {
        "heat_energy": stream("heat_energy", "heat_energy"),
        "heat_volume": stream("heat_volume", "volume", "m3"),
    }
    assert code(beside["heat_volume"], thing(), beside) == "6-0:2.0.0*255"


@given(some.lists(some.integers(0, 500), min_size=110, max_size=110), some.floats(0.1, 14.9))
def test_periods_add_up_to_what_the_counter_says(steps, offset):
    """Whatever was used and whenever the device reads: no kilowatt-hour is lost or doubled."""
    minutes = [offset - 15 + 15 * at for at in range(len(steps))]
    counter = np.cumsum(steps) / 10
    found = intervals(rows(minutes, counter), DAY, QUARTER)
    assert len(found.used) == 100
    assert np.nansum(found.used) == pytest.approx(
        found.reading[-1] - np.interp(0, minutes, counter), abs=1e-6
    )
    assert set(found.status) <= {Status.TRUE, Status.REPLACED}


def test_a_reading_near_the_quarter_is_measured_and_one_far_from_it_a_replacement():
    near = intervals(rows([0.3 + 15 * at for at in range(110)], np.arange(110.0)), DAY, QUARTER)
    assert set(near.status[1:]) == {Status.TRUE}
    far = intervals(rows([7 + 15 * at for at in range(-1, 110)], np.arange(111.0)), DAY, QUARTER)
    assert set(far.status) == {Status.REPLACED}


def test_silence_is_bridged_for_three_hours_and_then_missing_never_zero():
    short = intervals(rows([0, 170, 185], [100.0, 117.0, 118.5]), DAY, QUARTER)
    assert [one.letter for one in short.status[:13]] == ["E"] * 12 + ["F"]
    assert np.nansum(short.used[:12]) == pytest.approx(18.0)
    long = intervals(rows([0, 15, 240, 255], [100.0, 101.0, 150.0, 151.0]), DAY, QUARTER)
    assert [one.letter for one in long.status[:17]] == ["W", *["F"] * 15, "W"]
    assert np.isnan(long.used[1:16]).all()


def test_an_exchanged_counter_uses_nothing_up_and_gives_nothing_back():
    found = intervals(rows([0, 15, 30, 45], [900.0, 901.0, 3.0, 4.0]), DAY, QUARTER)
    assert [one.letter for one in found.status[:3]] == ["W", "U", "W"]
    assert np.isnan(found.used[1])
    assert found.reading[1] == 3.0


def test_what_was_judged_bad_is_not_there_and_what_is_doubted_is_preliminary():
    judged = [Quality.GOOD, Quality.BAD, Quality.GOOD, Quality.SUSPECT, Quality.GOOD]
    found = intervals(rows([0, 15, 30, 45, 60], [1.0, 999.0, 3.0, 3.5, 4.0], quality=judged), DAY, QUARTER)
    assert [one.letter for one in found.status[:4]] == ["E", "E", "V", "V"]
    assert found.used[:4].tolist() == [1.0, 1.0, 0.5, 0.5]


@pytest.fixture
def city(tmp_path):
    """Two cities with the same meters; the first has readings of a day with 25 hours."""

    class Made:
        pass

    made = Made()
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        things = (thing("strom-1", messlokation="DE00012345"), thing("=gas", medium="gas"))
        streams = tuple(
            Datastream(at, key, key, of, "s", ObservedProperty(observed, observed, ""), Unit(unit, unit),
                       Access.INTERNAL, "personal", "", 900.0)
            for at, (of, key, observed, unit) in enumerate(
                [("strom-1", "energy", "energy", "kWh"), ("=gas", "volume", "volume", "m3")])
        )  # fmt: skip
        registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
        with closing(registry):
            registry.import_city(CityDescription(name, True, things, streams, (), ()))
            numbers = sorted(registry.inventory().datastreams)
        (folder / "udp.toml").write_text(
            f'[registry]\nurl = "sqlite:///{folder}/registry.sqlite"\n'
            f'[store.embedded]\nfolder = "{folder}/store"\n'
        )
        if name == "one":
            with closing(
                EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: datetime.now(UTC))
            ) as store:
                for number in numbers:
                    counted = rows([15 * at for at in range(101)], 1e4 + np.cumsum(np.full(101, 1 / 3)),
                                   quality=Quality.GOOD, rule=QualityRule.PASSED)  # fmt: skip
                    store.append(Observations.build(
                        number, counted.phenomenon_time, counted.result, quality=counted.quality,
                        rule=counted.rule,
                        result_time=counted.phenomenon_time + np.timedelta64(7, "s")))  # fmt: skip
    made.folder = tmp_path
    return made


def run(city, name, *words):
    return main([*words, "--config", str(city.folder / name / "udp.toml"), "--log-level", "ERROR"])


def test_the_day_with_25_hours_has_100_quarters_and_its_third_hour_twice(city):
    file = city.folder / "lastgang.csv"
    assert run(city, "one", "lastgang", "export", str(file), "--thing", "strom-1", "--from", "2026-10-25",
               "--to", "2026-10-26") == 0  # fmt: skip
    table = list(csv.DictReader(io.StringIO(file.read_text()), delimiter=";"))
    assert tuple(table[0]) == PROFILE
    assert len(table) == 100
    twice = [one["von"] for one in table if one["von"][11:16] == "02:30"]
    assert twice == ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
    assert {
        (one["messstelle"], one["obis"], one["einheit"], one["status"], one["mscons"]) for one in table
    } == {("DE00012345", "1-0:1.8.0*255", "kWh", "W", "220")}
    assert {one["verbrauch"] for one in table} == {"0,333333"}
    total = float(table[-1]["zaehlerstand"].replace(",", ".")) - 1e4 - 1 / 3
    assert total == pytest.approx(100 / 3, abs=1e-5)


def test_readings_are_read_back_without_loss_and_twice_changes_nothing(city, capsys):
    file = city.folder / "staende.csv"
    words = ("--from", "2026-10-25", "--to", "2026-10-27", "--every", "readings")
    assert run(city, "one", "lastgang", "export", str(file), *words) == 0
    assert "'=gas" in file.read_text(), "no spreadsheet runs it as a formula"
    for _ in range(2):
        assert run(city, "two", "lastgang", "import", str(file)) == 0
    assert "202 Zählerstände von 2 Zählern" in capsys.readouterr().out
    kept = []
    for name in ("one", "two"):
        settings = EmbeddedSettings(city.folder / name / "store")
        with closing(EmbeddedStore(settings, lambda: datetime.now(UTC))) as store:
            kept.append(store.read(range(10), everything()))
    assert len(kept[0]) == 202
    for column in ("datastream", "phenomenon_time", "result_time", "result", "quality", "rule", "revision"):
        np.testing.assert_array_equal(getattr(kept[0], column), getattr(kept[1], column))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [("DE00012345", "DE9", "Zeile 2: DE9 energy"), (";kWh;", ";Wh;", "Zeile 2: Einheit 'Wh'"),
     ("10000,3333", "viel", "Zeile 2:"), ("+02:00;", ";", "keinen Zeitversatz"),
     ("zaehlerstand", "stand", "Zeile 1"), (";good;", ";gut;", "Zeile 2:")],
)  # fmt: skip
def test_a_wrong_line_is_named_and_nothing_is_taken(city, capsys, old, new, told):
    file = city.folder / "staende.csv"
    run(city, "one", "lastgang", "export", str(file), "--from", "2026-10-25", "--thing", "strom-1", "--every",
        "readings")  # fmt: skip
    file.write_text(file.read_text().replace(old, new, 1))
    assert run(city, "two", "lastgang", "import", str(file)) == 2
    assert told in capsys.readouterr().err
    with closing(
        EmbeddedStore(EmbeddedSettings(city.folder / "two/store"), lambda: datetime.now(UTC))
    ) as store:
        assert not len(store.latest())
