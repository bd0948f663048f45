"""What the virtual city encodes, the decoders read back: within one half step of the device's resolution.

Encoders and decoders were written apart from one another; the published payloads hold both to the
same truth.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.codecs.by_profile import CODECS, codec_named
from simulators.devices import ENCODERS, encode

RECEIVED_AT = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Range:
    """Values a device can have, and the step they come back in; `field` where the codec says it otherwise."""

    lowest: float
    highest: float
    step: float
    field: str | None = None


PERCENT = Range(0, 100, 1)
CELSIUS = Range(-40, 85, 0.1)
MILLIMETRES = Range(1, 65000, 1)
BATTERY = Range(2.0, 3.7, 0.001)
RANGER = {"distance": MILLIMETRES, "temperature": CELSIUS, "battery": PERCENT}

RANGES: dict[str, dict[str, Range]] = {
    "dingtek-df702": {"level": MILLIMETRES, "temperature": Range(-40, 85, 1), "angle": Range(-90, 90, 1)},
    "milesight-em400-mud": RANGER,
    "milesight-em400-tld": RANGER,
    "milesight-em410-rdl": {**RANGER, "radar_signal_rssi": Range(-20, 30, 0.01)},
    "milesight-em500-smtc": {
        "humidity": Range(0, 100, 0.5),
        "temperature": CELSIUS,
        "ec": Range(0, 20000, 1),
        "battery": PERCENT,
    },
    "milesight-wts506": {
        "temperature": CELSIUS,
        "humidity": Range(0, 100, 0.5),
        "wind_direction": Range(0, 359.9, 0.1),
        "pressure": Range(900, 1080, 0.1),
        "wind_speed": Range(0, 60, 0.1),
        "rainfall_total": Range(0, 9000, 0.01),
        "rainfall_counter": Range(0, 255, 1),
        "battery": PERCENT,
    },
    "milesight-ws302": {name: Range(30, 120, 0.1) for name in ("la", "laeq", "lamax")} | {"battery": PERCENT},
    "milesight-em300-di": {
        "pulse": Range(0, 2**32 - 1, 1),
        "temperature": CELSIUS,
        "humidity": Range(0, 100, 0.5),
    },
    "milesight-am319": {
        "temperature": CELSIUS,
        "humidity": Range(0, 100, 0.5),
        "co2": Range(400, 5000, 1),
        "pressure": Range(900, 1080, 0.1),
        "pm2.5": Range(0, 1000, 1),
        "pm10": Range(0, 1000, 1),
        "tvoc": Range(0, 500, 1),
        "hcho": Range(0, 1, 0.01),
        "light_level": Range(0, 5, 1),
    },
    "decentlab-dl-mbx": {
        "distance": MILLIMETRES,
        "number_of_valid_samples": Range(1, 11, 1),
        "battery_voltage": BATTERY,
    },
    "decentlab-dl-ctd10": {
        "water_depth": Range(-50, 10000, 1),
        "temperature": Range(-2, 40, 0.1),
        "electrical_conductivity": Range(0, 65000, 1),
        "battery_voltage": BATTERY,
    },
    "decentlab-dl-tbrg": {
        "precipitation": Range(0, 200, 0.1),
        "cumulative_precipitation": Range(0, 100000, 0.1),
        "precipitation_interval": Range(60, 3600, 1),
        "battery_voltage": BATTERY,
        "device_id": Range(0, 65535, 1),
    },
    "decentlab-dl-atm41": {
        "air_temperature": Range(-40, 50, 0.1),
        "relative_humidity": Range(0, 100, 0.1),
        "atmospheric_pressure": Range(90, 110, 0.01),
        "wind_speed": Range(0, 40, 0.01),
        "wind_direction": Range(0, 359.9, 0.1),
        "precipitation": Range(0, 30, 0.001),
        "solar_radiation": Range(0, 1500, 1),
        "maximum_wind_speed": Range(0, 60, 0.01),
        "battery_voltage": BATTERY,
    },
    "decentlab-dl-optod": {
        "temperature": Range(-1, 35, 0.01),
        "oxygen_saturation": Range(0, 250, 0.01),
        "oxygen_concentration": Range(0, 25, 0.01),
        "battery_voltage": BATTERY,
    },
    "elsys-ers-co2": {
        "temperature": CELSIUS,
        "humidity": PERCENT,
        "co2": Range(0, 10000, 1),
        "light": Range(0, 65535, 1),
        "motion": Range(0, 255, 1),
        "vdd": Range(2000, 3700, 1),
    },
    "elsys-ers-sound": {
        "temperature": CELSIUS,
        "humidity": PERCENT,
        "soundPeak": Range(0, 130, 1),
        "soundAvg": Range(0, 130, 1),
    },
    "bosch-tps110": {"temperature": Range(-40, 85, 1)},
    "nwave-nps405": {"battery_voltage": Range(2.5, 3.5, 0.004), "temperature": Range(-40, 70, 0.5)},
    "adeunis-pulse": {"counter": Range(0, 2**32 - 1, 1, "bytes.counterValues")},
    "alpha-omega-klax": {
        "energy": Range(0, 2**31 - 1, 1, "registers.0.Wh"),
        "battery": Range(0, 100, 10, "header.batteryPerc"),
    },
    "dragino-lse01": {
        "water_SOIL": Range(0, 100, 0.01),
        "temp_SOIL": Range(-40, 80, 0.01),
        "conduct_SOIL": Range(0, 20000, 1),
        "TempC_DS18B20": Range(-40, 80, 0.1),
        "Bat": BATTERY,
    },
}
WHOLE = {"pulse", "counter", "number_of_valid_samples", "device_id", "rainfall_counter"}
NEEDS_OCCUPIED = ("bosch-tps110", "nwave-nps405")


def records(kind: str, values: dict[str, float]) -> list[dict[str, object]]:
    f_port, payload = encode(kind, values, random.Random(7))
    return [dict(record.fields) for record in codec_named(kind)(payload, f_port, RECEIVED_AT).records]


def one(name: str, limits: Range) -> st.SearchStrategy[float]:
    if name in WHOLE:
        return st.integers(int(limits.lowest), int(limits.highest))
    return st.floats(limits.lowest, limits.highest)


def test_every_encoder_is_tried_and_every_kind_has_a_codec():
    assert set(RANGES) == set(ENCODERS)
    assert set(ENCODERS) <= set(CODECS)


@pytest.mark.parametrize("kind", sorted(RANGES))
@given(data=st.data())
@settings(max_examples=50)
def test_values_come_back_within_half_a_step(kind, data):
    values = {name: data.draw(one(name, limits), label=name) for name, limits in RANGES[kind].items()}
    given_too = {"occupied": data.draw(st.booleans())} if kind in NEEDS_OCCUPIED else {}
    fields = records(kind, values | given_too)[0]
    for name, limits in RANGES[kind].items():
        read = fields[limits.field or name]
        assert abs(read - values[name]) <= limits.step / 2 + 1e-9 * abs(values[name]) + 1e-9, name
    assert all(fields[name] is value for name, value in given_too.items())


@pytest.mark.parametrize("kind", sorted(RANGES))
@given(data=st.data())
@settings(max_examples=20)
def test_values_beyond_the_field_saturate_and_stay_readable(kind, data):
    wild = st.floats(-1e9, 1e9)
    values = {
        name: data.draw(one(name, limits) if name in WHOLE else wild, label=name)
        for name, limits in RANGES[kind].items()
    }
    assert records(kind, values | ({"occupied": True} if kind in NEEDS_OCCUPIED else {}))


@pytest.mark.parametrize(
    ("kind", "values", "f_port", "payload"),
    [
        ("dingtek-df702", {"level": 2000, "temperature": 25}, 3, "800001011107d000190000000000000081"),
        (
            "milesight-em400-mud",
            {"battery": 92, "temperature": 25.7, "distance": 2116, "tilted": True},
            85,
            "01755c0367010104824408050001",
        ),
        (
            "decentlab-dl-tbrg",
            {
                "precipitation": 0.4,
                "cumulative_precipitation": 1653.8,
                "battery_voltage": 3.156,
                "device_id": 760,
            },
            1,
            "0202f8000300040258409a00000c54",
        ),
        (
            "decentlab-dl-atm41",
            {
                "solar_radiation": 10,
                "precipitation": 0,
                "wind_speed": 0.09,
                "wind_direction": 29.9,
                "maximum_wind_speed": 0.2,
                "air_temperature": 26.4,
                "atmospheric_pressure": 95.96,
                "relative_humidity": 52.4,
                "sensor_temperature_internal": 26.5,
                "y_orientation_angle": -2.4,
                "compass_heading": 86,
                "battery_voltage": 3.061,
                "device_id": 858,
            },
            1,
            "02035a0003800a8000800080008009812b8014810880b4a57c820c810980027fe88056800880040bf5",
        ),
        (
            "elsys-ers-co2",
            {"temperature": 22.6, "humidity": 41, "light": 39, "motion": 6, "co2": 776},
            5,
            "0100e202290400270506060308",
        ),
        ("bosch-tps110", {"occupied": True}, 1, "01"),
        ("bosch-tps110", {"occupied": True, "temperature": -1}, 2, "01ff"),
        ("nwave-nps405", {"occupied": True, "previous_state_duration": 74}, 1, "95"),
        (
            "nwave-nps405",
            {"occupied": False, "battery_voltage": 3.344, "temperature": -10},
            2,
            "00d3d800590b",
        ),
        (
            "adeunis-pulse",
            {
                "counter": 295,
                "counter_1": 294,
                "counter_2": 292,
                "counter_3": 289,
                "counter_4": 285,
                "timestamp": 1703791337,
                "low_battery": True,
                "frame_counter": 3,
            },
            1,
            "5a6700000127000100020003000414aba3e9",
        ),
        (
            "alpha-omega-klax",
            {"energy": 12442000, "energy_3": 12441000, "message_index": 221},
            3,
            "004add11030901454d4800006efd0f01390100bdd99000bdd99000bdd99000bdd5a8"
            + "00" * 16
            + "017500"
            + "00" * 32,
        ),
        (
            "dragino-lse01",
            {
                "Bat": 3.625,
                "TempC_DS18B20": 24.1,
                "conduct_SOIL": 28200,
                "temp_SOIL": 24.59,
                "water_SOIL": 19.57,
            },
            2,
            "ce2900f107a5099b6e2890",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_published_values_give_the_published_payload(kind, values, f_port, payload):
    assert encode(kind, values, random.Random(1)) == (f_port, bytes.fromhex(payload))


@given(minutes=st.integers(0, 5000), occupied=st.booleans())
def test_a_bay_tells_how_long_its_previous_state_lasted(minutes, occupied):
    values = {"occupied": occupied, "previous_state_duration": minutes}
    fields = records("nwave-nps405", values)[0]
    assert fields["occupied"] is occupied
    if minutes >= 660:
        assert fields["previous_state_duration"] == 660
        assert fields["previous_state_duration_overflow"]
    else:
        least = fields["previous_state_duration"]
        assert least <= minutes <= least + fields["previous_state_duration_error"]


def test_meters_send_what_they_kept_with_its_time():
    now = datetime(2026, 5, 4, 10, 0, tzinfo=UTC)
    values = {"counter": 1000, "counter_1": 970, "counter_2": 900, "timestamp": int(now.timestamp())}
    f_port, payload = encode("adeunis-pulse", values, random.Random(1))
    read = codec_named("adeunis-pulse")(payload, f_port, RECEIVED_AT).records
    assert [(record.at, record.fields["bytes.counterValues"]) for record in read] == [
        (now, 1000),
        (now - timedelta(hours=1), 970),
        (now - timedelta(hours=2), 900),
    ]
    values = {"energy": 5000, "energy_1": 4900, "energy_2": 4850, "energy_3": 4700}
    f_port, payload = encode("alpha-omega-klax", values, random.Random(1))
    read = codec_named("alpha-omega-klax")(payload, f_port, RECEIVED_AT).records
    assert [record.fields["registers.0.Wh"] for record in read] == [5000, 4900, 4850, 4700]


def test_what_has_no_echo_is_no_distance():
    assert "level" not in records("dingtek-df702", {"level": 0, "temperature": 8})[0]
    assert "distance" not in records("milesight-em400-mud", {"distance": 0, "temperature": 8})[0]
    assert "distance" not in records("decentlab-dl-mbx", {"distance": 900, "number_of_valid_samples": 0})[0]


def test_the_same_seed_gives_the_same_octets():
    values = {"distance": 1200, "temperature": 8}
    payloads = {encode("milesight-em410-rdl", values, random.Random(3)) for _ in range(3)}
    assert len(payloads) == 1


def test_a_mistake_is_named():
    with pytest.raises(ValueError, match="kind 'dingtek'; known are adeunis-pulse"):
        encode("dingtek", {}, random.Random(1))
    with pytest.raises(ValueError, match="dingtek-df702: value 'level' is missing"):
        encode("dingtek-df702", {"temperature": 3}, random.Random(1))
