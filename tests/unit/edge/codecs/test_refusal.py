"""What a decoder must not swallow: cut, foreign or impossible payloads, and values that are none."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.codecs.by_profile import UnknownCodec, codec_named, codec_names
from edge.codecs.port import CodecError, Decoded

EXAMPLES = json.loads((Path(__file__).parent / "golden.json").read_text(encoding="utf-8"))
RECEIVED_AT = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)


def decode(name: str, payload: str, f_port: int) -> Decoded:
    return codec_named(name)(bytes.fromhex(payload), f_port, RECEIVED_AT)


def readable(name: str, payload: bytes, f_port: int) -> Decoded | None:
    """The answer, checked for everything the port promises; None for a CodecError."""
    try:
        decoded = codec_named(name)(payload, f_port, RECEIVED_AT)
    except CodecError as error:
        assert len(str(error)) > 10
        return None
    assert decoded.records
    for record in decoded.records:
        assert record.at is None or record.at.utcoffset() == timedelta(0)
        for field, value in record.fields.items():
            assert isinstance(field, str)
            assert isinstance(value, bool | int | float | str)
            assert not isinstance(value, float) or math.isfinite(value)
            assert not isinstance(value, int) or -(1 << 63) <= value < 1 << 63
    return decoded


@pytest.mark.parametrize("name", codec_names())
@given(payload=st.binary(max_size=242), f_port=st.sampled_from((1, 2, 3, 5, 10, 85, 100, 223)))
@settings(max_examples=60)
def test_any_octets_give_values_or_a_codec_error(name, payload, f_port):
    readable(name, payload, f_port)


@pytest.mark.parametrize("name", codec_names())
@given(data=st.data())
@settings(max_examples=60)
def test_a_damaged_payload_gives_values_or_a_codec_error(name, data):
    example = data.draw(st.sampled_from([one for one in EXAMPLES if one["codec"] == name]))
    payload = bytearray(bytes.fromhex(example["hex"]))
    for _ in range(data.draw(st.integers(1, 4))):
        payload[data.draw(st.integers(0, len(payload) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(payload)))
    readable(name, bytes(payload[:end]) + data.draw(st.binary(max_size=8)), example["fPort"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one['codec']} {one['description'][:30]}")
def test_a_published_payload_on_a_foreign_port_is_refused(example):
    with pytest.raises(CodecError):
        codec_named(example["codec"])(bytes.fromhex(example["hex"]), 199, RECEIVED_AT)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one['codec']} {one['description'][:30]}")
def test_a_payload_without_its_last_octet_never_gives_the_same_values(example):
    """Some formats are shorter words of a longer one; none may say the same with an octet less."""
    if "errors" in example["expected"]:
        return
    payload = bytes.fromhex(example["hex"])
    whole = codec_named(example["codec"])(payload, example["fPort"], RECEIVED_AT)
    cut = readable(example["codec"], payload[:-1], example["fPort"])
    # A Teneo frame without its status is a frame of its own, an M-Bus filler carries nothing.
    if example["hex"] in ("0c001e00",) or payload[-1:] == b"\x2f":
        assert cut == whole
    else:
        assert cut != whole


@pytest.mark.parametrize("name", codec_names())
def test_an_empty_payload_is_refused(name):
    for f_port in (1, 2, 3, 5, 10, 85, 100):
        with pytest.raises(CodecError):
            codec_named(name)(b"", f_port, RECEIVED_AT)


@pytest.mark.parametrize(
    ("name", "payload", "f_port", "says"),
    [
        ("milesight-em400-mud", "01755c0999", 85, "unknown channel 09 type 99 at octet 3"),
        ("milesight-em400-mud", "01755c036701", 85, "block at octet 3 is cut off after 6 octets"),
        ("milesight-em400-mud", "01755c03", 85, "no complete block after octet 3"),
        ("milesight-ws302", "055b093f02da016a02", 85, "unknown weighting mode 09 at octet 2"),
        ("decentlab-dl-mbx", "01012f000304d200010bb1", 1, "protocol version 1 at octet 0"),
        ("decentlab-dl-mbx", "02012f000704d200010bb1", 1, "flags 0x0007"),
        ("decentlab-dl-mbx", "02012f000304d200010b", 1, "10 octets, flags 0x0003 need 11"),
        ("elsys-ers-co2", "0100e2ff", 5, "unknown type ff at octet 3"),
        ("elsys-ers-co2", "0100e20600", 5, "block at octet 3 is cut off"),
        ("dingtek-df702", "800001011207d000190000000000000081", 3, "length at octet 4"),
        ("dingtek-df702", "800001051107d000190000000000000081", 3, "kind 5 at octet 3"),
        ("teneo-filling-degree-sensor", "0b001e0102", 1, "5 octets on port 1"),
        ("dragino-lse01", "ce2900f107a5099b6e28", 2, "10 octets, expected 11"),
        ("mclimate-co2-sensor", "050271027384ed", 2, "octet 0 is 05"),
        ("nwave-nps405", "9595", 1, "2 octets on port 1"),
        ("alpha-omega-klax", "044add11", 3, "header version 1"),
        ("alpha-omega-klax", "004add1102", 3, "unknown block 02 at octet 4"),
        ("emu-prof-ii", "b4d77b6101b4d77b61031207000038", 1, "check octet is 38, the frame gives 39"),
        ("adeunis-pulse", "5a6300000127000100", 1, "end within a difference"),
        ("kamstrup-flowiq2200", "7844130300000044ff", 1, "record head at octet 7"),
        ("kamstrup-flowiq2200", "78446d003f1f37", 1, "time at octet 1"),
    ],
)
def test_the_error_says_what_and_where(name, payload, f_port, says):
    with pytest.raises(CodecError, match=says):
        decode(name, payload, f_port)


@pytest.mark.parametrize(
    ("name", "payload", "f_port", "field"),
    [
        ("dingtek-df702", "80000101110000001900000000000000 81".replace(" ", ""), 3, "level"),
        ("dingtek-df702", "80000101 11ffff001900000000000000 81".replace(" ", ""), 3, "level"),
        ("milesight-em400-mud", "03670101 04820000".replace(" ", ""), 85, "distance"),
        ("milesight-em400-tld", "03670101 0482fdff".replace(" ", ""), 85, "distance"),
        ("milesight-am319", "03670101 077dffff".replace(" ", ""), 85, "co2"),
        ("decentlab-dl-mbx", "02012f000304d200000bb1", 1, "distance"),
        ("teneo-filling-degree-sensor", "0d000004", 1, "distance"),
        ("teneo-filling-degree-sensor", "0d0000", 1, "distance"),
    ],
)
def test_what_was_not_measured_is_absent_and_said_so(name, payload, f_port, field):
    decoded = decode(name, payload, f_port)
    assert field not in decoded.records[0].fields
    assert decoded.records[0].fields
    assert any(warning.startswith(field) for warning in decoded.warnings)


def test_an_absent_probe_has_no_temperature():
    fields = decode("dragino-lse01", "ce297fff07a5099b6e2890", 2).records[0].fields
    assert "TempC_DS18B20" not in fields
    assert fields["temp_SOIL"] == 24.59


def test_frost_is_negative():
    assert decode("dragino-lse01", "ce29ff9c07a5ff386e2890", 2).records[0].fields["TempC_DS18B20"] == -10.0
    assert decode("milesight-em400-mud", "03679cff", 85).records[0].fields["temperature"] == -10.0
    assert decode("elsys-ers-co2", "01ff9c", 5).records[0].fields["temperature"] == -10.0
    assert (
        decode("dingtek-df702", "800001011107d000f60000000000000081", 3).records[0].fields["temperature"]
        == -10
    )
    assert (
        decode("teneo-filling-degree-sensor", "0b001efc18114d", 1).records[0].fields["temperature"] == -10.0
    )


def test_c_weighted_levels_never_bear_the_names_of_a_weighted_ones():
    fields = decode("milesight-ws302", "055b063f02da016a02", 85).records[0].fields
    assert fields["lceq"] == 47.4
    assert not {"la", "laeq", "lamax"} & set(fields)


def test_rain_beyond_16_bits_comes_in_the_block_of_newer_firmware():
    fields = decode("milesight-wts506", "08eca086010025", 85).records[0].fields
    assert fields == {"rainfall_total": 1000.0, "rainfall_counter": 37}


def test_a_register_of_another_quantity_does_not_continue_the_energy():
    payload = "004add11" + "01" + "09" + "02" + "000003e8" * 4 + "00" * 16
    fields = decode("alpha-omega-klax", payload, 3).records[0].fields
    assert fields["registers.0.unit2"] == 1000
    assert "registers.0.Wh" not in fields


def test_a_meter_pulse_without_its_own_time_counts_back_from_reception():
    records = decode("adeunis-pulse", "5a63000001270001", 1).records
    assert [record.at for record in records] == [None, RECEIVED_AT - timedelta(hours=1)]
    assert records[1].fields == {"bytes.counterValues": 294}


def test_an_unknown_profile_volume_ends_the_history():
    payload = "78446d003318374413030000004d9313046101" + "01ff"
    decoded = decode("kamstrup-flowiq2200", payload, 1)
    assert [record.fields["Volume"] for record in decoded.records] == [0.003, 0.002]
    assert decoded.warnings


def test_an_unknown_codec_names_the_known_ones():
    with pytest.raises(
        UnknownCodec,
        match="no codec 'dingtek'; put one of these into the profile: acrios-acr-cv-101l-m, adeunis-pulse",
    ):
        codec_named("dingtek")
    with pytest.raises(KeyError):
        codec_named("dingtek")
