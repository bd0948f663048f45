"""Foreign JSON by mapping files: the shipped examples, and everything a platform can get wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ingest
from ingest.heard import Unusable
from ingest.mapping import ForeignMapping, MappingFile, ValueRule, read_mapping
from udp.errors import ConfigurationError
from udp.registry.profiles import load_profiles

HERE = Path(ingest.__file__).parent / "mappings"
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
SAMPLES = {
    "sensor-community": [
        {"id": 1, "timestamp": "2026-11-21 11:58:03", "sensor": {"id": 12345, "pin": "1"},
         "location": {"latitude": "51.55", "longitude": "7.31"},
         "sensordatavalues": [{"id": 1, "value_type": "P1", "value": "7.25"},
                              {"id": 2, "value_type": "P2", "value": "3.10"}]},
    ],
    "opensensemap": [
        {"sensorId": "5a8c1e3ebc2d4100190f5b6d", "createdAt": "2026-11-21T11:58:03.123Z", "value": "8.4"},
        {"sensorId": "5a8c1e3ebc2d4100190f5b6d", "createdAt": "2026-11-21T11:53:03.000Z", "value": "8.5"},
    ],
    "smart-bench": {
        "benches": [
            {"id": "B-0017", "name": "Markt", "updated_at": "2026-11-21T12:58:03+01:00",
             "usage": {"charging_sessions": 1204, "charged_wh": 8350}, "solar": {"power_w": 41.5},
             "battery": {"percent": 87}, "temperature_c": 6.5},
            {"id": "B-0018", "name": "Bad", "updated_at": "2026-11-21T11:51:00Z",
             "usage": {"charging_sessions": 0, "charged_wh": 0}, "solar": {"power_w": 0},
             "battery": {"percent": 12}, "temperature_c": -1.25},
        ],
    },
    "sensorthings": {
        "value": [{"phenomenonTime": "2026-11-21T12:58:03+01:00", "result": 0.42, "@iot.id": 9,
                   "Datastream": {"@iot.id": 4711}}],
        "@iot.nextLink": "https://sta.example.org/v1.1/Datastreams(4711)/Observations?$skip=100",
    },
}  # fmt: skip
EXPECTED = {
    "sensor-community": [("feinstaub-1", {"pm10": 7.25, "pm2_5": 3.1})],
    "opensensemap": [("box-1", {"temperature": 8.4}), ("box-1", {"temperature": 8.5})],
    "smart-bench": [
        ("bank-markt", {"charging_sessions": 1204, "charged_energy": 8.35, "solar_power": 41.5,
                        "battery_level": 87, "housing_temperature": 6.5}),
        ("bank-bad", {"charging_sessions": 0, "charged_energy": 0, "solar_power": 0,
                      "battery_level": 12, "housing_temperature": -1.25}),
    ],
    "sensorthings": [("pegel-1", {"water_level": 42.0})],
}  # fmt: skip


def mapping(**changes: object) -> ForeignMapping:
    words: dict[str, object] = {
        "name": "cloud", "records": "$.data[*]", "time": "$.at", "sensor_name": "tank",
        "value": (ValueRule("$.fill", "fill", "%"),),
    }  # fmt: skip
    return ForeignMapping(MappingFile(**{**words, **changes}))  # type: ignore[arg-type]


def drawn(one: ForeignMapping, *records: object) -> list[object]:
    octets = json.dumps({"data": records}).encode()
    return [found.reading or (found.problem and found.problem.reason) for found in one.draw(octets, AT)]


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_the_shipped_examples_read_what_the_platforms_send(name: str) -> None:
    found = list(read_mapping(HERE / f"{name}.toml").draw(json.dumps(SAMPLES[name]).encode(), AT))
    assert [one.problem for one in found] == [None] * len(found)
    assert [(one.reading.sensor, dict(one.reading.fields)) for one in found if one.reading] == EXPECTED[name]
    times = {one.reading.phenomenon_time.replace(microsecond=0) for one in found if one.reading}
    assert datetime(2026, 11, 21, 11, 58, 3, tzinfo=UTC) in times


def test_every_shipped_example_is_read_here() -> None:
    assert {path.stem for path in HERE.glob("*.toml")} == set(SAMPLES)


def test_the_bench_needs_its_mapping_and_its_profile_and_no_program() -> None:
    values = read_mapping(HERE / "smart-bench.toml").file.value
    channels = load_profiles()["smart-bench"].channels
    assert {(one.field, one.unit) for one in values} == {(one.field, one.unit.symbol) for one in channels}


def test_a_bad_record_is_set_aside_alone_with_its_bytes() -> None:
    octets = b'{"data": [{"at": "2026-11-21T11:00Z", "fill": 5}, {"at": "gestern", "fill": 6}, 7]}'
    good, bad, worse = mapping().draw(octets, AT)
    assert good.reading is not None
    assert good.reading.fields == {"fill": 5.0}
    assert bad.problem is not None
    assert "gestern" in bad.problem.reason
    assert json.loads(bad.octets) == {"at": "gestern", "fill": 6}
    assert worse.octets == b"7"


@pytest.mark.parametrize("octets", [b"", b"{", b"7", b'"x"', b"[]", b'{"data": []}', b"[" * 99_999])
def test_what_is_no_message_is_refused_as_a_whole(octets: bytes) -> None:
    with pytest.raises(Unusable):
        list(mapping().draw(octets, AT))


@pytest.mark.parametrize(
    ("at", "words"),
    [
        ("2026-11-21T11:00:00", "no offset"),
        ("2027-01-01T00:00:00Z", "ahead"),
        ("1970-01-01T00:00:00Z", "before 1990"),
        (None, "not iso"),
        ({"x": 1}, "not iso"),
    ],
)
def test_times_say_their_zone_and_are_possible(at: object, words: str) -> None:
    (problem,) = drawn(mapping(), {"at": at, "fill": 1})
    assert words in str(problem)


def test_local_times_are_read_in_their_zone_and_the_missing_hour_is_no_time() -> None:
    berlin = mapping(time_zone="Europe/Berlin", time_format="%d.%m.%Y %H:%M")
    summer, winter, gone = drawn(
        berlin,
        {"at": "01.07.2026 12:00", "fill": 1}, {"at": "21.11.2026 12:00", "fill": 1},
        {"at": "29.03.2026 02:30", "fill": 1},
    )  # fmt: skip
    assert summer.phenomenon_time == datetime(2026, 7, 1, 10, tzinfo=UTC)  # type: ignore[attr-defined]
    assert winter.phenomenon_time == datetime(2026, 11, 21, 11, tzinfo=UTC)  # type: ignore[attr-defined]
    assert "does not exist" in str(gone)


@pytest.mark.parametrize("value", [True, "viel", None, [], {}, float("nan"), "inf", "1e999"])
def test_what_is_no_number_is_no_value(value: object) -> None:
    (problem,) = drawn(mapping(), {"at": "2026-11-21T11:00:00Z", "fill": value})
    assert isinstance(problem, str)


def test_unknown_sensors_are_left_out_or_set_aside_as_the_file_says() -> None:
    from ingest.mapping import SensorName

    known = (SensorName("1", "tank"),)
    record = {"at": "2026-11-21T11:00:00Z", "fill": 1, "id": 2}
    strict = mapping(sensor_name="", sensor="$.id", sensors=known)
    assert "no entry" in str(drawn(strict, record)[0])
    assert drawn(mapping(sensor_name="", sensor="$.id", sensors=known, others="ignore"), record) == []


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"records": "$.["}, "JSONPath"),
        ({"value": ()}, "value"),
        ({"sensor": "$.id"}, "either sensor"),
        ({"time_zone": "Europa/Berlin"}, "time_zone"),
        ({"others": "?"}, "others"),
        ({"name": "Groß"}, "Groß"),
    ],
)
def test_a_file_that_cannot_be_meant_says_what_is_wrong(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        mapping(**changes)


def test_an_unknown_unit_and_an_unknown_key_are_named(tmp_path: Path) -> None:
    text = (HERE / "opensensemap.toml").read_text(encoding="utf-8")
    for old, new, words in (('"Cel"', '"Grad"', "Grad"), ("records", "record", "record")):
        (tmp_path / "m.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
        with pytest.raises(ConfigurationError, match=words):
            read_mapping(tmp_path / "m.toml")


@given(st.binary(max_size=200) | st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(), lambda s: st.lists(s) | st.dictionaries(st.text(), s)
).map(lambda content: json.dumps({"data": [content]}).encode()))  # fmt: skip
def test_no_bytes_do_more_than_be_refused(octets: bytes) -> None:
    try:
        for one in mapping().draw(octets, AT):
            assert (one.reading is None) != (one.problem is None)
    except Unusable:
        pass
