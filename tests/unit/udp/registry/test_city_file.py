"""The city file: what it says arrives, and every mistake is named with its place and remedy."""

from pathlib import Path

import pytest

from edge.wire.identifiers import DevEUI
from udp.errors import ConfigurationError
from udp.registry.city_file import EXEMPTIONS, read_city
from udp.registry.mounting import UNDECIDED
from udp.registry.profiles import load_profiles
from udp.sensorthings import Access

HEAD = 'format = 1\n[city]\nname = "Castrop-Rauxel"\nsimulated = true\n'
BIN = """
[[thing]]
key = "behaelter-0001"
name = "Behälter Markt"
kind = "waste_bin"
theme = "papier-und-abfall"
district = "castrop"
district_name = "Castrop (Altstadt)"
latitude = 51.55
longitude = 7.31
access = "open"
licence = "dl-de/zero-2-0"
"""
PLACE = "latitude = 51.55\nlongitude = 7.31"
DEVICE = """
[[thing.device]]
dev_eui = "01-02-03-04-05-06-07-08"
profile = "dingtek-df702"
geometry = { empty_mm = 1200, full_mm = 200 }
"""
POLE = """
[[thing]]
key = "crx-pole-1"
name = "CRX-Pole 1"
kind = "pole"
theme = "luft"
district = "castrop"
district_name = "Castrop (Altstadt)"
utm32 = [385159.82, 5716699.33]
elevation_m = 98
description = "Europaplatz"
properties = { hoehe_m = 6, strom = true, stelle = "Tiefbauamt" }
[[thing.wired]]
agent = "crx-pole-1"
sensor = "weather"
profile = "pole-weather"
"""


@pytest.fixture(scope="module")
def profiles():
    return load_profiles()


@pytest.fixture
def read(tmp_path, profiles):
    def from_text(text):
        path = tmp_path / "city.toml"
        path.write_text(text, encoding="utf-8")
        return read_city(path, profiles)

    return from_text


@pytest.fixture
def mistakes(read):
    def of_text(text):
        with pytest.raises(ConfigurationError) as caught:
            read(text)
        return str(caught.value).splitlines()

    return of_text


def test_everything_written_arrives(read):
    city = read(HEAD + BIN + DEVICE + POLE)
    assert (city.name, city.simulated) == ("Castrop-Rauxel", True)
    bin_, pole = city.things
    assert (bin_.key, bin_.kind, bin_.theme, bin_.simulated) == (
        "behaelter-0001", "waste_bin", "papier-und-abfall", True,
    )  # fmt: skip
    assert (pole.description, pole.location.elevation_m) == ("Europaplatz", 98.0)
    assert pole.properties == {"hoehe_m": 6.0, "strom": True, "stelle": "Tiefbauamt"}
    (device,) = city.devices
    assert (device.dev_eui, device.thing, device.codec) == (
        DevEUI(bytes(range(1, 9))), "behaelter-0001", "dingtek-df702",
    )  # fmt: skip
    (wired,) = city.wired
    assert (wired.agent, wired.sensor, wired.thing) == ("crx-pole-1", "weather", "crx-pole-1")


def test_channels_point_at_the_positions_of_their_datastreams(read):
    city = read(HEAD + BIN + DEVICE + POLE)
    for sensor in (*city.devices, *city.wired):
        for channel in sensor.channels:
            assert city.datastreams[channel.datastream].thing == sensor.thing
            assert city.datastreams[channel.datastream].id == channel.datastream


def test_geometry_becomes_scale_and_offset(read):
    city = read(HEAD + BIN + DEVICE)
    (device,) = city.devices
    (fill,) = (one for one in device.channels if city.datastreams[one.datastream].key == "fill_level")
    assert fill.scale * 1200 + fill.offset == pytest.approx(0.0)
    assert fill.scale * 200 + fill.offset == pytest.approx(100.0)
    assert fill.scale * 700 + fill.offset == pytest.approx(50.0)


def test_official_coordinates_become_degrees(read):
    """Pair of values of the same place from the state's monument register (KuLaDig), good to 1 m."""
    (pole,) = read(HEAD + POLE).things
    assert pole.location.latitude == pytest.approx(51.58963, abs=1e-5)
    assert pole.location.longitude == pytest.approx(7.34224, abs=1.5e-5)


def test_nothing_is_open_without_saying_so(read):
    city = read(HEAD + BIN.replace('access = "open"\nlicence = "dl-de/zero-2-0"\n', "") + DEVICE + POLE)
    assert {one.access for one in city.datastreams} == {Access.INTERNAL}
    assert {one.licence for one in city.datastreams} == {""}
    # What the profile alone would keep back has its reason there only where the place is open.
    assert {one.exemption for one in city.datastreams} == {UNDECIDED}


def test_what_is_not_open_says_why_and_has_no_licence(read):
    streams = {one.key: one for one in read(HEAD + BIN + DEVICE).datastreams}
    assert (streams["fill_level"].exemption, streams["fill_level"].licence) == (None, "dl-de/zero-2-0")
    for one in streams.values():
        if one.key != "fill_level":
            assert (one.access, one.exemption, one.licence) == (Access.INTERNAL, "state", "")


def test_between_equals_the_place_knows_better(read):
    text = BIN.replace('access = "open"', 'access = "internal"\nexemption = "personal"')
    streams = read(HEAD + text + DEVICE).datastreams
    assert {(one.exemption, one.licence) for one in streams} == {("personal", "")}


def test_a_profile_can_only_make_it_stricter(read):
    city = read(HEAD + BIN + DEVICE)
    access = {one.key: one.access for one in city.datastreams}
    assert access["fill_level"] is Access.OPEN
    assert access["battery_voltage" if "battery_voltage" in access else "distance"] is Access.INTERNAL
    restricted = BIN.replace('access = "open"', 'access = "restricted"\nexemption = "personal"')
    assert {one.access for one in read(HEAD + restricted + DEVICE).datastreams} == {Access.RESTRICTED}


@pytest.mark.parametrize("exemption", EXEMPTIONS)
def test_the_four_reasons_not_to_publish(read, exemption):
    text = BIN.replace('access = "open"', f'access = "internal"\nexemption = "{exemption}"')
    assert {one.exemption for one in read(HEAD + text + DEVICE).datastreams} == {exemption}


def test_a_counter_that_restarts_is_said_in_the_file(read):
    assert [one.counter_reset for one in read(HEAD + BIN + DEVICE).devices] == [False]
    text = replaced(HEAD + BIN + DEVICE, "geometry =", "counter_reset = true\ngeometry =")
    assert [one.counter_reset for one in read(text).devices] == [True]


def test_an_own_interval_beats_the_profiles(read):
    city = read(HEAD + BIN + DEVICE + "expected_interval_s = 1234\n")
    assert city.devices[0].expected_interval_s == 1234.0
    assert {one.expected_interval_s for one in city.datastreams} == {1234.0}


def replaced(text, old, new):
    assert old in text
    return text.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('key = "behaelter-0001"', 'key = "Behälter 1"', ("Behälter 1", "key", "must match")),
        ('name = "Behälter Markt"\n', "", ("behaelter-0001", "name", "missing")),
        ('theme = "papier-und-abfall"', 'theme = "abfall"', ("theme", "abfall", "papier-und-abfall")),
        ("latitude = 51.55", 'latitude = "51.55"', ("latitude", "without quotes")),
        ("latitude = 51.55", "latitude = 151.55", ("latitude", "no place on Earth")),
        ("latitude = 51.55\n", "", ("place is missing", "utm32")),
        ("latitude = 51.55", "utm32 = [1, 2]\nlatitude = 51.55", ("utm32", "keep one")),
        (PLACE, "utm32 = [5716699.33, 385159.82]", ("utm32", "[easting, northing]")),
        (PLACE, "utm32 = [1.0]", ("utm32", "2 numbers")),
        ('licence = "dl-de/zero-2-0"\n', "", ("licence", "dl-de/zero-2-0")),
        ('access = "open"', 'access = "open"\nexemption = "state"', ("exemption", "remove one")),
        ('access = "open"', 'access = "geheim"', ("access", "open, internal, restricted")),
        ('access = "open"', 'access = "internal"', ("exemption", "copyright, personal, state,")),
        ('access = "open"', 'access = "internal"\nexemption = "dsgvo"', ("exemption", "dsgvo")),
        ("longitude = 7.31", "longitude = 7.31\nfarbe = 1", ("farbe", "not known here")),
        ("01-02-03-04-05-06-07-08", "0102", ("dev_eui", "0102", "16 hex digits")),
        ('profile = "dingtek-df702"', 'profile = "dingtek"', ("profile", "dingtek-df702")),
        ('profile = "dingtek-df702"', 'profile = "pole-weather"', ("profile", "[[thing.wired]]")),
        ("geometry = { empty_mm = 1200, full_mm = 200 }\n", "", ("geometry", "empty_mm", "missing")),
        ("empty_mm = 1200", "empty_mm = 200", ("geometry", "greater than")),
        ("full_mm = 200", "full_mm = 200, zero_mm = 3", ("zero_mm", "not known here")),
        ("geometry =", "expected_interval_s = 0\ngeometry =", ("expected_interval_s", "greater than 0")),
        ("geometry =", 'citizen = "ja"\ngeometry =', ("citizen", "true or false")),
    ],
)  # fmt: skip
def test_a_mistake_names_file_thing_key_and_remedy(mistakes, old, new, words):
    lines = mistakes(replaced(HEAD + BIN + DEVICE, old, new))
    assert all("city.toml: thing " in line for line in lines)
    assert [word for word in words if not any(word in line for line in lines)] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (BIN, ("format", "format = 1")),
        (HEAD.replace("format = 1", "format = 2") + BIN, ("format = 1",)),
        (HEAD + "[[thing", ("not valid TOML",)),
        (HEAD.replace('name = "Castrop-Rauxel"\n', ""), ("city", "name", "missing")),
        (HEAD.replace("simulated = true\n", ""), ("simulated",)),
        (HEAD + "[thing]\nkey = 1\n", ("[[thing]]",)),
        ("format = 1\ncity = 3\n", ("city",)),
    ],
)
def test_a_file_that_is_none_says_so(mistakes, text, words):
    (told, *_) = mistakes(text)
    assert "city.toml" in told
    assert [word for word in words if word not in told] == []


def test_twice_the_same_key_or_device_is_refused(mistakes):
    told = mistakes(HEAD + BIN + DEVICE + BIN + DEVICE)
    assert any("behaelter-0001" in line and "twice" in line for line in told)
    other = BIN.replace("behaelter-0001", "behaelter-0002")
    (told,) = mistakes(HEAD + BIN + DEVICE + other + DEVICE)
    assert "behaelter-0002" in told
    assert "0102030405060708 is already a device of thing 'behaelter-0001'" in told


def test_one_quantity_is_measured_once_per_thing(mistakes):
    second = DEVICE.replace("07-08", "07-09")
    assert all("thing of its own" in line for line in mistakes(HEAD + BIN + DEVICE + second))


def test_all_mistakes_are_told_at_once(mistakes):
    text = (
        HEAD + BIN.replace("51.55", "99.5") + DEVICE.replace("dingtek-df702", "x") + POLE.replace("luft", "y")
    )
    told = mistakes(text)
    assert len(told) == 3
    assert [next(word for word in ("latitude", "profile", "theme") if word in line) for line in told]


def test_a_file_that_is_not_there_says_so(tmp_path, profiles):
    with pytest.raises(ConfigurationError, match=r"nichts\.toml: cannot be read"):
        read_city(Path(tmp_path / "nichts.toml"), profiles)
