"""QR codes as printed, keys under lock, sessions where ingest looks for them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.lorawan.sessions import read_sessions
from edge.wire.identifiers import DevEUI
from edge.wire.settings import Secret
from udp.devices.exporting import export_rows
from udp.devices.qr import crc16, read_label
from udp.devices.sessions import session_tables, write_sessions
from udp.devices.vault import DeviceKeys, Vault, new_key
from udp.errors import ConfigurationError

# The example of LoRa Alliance TR005 1.0.0, with all optional parts and its checksum.
PUBLISHED = "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OAABBCCDDEEFF:SYYWWNNNNNN:PFOOBAR:CAF2C"
EUI = DevEUI.parse("AABBCCDDEEFF0011")
OTHER = DevEUI.parse("0102030405060708")
KEYS = DeviceKeys(app_key=bytes(range(16)), dev_addr=b"\x26\x01\x1e\x05")


def test_the_published_label_is_read():
    label = read_label(PUBLISHED)
    assert (label.join_eui.hex(), label.dev_eui, label.profile_id) == ("1122334455667788", EUI, "AABB1122")
    assert (label.owner_token, label.serial_number, label.proprietary) == (
        "AABBCCDDEEFF",
        "YYWWNNNNNN",
        "FOOBAR",
    )
    assert "AABBCCDDEEFF:" not in repr(label)


def test_a_label_without_options_and_one_of_the_draft_are_read():
    short = read_label("LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122")
    assert (short.dev_eui, short.serial_number) == (EUI, "")
    draft = read_label("URN:DEV:LW:1122334455667788_AABBCCDDEEFF0011_AABB1122_V0102_SX1")
    assert (draft.dev_eui, draft.owner_token, draft.serial_number) == (EUI, "0102", "X1")


@pytest.mark.parametrize("position", range(6, PUBLISHED.rindex(":")))
def test_one_wrong_character_is_noticed(position):
    wrong = "0" if PUBLISHED[position] != "0" else "1"
    with pytest.raises(ValueError, match=r"Prüfsumme|kein QR-Code"):
        read_label(PUBLISHED[:position] + wrong + PUBLISHED[position + 1 :])


@given(st.text(max_size=120))
def test_any_text_is_a_label_or_refused(text):
    with pytest.raises(ValueError, match=r"QR-Code|Prüfsumme"):
        read_label(text)


@given(
    st.binary(min_size=8, max_size=8),
    st.binary(min_size=8, max_size=8),
    st.from_regex(r"[A-Z0-9]{1,12}", fullmatch=True),
)
def test_a_label_with_its_checksum_comes_back(join_eui, dev_eui, serial):
    text = f"LW:D0:{join_eui.hex().upper()}:{dev_eui.hex().upper()}:00000001:S{serial}"
    label = read_label(f" {text}:C{crc16(text.encode()):04X}\n")
    assert (label.join_eui, bytes(label.dev_eui), label.serial_number) == (join_eui, dev_eui, serial)


def test_a_label_fills_the_row(desk, row):
    code = "LW:D0:70B3D57ED0000001:70B3D50000000001:AABB1122:SYYWW77"
    desk.take_in(row(dev_eui="", join_eui="", qr=code))
    held = desk.register.held().devices[DevEUI.parse("70B3D50000000001")]
    assert (held.record["join_eui"], held.record["seriennummer"]) == ("70B3D57ED0000001", "YYWW77")


def test_what_is_sealed_opens_for_its_device_and_key_only():
    vault = Vault(Secret(new_key()))
    sealed = vault.seal(EUI, KEYS)
    assert vault.open(EUI, sealed) == KEYS
    assert sealed != vault.seal(EUI, KEYS)
    for wrong in (lambda: vault.open(OTHER, sealed), lambda: Vault(Secret(new_key())).open(EUI, sealed)):
        with pytest.raises(ConfigurationError, match="do not open"):
            wrong()


@given(st.data())
def test_a_changed_bit_is_noticed(data):
    vault = Vault(Secret("A" * 43))
    sealed = bytearray(vault.seal(EUI, KEYS))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ConfigurationError):
        vault.open(EUI, bytes(sealed))


@pytest.mark.parametrize("text", ["", "kurz", "A" * 42, "ä" * 43, "A" * 44])
def test_a_key_that_is_none_says_how_to_make_one(text):
    with pytest.raises(ConfigurationError, match="udp devices new-key"):
        Vault(Secret(text))


def test_keys_do_not_show_in_logs():
    assert "0001" not in repr(KEYS)


def test_ingest_reads_what_the_register_writes(desk, row, abp, tmp_path):
    desk.take_in(row(1), row(2, **abp))
    path = tmp_path / "secrets" / "sessions.toml"
    assert write_sessions(path, *session_tables(desk.register)) == 1
    (session,) = read_sessions(path)
    assert (str(session.dev_eui), str(session.dev_addr), session.codec) == (
        "70B3D50000000002", "26011E05", "dingtek-df702",
    )  # fmt: skip
    assert session.nwk_s_key == bytes(range(0x10, 0x20))
    assert path.stat().st_mode & 0o777 == 0o600


def test_who_restarts_a_counter_is_told_to_ingest_and_gateways_and_comes_back_with_the_table(
    desk, row, abp, tmp_path
):
    desk.take_in(row(1, **abp, zaehlerneustart="ja"), row(2, **{**abp, "dev_addr": "26011E06"}))
    devices = desk.registry.inventory().devices
    assert [devices[one].counter_reset for one in sorted(devices)] == [True, False]
    path = tmp_path / "sessions.toml"
    write_sessions(path, *session_tables(desk.register))
    assert [one.counter_reset for one in read_sessions(path)] == [True, False]
    first, second = export_rows(desk.register, with_keys=True)
    assert (first["zaehlerneustart"], second.get("zaehlerneustart", "")) == ("ja", "")
    assert desk.take_in(first, second).unchanged == 2
    desk.take_in({"dev_eui": "70B3D50000000001", "counter_reset": "nein"})
    assert not any(one.counter_reset for one in desk.registry.inventory().devices.values())
    desk.register.undo()
    assert sum(one.counter_reset for one in desk.registry.inventory().devices.values()) == 1


def test_sessions_of_others_stay_and_those_of_gone_devices_go(desk, row, abp, tmp_path):
    path = tmp_path / "sessions.toml"
    foreign = {"dev_eui": str(OTHER), "dev_addr": "26011BDA", "nwk_s_key": "11" * 16, "app_s_key": "22" * 16}
    write_sessions(path, [foreign], set())
    desk.take_in(row(1, **abp), row(2, **{**abp, "dev_addr": "26011E06"}))
    assert write_sessions(path, *session_tables(desk.register)) == 3
    desk.take_in({"dev_eui": "70B3D50000000001", "ausgebaut_am": "19.11.2026"})
    assert write_sessions(path, *session_tables(desk.register)) == 2
    assert {str(one.dev_eui) for one in read_sessions(path)} == {str(OTHER), "70B3D50000000002"}
    desk.register.undo()
    desk.register.undo()
    write_sessions(path, *session_tables(desk.register))
    assert [one.dev_eui for one in read_sessions(path)] == [OTHER]


def test_a_file_that_holds_something_else_is_left_alone(tmp_path):
    path = Path(tmp_path / "x.toml")
    path.write_text("session = 3", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="no sessions file"):
        write_sessions(path, [], set())
    assert path.read_text(encoding="utf-8") == "session = 3"


def test_all_keys_move_to_a_new_key(desk, row, make_desk):
    desk.take_in(row(1), row(2))
    fresh = new_key()
    assert desk.register.reseal(Vault(Secret(fresh))) == 2
    moved = make_desk(fresh).register
    assert moved.keys(moved.held(), DevEUI.parse("70B3D50000000001")).app_key == bytes(range(16))
    with pytest.raises(ConfigurationError, match="do not open"):
        desk.register.keys(desk.register.held(), DevEUI.parse("70B3D50000000001"))
