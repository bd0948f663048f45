"""Payloads with published values: every value must come out, and nothing else.

`golden.json` holds the payloads with the values their vendors or The Things Network's device
repository publish for them (the origin stands with each). Published values are flattened by the
rules in `_flatten`; devices that send history, and the few places where a published value is wrong
or means "nothing", have a rule of their own below, with its reason.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest

from edge.codecs.by_profile import codec_named, codec_names
from edge.codecs.port import CodecError, Decoded

EXAMPLES = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
RECEIVED_AT = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
ABSENT = object()

# Texts that look like numbers but name something.
IDENTIFIERS = {"serial-number", "class_group_text", "sw_version_text"}
# "2000 mm", "24.1", "0 °": a number, with or without its unit.
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?: (?:mm|cm|°|℃|hours|minutes))?")

# (codec, payload) -> what the published value must be replaced by, and why.
CORRECTIONS: dict[tuple[str, str], dict[str, Any]] = {
    # The frame says "measuring failed": its distance of 0 is a filler, not 0 cm.
    ("teneo-filling-degree-sensor", "0d000001"): {"distance": ABSENT},
    # Mode 05 is "A-weighting, fast time weighting" (WS302 user guide 6.2); "impulse" is a slip.
    ("milesight-ws302", "017564055b053f02da016a02"): {"time_weight": "fast"},
    # Octets cd 03 e9 42 and ef 27 20 42 are these IEEE 754 numbers; the published ones, 0.1 ppm
    # larger, come from dividing the mantissa by 2^23 - 1.
    ("dingtek-df702", "800001011907d001cd03e942ef272042190000000000000081"): {
        "longitude": 116.507423,
        "latitude": 40.038998,
    },
    # The published decoding leaves the conductivity out: octets f0 00 are 240 uS/cm (vendor's README).
    ("milesight-em500-smtc", "01755c03673401046865057ff000"): {"ec": 240},
    ("milesight-em500-smtc", "01756403671901046873057ff000"): {"ec": 240},
    # Octets 00 00 01 00 are 65536; the published text reads the bit field's hexadecimal digits as decimal.
    (
        "elvaco-cmi4140",
        "150405fc437f0e041340919822022e9015023c482b0259d825025de8140c782794817904fd1700000100",
    ): {"error_flag": 65536},
}


def _flatten(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Nested names joined by dots, {value, unit, ..} as its value, lists numbered, texts as numbers."""
    if isinstance(value, dict) and "value" in value and set(value) <= {"value", "unit", "displayName"}:
        yield from _flatten(value["value"], name)
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _flatten(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _flatten(inner, f"{name}.{number}")
    elif isinstance(value, str) and name not in IDENTIFIERS and (match := NUMBER.fullmatch(value)):
        yield name, float(match[1])
    elif value is not None:  # null is how JavaScript says "absent"
        yield name, value


def _adeunis(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """The counters are an hour apart; the device's time becomes the records'; the legend is left out."""
    inner = dict(data["bytes"])
    counters, moment = inner.pop("counterValues"), datetime.fromisoformat(inner.pop("timestamp"))
    assert inner.pop("decodingInfo") == "counterValues: [t=0, t-1, t-2, ...]"
    moment = moment.replace(tzinfo=UTC)
    records = [
        (moment - age * timedelta(hours=1), {"bytes.counterValues": counter})
        for age, counter in enumerate(counters)
    ]
    return [(records[0][0], {**records[0][1], **dict(_flatten(inner, "bytes"))}), *records[1:]]


def _klax(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """Registers go by filter and unit; the four values are 15 minutes apart; invalid values are absent."""
    newest = dict(_flatten({key: data[key] for key in ("type", "header", "msgInfo")}, ""))
    ages: list[dict[str, Any]] = [newest, {}, {}, {}]
    for block in data["payloads"]:
        if block["type"] == "serverID":
            newest["serverID"] = block["id"]
            continue
        assert block["type"] == "historic"
        for register in block["registers"]:
            name = f"registers.{register['filterId']}"
            assert register["dataValid"] == register["data_valid"]  # one fact under two names
            newest[f"{name}.dataValid"], newest[f"{name}.unit"] = register["dataValid"], register["unit"]
            for fields, value in zip(ages, register["values"], strict=True):
                if register["dataValid"]:
                    fields[f"{name}.{register['unit']}"] = value
    times = [None, *(RECEIVED_AT - age * timedelta(minutes=15) for age in (1, 2, 3))]
    return list(zip(times, ages, strict=True))


def _kamstrup(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """Values go by their time, which is Central European standard time; null means invalid."""
    records: dict[datetime | None, dict[str, Any]] = {}
    for entry in data["values"]:
        moment = None
        if entry["Timestamp"] is not None:
            local = datetime.fromisoformat(entry["Timestamp"]).replace(tzinfo=timezone(timedelta(hours=1)))
            moment = local.astimezone(UTC)
        fields = records.setdefault(moment, {})
        if entry["Value"] is not None:
            fields[entry["Type"]] = entry["Value"]
    if "latestVolume" in data:
        next(iter(records.values()))["latestVolume"] = data["latestVolume"]
    return list(records.items())


def _plain(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    return [(None, dict(_flatten(data, "")))]


def _emu(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """The meter's own time is the record's."""
    return [(datetime.fromtimestamp(data["timeStamp"], UTC), dict(_flatten(data, "")))]


def _wilsen(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """The payload repeated in the answer is no value."""
    return _plain({key: value for key, value in data.items() if key != "payload"})


def _keller(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """What repeats the payload or the port, and the mask that the fields themselves show, is left out."""
    left_out = {"port", "payload", "func", "channel", "channelCount"}
    return _plain({key: value for key, value in data.items() if key not in left_out})


def _yobiiq(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """What the published decoder says of itself stands in no payload."""
    of_itself = {"codecVersion", "genericModel", "productCode", "manufacturer"}
    texts = {key: value for key, value in data.items() if key not in of_itself}
    values = {key: value["data"] if isinstance(value, dict) else value for key, value in texts.items()}
    return [(None, values)]


def _acrios(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """Counters go by storage and unit; the frame's own fields are checked, not told."""
    fields = {key: data[key] for key in ("id", "accessN", "status", "deviceType")}
    return [(None, fields | {f"data.{one['storage']}.{one['unit']}": one["value"] for one in data["data"]})]


def _iot_factory(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """Each frame's value goes by what it is, in kWh; how M-Bus coded it is left out."""
    fields = {key: data[key] for key in ("battery_pct", "sn", "type_power", "version_protocol")}
    for number, frame in enumerate(data["frames"]):
        for key in ("frame_unixtime", "medium", "meter_serial_number", "reason", "status"):
            fields[f"frames.{number}.{key}"] = frame[key]
        if frame["status"] == "no_error":
            assert frame["measurement"]["unit"] == "Wh"
            fields[f"frames.{number}.energy"] = frame["measurement"]["value"] / 1000
    return [(None, fields)]


def _imst(data: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    """Times as numbers. The published words for the status bits are of one combination only (0x26)."""
    words = {"CalendarEventList", "FlashMemoryCRCErrorState", "FlashMemoryFullState", "LoRaWAN"}
    words |= {"LoRaWANConfiguration", "NetworkTime", "SystemTimeBit", "WMBusFilterList", "FirmwareType"}
    fields = {key: value for key, value in data.items() if key not in words} | {"Status": 0x26}
    for key in ("Time", "LastSyncTime"):
        fields[key] = int(parsedate_to_datetime(data[key]).timestamp())
    return [(None, fields)]


RULES = {"adeunis-pulse": _adeunis, "alpha-omega-klax": _klax, "kamstrup-flowiq2200": _kamstrup}
RULES |= {"emu-prof-ii": _emu, "pepperl-fuchs-wilsen-sonic-level": _wilsen, "keller-adt-arc": _keller}
RULES |= {"yobiiq-em4301": _yobiiq, "acrios-acr-cv-101l-m": _acrios, "imst-range-extender": _imst}
RULES |= {"iot-factory-m-bus-gateway": _iot_factory}


def _expected(example: dict[str, Any]) -> list[tuple[datetime | None, dict[str, Any]]]:
    records = RULES.get(example["codec"], _plain)(example["expected"]["data"])
    for name, value in CORRECTIONS.get((example["codec"], example["hex"]), {}).items():
        fields = records[0][1]
        if value is ABSENT:
            del fields[name]
        else:
            assert fields.get(name) != value, "the correction is no longer needed"
            fields[name] = value
    return records


def _decode(example: dict[str, Any]) -> Decoded:
    codec = codec_named(example["codec"])
    return codec(bytes.fromhex(example["hex"]), example["fPort"], RECEIVED_AT)


def _close(value: Any) -> Any:
    """Published numbers carry float noise (1653.8000000000002)."""
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return pytest.approx(value, rel=1e-9, abs=1e-12) if number else value


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda example: f"{example['codec']} {example['description'][:40]}"
)
def test_a_published_payload_gives_every_published_value_and_no_other(example):
    if "errors" in example["expected"]:
        with pytest.raises(CodecError):
            _decode(example)
        return
    decoded, expected = _decode(example), _expected(example)
    assert [record.at for record in decoded.records] == [at for at, _ in expected]
    for record, (_, fields) in zip(decoded.records, expected, strict=True):
        assert {name: type(value) is bool for name, value in record.fields.items()} == {
            name: type(value) is bool for name, value in fields.items()
        }
        assert record.fields == {name: _close(value) for name, value in fields.items()}
    assert len(decoded.warnings) >= len(example["expected"].get("warnings", ()))


def test_every_codec_has_a_published_payload():
    assert {example["codec"] for example in EXAMPLES} == set(codec_names())


def test_every_correction_belongs_to_a_payload():
    assert set(CORRECTIONS) <= {(example["codec"], example["hex"]) for example in EXAMPLES}
