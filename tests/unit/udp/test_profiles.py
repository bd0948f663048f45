"""Every shipped profile names a codec, fields, units and properties that exist, and can be meant."""

from __future__ import annotations

import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from edge.codecs.by_profile import codec_named, codec_names
from edge.codecs.port import CodecError
from edge.wire.messages import GatewayStatus
from udp.errors import ConfigurationError
from udp.sensorthings import Access
from udp.units import UNITS, unit

ROOT = Path(__file__).parents[3]
REGISTRY = ROOT / "udp" / "registry"
FILES = sorted((REGISTRY / "profiles").glob("*.toml"))
PROFILES: dict[str, dict[str, Any]] = {
    path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in FILES
}
PROPERTIES = tomllib.loads((REGISTRY / "observed_properties.toml").read_text(encoding="utf-8"))
EXAMPLES = json.loads((ROOT / "tests/unit/edge/codecs/golden.json").read_text(encoding="utf-8"))
RECEIVED_AT = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)

# What sensors wired to an agent, or a foreign platform, report; no codec stands between.
WIRED = {
    "agent-health": {
        *("backlog_messages", "backlog_bytes", "backlog_age_s", "dropped_messages"),
        *("refused_messages", "damaged_files", "disk_free_mb", "clock_offset_s", "memory_mb"),
    },
    "gateway-statistics": set(GatewayStatus.__slots__) - {"gateway", "received_at", "clock"},
    "pole-weather": {"air_temperature", "relative_humidity", "air_pressure"},
    "pole-air": {"pm2_5", "pm10", "no2"},
    "pole-sound": {"sound_level"},
    "pole-light": {"illuminance", "dim_percent", "power_w"},
    "smart-bench": {
        *("charging_sessions", "charged_energy", "solar_power", "battery_level", "housing_temperature"),
    },
}
# Fields no published payload shows: none so far. An entry needs the page that describes the field.
DOCUMENTED: dict[str, set[str]] = {}
# A single published value may lie outside what is plausible here: it comes from a bench.
BENCH = {
    # 28200 uS/cm, beyond the sensor's own range.
    ("dragino-lse01", "electrical_conductivity"),
}


def channels() -> list[Any]:
    return [
        pytest.param(name, channel, id=f"{name} {channel['key']}")
        for name, profile in PROFILES.items()
        for channel in profile["channel"]
    ]


def published_values(codec: str) -> dict[str, list[float]]:
    values: dict[str, list[float]] = {}
    for example in (one for one in EXAMPLES if one["codec"] == codec):
        try:
            decoded = codec_named(codec)(bytes.fromhex(example["hex"]), example["fPort"], RECEIVED_AT)
        except CodecError:
            continue
        for record in decoded.records:
            for field, value in record.fields.items():
                if not isinstance(value, str):
                    values.setdefault(field, []).append(float(value))
    return values


def test_every_codec_and_every_wired_sensor_has_its_profile():
    assert set(PROFILES) == set(codec_names()) | set(WIRED)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_a_profile_is_named_like_its_file_and_its_codec_exists(name):
    profile = PROFILES[name]
    assert profile["name"] == name
    assert set(profile) - {"battery"} == {"name", "sensor", "expected_interval_s", "channel"} | (
        set() if name in WIRED else {"codec"}
    )
    if name not in WIRED:
        assert codec_named(profile["codec"]) is not None
    assert profile["sensor"]
    assert 10 <= profile["expected_interval_s"] <= 86400
    keys = [channel["key"] for channel in profile["channel"]]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize(("name", "channel"), channels())
def test_a_channel_uses_a_known_property_in_a_known_unit(name, channel):
    assert channel["observed_property"] in PROPERTIES
    assert channel["unit"] in UNITS
    usual = PROPERTIES[channel["observed_property"]]["unit"]
    # Rooms are told in unweighted decibels; everything else in the unit the property usually has.
    assert channel["unit"] == usual or (name, usual) == ("elsys-ers-sound", "dB[A]")


@pytest.mark.parametrize(("name", "channel"), channels())
def test_the_limits_of_a_channel_can_be_met(name, channel):
    lowest, highest = channel.get("minimum", float("-inf")), channel.get("maximum", float("inf"))
    assert lowest < highest
    assert channel.get("max_step", 1) > 0
    assert channel.get("stuck_after_s", 1e9) > 3 * PROFILES[name]["expected_interval_s"]
    assert channel.get("scale", 1.0) != 0


@pytest.mark.parametrize(("name", "channel"), channels())
def test_the_field_of_a_channel_comes_out_of_a_published_payload(name, channel):
    if name in WIRED:
        assert channel["field"] in WIRED[name]
    else:
        known = set(published_values(PROFILES[name]["codec"])) | DOCUMENTED.get(name, set())
        assert channel["field"] in known


@pytest.mark.parametrize(("name", "channel"), channels())
def test_published_values_are_plausible(name, channel):
    """A unit that slipped by a factor of ten or a thousand puts every published value out of range."""
    if name in WIRED or "from" in channel or (name, channel["key"]) in BENCH:
        return
    values = published_values(PROFILES[name]["codec"]).get(channel["field"], [])
    results = [channel.get("scale", 1.0) * value + channel.get("offset", 0.0) for value in values]
    lowest, highest = channel.get("minimum", float("-inf")), channel.get("maximum", float("inf"))
    assert all(lowest <= result <= highest for result in results), results


@pytest.mark.parametrize("name", sorted(WIRED))
def test_every_field_of_a_wired_sensor_has_a_channel(name):
    assert {channel["field"] for channel in PROFILES[name]["channel"]} == WIRED[name]


def test_meters_and_batteries_are_internal_and_overrides_only_ever_stricter():
    private = {
        "volume",
        "energy",
        "heat_energy",
        "heat_power",
        "volume_flow",
        "flow_temperature",
        "return_temperature",
    }
    private |= {"battery_voltage", "battery_level", "housing_temperature", "distance"}
    for profile in PROFILES.values():
        for channel in profile["channel"]:
            if channel["observed_property"] in private:
                assert channel["access"] == Access.INTERNAL
            assert channel.get("access") in {None, Access.INTERNAL, Access.RESTRICTED}


def test_bins_and_gauges_ask_for_their_measures():
    for name in (
        "dingtek-df702",
        "milesight-em400-mud",
        "milesight-em400-tld",
        "teneo-filling-degree-sensor",
    ):
        by_key = {channel["key"]: channel for channel in PROFILES[name]["channel"]}
        assert by_key["fill_level"]["from"] == "fill"
        assert by_key["distance"]["access"] == Access.INTERNAL
    for name in ("decentlab-dl-mbx", "milesight-em410-rdl"):
        (gauge,) = [channel for channel in PROFILES[name]["channel"] if "from" in channel]
        assert (gauge["key"], gauge["from"], gauge["scale"], gauge["unit"]) == (
            *("water_level", "level", 0.1, "cm"),
        )


def test_nothing_tells_whether_a_person_is_in_a_room_or_who_parks():
    fields = {channel["field"] for profile in PROFILES.values() for channel in profile["channel"]}
    assert not fields & {"motion", "occupancy", "activity", "accMotion", "tag_id", "previous_state_duration"}


def test_observed_properties_have_a_german_name_a_definition_and_a_known_unit():
    for key, entry in PROPERTIES.items():
        assert set(entry) == {"name", "definition", "unit"}, key
        assert entry["definition"].startswith(("http://", "https://", "tag:")), key
        assert entry["unit"] in UNITS, key


def test_a_unit_is_found_by_its_code():
    assert unit("Cel").name == "Grad Celsius"
    assert all(symbol == known.symbol and known.name for symbol, known in UNITS.items())


def test_an_unknown_unit_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match=r"unit '°C' is not known; use one of .*Cel"):
        unit("°C")
