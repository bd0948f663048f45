"""M-Bus records: signs, errors, extensions and what a bridge must refuse."""

from datetime import UTC, datetime

import pytest

from edge.codecs import mbus
from edge.codecs.by_profile import codec_named
from edge.codecs.port import CodecError

AT = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)


def only(text):
    (one,) = mbus.records(bytes.fromhex(text))
    return one


@pytest.mark.parametrize(
    ("record", "quantity", "value"),
    [
        ("0c0652676102", "energy", 2616752),
        ("0405fc437f0e", "energy", 24322150.0),
        ("040f64000000", "energy", 1000 / 3.6),  # 100 x 10 MJ
        ("0a5a3306", "flow_temperature", 63.3),
        ("0a5e33f0", "return_temperature", -3.3),  # a leading F is a minus sign
        ("0a5a33e6", "flow_temperature", None),  # digits above 9: the meter knows no value
        ("053b0000c03f", "flow", 0.0015),
        ("053b0000c07f", "flow", None),  # no number
        ("00fd17", "error_flag", None),
        ("02650af6", "external_temperature", -25.5),
        ("01ff2500", "", 0),
    ],
)
def test_a_record_says_what_it_is_and_how_much(record, quantity, value):
    one = only(record)
    assert one.quantity == quantity
    assert one.value == (value if value is None else pytest.approx(value, rel=1e-12))


def test_storage_and_tariff_grow_with_their_extensions():
    one = only("84501301000000")  # DIF 84, DIFE 50
    assert (one.storage, one.tariff, one.function, one.value) == (0, 1, 0, 0.001)
    assert only("c4011301000000").storage == 3


@pytest.mark.parametrize("text", ["0c065267", "0c", "8484", "0d1305", "0f", "04" + "ff" * 12, "84" * 14])
def test_a_record_without_an_end_is_an_error(text):
    with pytest.raises(CodecError, match="M-Bus record at octet 0"):
        list(mbus.records(bytes.fromhex(text)))


def test_a_heat_meter_tells_present_values_and_names_the_rest():
    # Volume now, the same of storage 1, an unknown VIF, and the volume once more.
    payload = "00" + "041364000000" + "441363000000" + "01ff2505" + "041365000000"
    answer = codec_named("elvaco-cmi4110")(bytes.fromhex(payload), 2, AT)
    assert answer.records[0].fields == {"volume": 0.1}
    assert ["storage 1" in answer.warnings[0], "VIF ff25" in answer.warnings[1]] == [True, True]
    assert "stands twice" in answer.warnings[2]


ACRIOS = "010168131368080573785634120a00e97e01000000350100003c16"


@pytest.mark.parametrize(
    ("place", "octets", "says"),
    [
        (0, "0201", "header 0201"),
        (25, "3d", "check octet is 3d, the frame gives 3c"),
        (26, "17", "the frame says 19 octets"),
        (6, "48", "check octet"),
    ],
)
def test_a_damaged_bridge_frame_is_refused(place, octets, says):
    payload = bytearray.fromhex(ACRIOS)
    payload[place : place + len(octets) // 2] = bytes.fromhex(octets)
    with pytest.raises(CodecError, match=says):
        codec_named("acrios-acr-cv-101l-m")(bytes(payload), 1, AT)


def test_what_is_not_published_is_refused_with_its_name():
    variable = bytearray.fromhex(ACRIOS)
    variable[8], variable[25] = 0x72, (0x3C - 1) & 0xFF
    with pytest.raises(CodecError, match="control information 72 is not covered"):
        codec_named("acrios-acr-cv-101l-m")(bytes(variable), 1, AT)
    with pytest.raises(CodecError, match="events are not covered"):
        codec_named("yobiiq-em4301")(bytes.fromhex("0101673b240c"), 60, AT)
    with pytest.raises(CodecError, match="connection 7 is not covered"):
        codec_named("keller-adt-arc")(bytes.fromhex("01070001bf78937d"), 1, AT)


def test_a_logger_without_a_number_is_a_warning_and_no_value():
    answer = codec_named("keller-adt-arc")(bytes.fromhex("010300037fc000003f800000"), 1, AT)
    assert answer.records[0].fields == {"ct": 3, "P1": 1.0}
    assert answer.warnings == ("Pd (P1-PBaro): the logger gives no number",)
