"""Which device a frame came from: roll-over, joins, shared addresses, strangers."""

from __future__ import annotations

import importlib.util
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from edge.lorawan.frame import parse_data_up
from edge.lorawan.keyring import Keyring, Opened, SessionsFile, Unresolved
from edge.lorawan.sessions import Session, SessionsFileError, read_sessions
from edge.wire.identifiers import DevAddr, DevEUI

_specification = importlib.util.spec_from_file_location("radio", Path(__file__).with_name("radio.py"))
assert _specification is not None
assert _specification.loader is not None
radio: Any = importlib.util.module_from_spec(_specification)
_specification.loader.exec_module(radio)

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)


def session(device: int = 1, address: int = 0x26011BDA, key: int = 1) -> Session:
    return Session(
        dev_eui=DevEUI(device.to_bytes(8, "big")),
        dev_addr=DevAddr(address.to_bytes(4, "big")),
        nwk_s_key=bytes([key]) * 16,
        app_s_key=bytes([key + 100]) * 16,
    )


def frame(of: Session, f_cnt: int, payload: bytes = b"hello") -> bytes:
    octets: bytes = radio.data_up(
        dev_addr=of.dev_addr, nwk_s_key=of.nwk_s_key, app_s_key=of.app_s_key, f_cnt=f_cnt, payload=payload
    )
    return octets


def opened(keyring: Keyring, octets: bytes) -> Opened:
    return keyring.open(parse_data_up(octets))


@given(
    start=st.integers(0, 100 * 0x10000),
    steps=st.lists(st.one_of(st.integers(1, 5), st.integers(1, 0x10000)), min_size=1, max_size=12),
    payload=st.binary(max_size=60),
)
def test_the_counter_is_completed_over_any_number_of_roll_overs(
    start: int, steps: list[int], payload: bytes
) -> None:
    device = session()
    keyring = Keyring([device])
    f_cnt = start
    for step in [0, *steps]:
        f_cnt += step
        result = opened(keyring, frame(device, f_cnt, payload))
        assert (result.f_cnt, result.payload) == (f_cnt, payload)


def test_the_published_frame_with_a_large_counter_is_found_by_trying() -> None:
    device = Session(
        dev_eui=DevEUI(bytes(8)),
        dev_addr=DevAddr.parse("26011E53"),
        nwk_s_key=bytes.fromhex("7A47F143D7CEF033DFA0D4B75E04A316"),
        app_s_key=bytes.fromhex("F1B0B1D3CC529C55C3019A46EF4582EA"),
    )
    octets = bytes.fromhex("40531E012680664601457090ED25")
    assert opened(Keyring([device]), octets).f_cnt == (7 << 16) | 0x4666


def test_the_neighbour_before_a_roll_over_may_come_after_it() -> None:
    device = session()
    keyring = Keyring([device])
    order = [0xFFFE, 0x10001, 0xFFFF, 0x10000]
    assert [opened(keyring, frame(device, f_cnt)).f_cnt for f_cnt in order] == order


def test_an_old_counter_is_a_replay_at_the_antenna_and_history_behind_a_spool() -> None:
    device = session()
    at_antenna, behind_spool = Keyring([device]), Keyring([device], reordering=None)
    for keyring in (at_antenna, behind_spool):
        opened(keyring, frame(device, 1000))
    with pytest.raises(Unresolved, match="990 behind"):
        opened(at_antenna, frame(device, 10))
    assert opened(behind_spool, frame(device, 10)).f_cnt == 10


def test_devices_sharing_an_address_are_told_apart_by_the_mic() -> None:
    one, other = session(device=1, key=1), session(device=2, key=2)
    keyring = Keyring([one, other])
    assert opened(keyring, frame(other, 7)).session == other
    assert opened(keyring, frame(one, 7)).session == one


def test_a_stranger_with_a_known_address_stays_a_stranger() -> None:
    with pytest.raises(Unresolved, match="fits none of 1 session"):
        opened(Keyring([session()]), frame(session(device=9, key=9), 3))


def test_an_unknown_address_is_named() -> None:
    with pytest.raises(Unresolved, match="DevAddr 26011BDA: no session"):
        opened(Keyring(), frame(session(), 3))


class Radio(RuleBasedStateMachine):
    """Devices that send, repeat, overtake and join again; whatever is opened must be what was sent."""

    sent = Bundle("sent")

    @initialize(first=st.integers(0, 3 * 0x10000))
    def start(self, first: int) -> None:
        self.now = NOON
        self.keys = 0
        self.keyring = Keyring(reordering=64, keep_replaced=timedelta(hours=1))
        self.current: dict[int, Session] = {}
        self.counters: dict[Session, int] = {}
        self.highest_heard: dict[Session, int] = {}
        self.replaced: dict[Session, datetime] = {}
        for device in (1, 2, 3):
            self._join(device)
            self.counters[self.current[device]] = first

    def _join(self, device: int) -> None:
        self.keys += 1
        # Only two addresses: they are shared and used again all the time.
        self.current[device] = session(device, address=self.keys % 2, key=self.keys)
        self.counters[self.current[device]] = 0
        self.keyring.replace_all(self.current.values(), self.now)

    @rule(device=st.sampled_from([1, 2, 3]))
    def join(self, device: int) -> None:
        if self.keys < 100:
            self.replaced[self.current[device]] = self.now
            self._join(device)

    @rule(minutes=st.integers(1, 45))
    def wait(self, minutes: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.keyring.forget_replaced(self.now)

    @rule(target=sent, device=st.sampled_from([1, 2, 3]), lost=st.one_of(st.just(0), st.integers(0, 70_000)))
    def send(self, device: int, lost: int) -> tuple[Session, int]:
        of = self.current[device]
        self.counters[of] += 1 + lost
        return of, self.counters[of]

    @rule(item=sent)
    def hear(self, item: tuple[Session, int]) -> None:
        of, f_cnt = item
        highest = self.highest_heard.get(of)
        in_order = highest is None or f_cnt >= highest - 64
        reachable = highest is None or f_cnt - highest < 0x20000
        kept = of not in self.replaced or self.now - self.replaced[of] <= timedelta(hours=1)
        if in_order and reachable and kept:
            result = opened(self.keyring, frame(of, f_cnt, b"value"))
            assert (result.session, result.f_cnt, result.payload) == (of, f_cnt, b"value")
            self.highest_heard[of] = max(f_cnt, highest or 0)
            return
        try:
            result = opened(self.keyring, frame(of, f_cnt, b"value"))
        except Unresolved:
            return
        assert kept
        assert (result.session, result.f_cnt) == (of, f_cnt)
        self.highest_heard[of] = max(f_cnt, highest or 0)

    @rule(item=sent, bit=st.integers(0, 8 * 18 - 1))
    def hear_damaged(self, item: tuple[Session, int], bit: int) -> None:
        octets = bytearray(frame(*item, b"value"))
        octets[bit // 8] ^= 1 << bit % 8
        with pytest.raises((Unresolved, ValueError)):
            opened(self.keyring, bytes(octets))

    @invariant()
    def holds_what_is_listed(self) -> None:
        assert len(self.keyring) >= len(self.current)


Radio.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestRadio = Radio.TestCase


SESSION = """
[[session]]
dev_eui = "0102030405060708"
dev_addr = "26011BDA"
nwk_s_key = "44024241ed4ce9a68c6a8bc055233fd3"
app_s_key = "ec925802ae430ca77fd3dd73cb2cc588"
codec = "dingtek-df702"
"""


def sessions_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "sessions.toml"
    path.write_text(text)
    path.chmod(0o600)
    return path


def test_the_file_gives_sessions(tmp_path: Path) -> None:
    (one,) = read_sessions(sessions_file(tmp_path, SESSION))
    assert str(one.dev_eui) == "0102030405060708"
    assert one.codec == "dingtek-df702"
    assert "44024241" not in repr(one)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[[session]\n", "not valid TOML"),
        (SESSION.replace("26011BDA", "26011B"), "session 1: '26011B' is not a DevAddr"),
        (SESSION.replace("44024241", "4402424"), "session 1: a session key has 32 hex digits"),
        (SESSION.replace("app_s_key", "app_key"), "unknown key 'app_key'"),
        (SESSION.replace('app_s_key = "ec925802ae430ca77fd3dd73cb2cc588"', ""), "'app_s_key' is missing"),
        ("session = 3", r"\[\[session\]\]"),
        ("[[session]]\ndev_eui = 3", "table of texts"),
    ],
)
def test_a_broken_file_is_named_with_its_entry(tmp_path: Path, text: str, what: str) -> None:
    with pytest.raises(SessionsFileError, match=what):
        read_sessions(sessions_file(tmp_path, text))


def test_a_changed_file_is_read_again_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keyring = Keyring()
    path = sessions_file(tmp_path, SESSION)
    file = SessionsFile(path, keyring, lambda: NOON)
    assert file.refresh()
    assert len(keyring) == 1
    assert not file.refresh()
    path.write_text(SESSION + SESSION.replace("0708", "0709").replace("26011BDA", "26011BDB"))
    assert file.refresh()
    assert len(keyring) == 2
    path.write_text("[[session")
    with caplog.at_level(logging.ERROR):
        assert not file.refresh()
        assert not file.refresh()
    assert len(keyring) == 2
    assert len([record for record in caplog.records if "2 sessions stay in force" in record.message]) == 1


def test_a_missing_file_is_reported_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = SessionsFile(tmp_path / "none.toml", Keyring(), lambda: NOON)
    with caplog.at_level(logging.ERROR):
        file.refresh()
        file.refresh()
    assert len(caplog.records) == 1


def test_a_device_taken_off_the_list_is_forgotten_at_once() -> None:
    keyring = Keyring([session(1), session(2, key=2)])
    keyring.replace_all([session(1)], NOON)
    assert len(keyring) == 1


def test_a_corrected_application_key_is_used_from_then_on() -> None:
    right = session()
    wrong = Session(right.dev_eui, right.dev_addr, right.nwk_s_key, bytes(16))
    keyring = Keyring([wrong])
    opened(keyring, frame(right, 5))
    keyring.replace_all([right], NOON)
    assert opened(keyring, frame(right, 6)).payload == b"hello"


def test_a_counter_that_begins_anew_far_below_the_highest_is_found_and_taken_if_allowed() -> None:
    strict, allowed = session(), replace(session(), counter_reset=True)
    for f_cnt, high in ((3, 5 * 0x10000), (0x10003, 5 * 0x10000)):
        with pytest.raises(Unresolved, match="behind the highest"):
            one = Keyring([strict])
            one.resume(strict.dev_eui, strict.dev_addr, high)
            opened(one, frame(strict, f_cnt))
        behind_spool = Keyring([strict], reordering=None)
        behind_spool.resume(strict.dev_eui, strict.dev_addr, high)
        assert opened(behind_spool, frame(strict, f_cnt)).f_cnt == f_cnt
    tolerant = Keyring([allowed])
    tolerant.resume(allowed.dev_eui, allowed.dev_addr, 90 * 0x10000)
    assert [opened(tolerant, frame(allowed, n)).f_cnt for n in (3, 0x40000, 4)] == [3, 0x40000, 4]
    assert tolerant.restarting == {str(allowed.dev_eui)}


def test_new_addresses_are_told_once() -> None:
    keyring = Keyring([session()])
    assert list(keyring.take_new()) == [session().dev_addr]
    keyring.replace_all([session(), session(2, address=5)], NOON)
    assert list(keyring.take_new()) == [session(2, address=5).dev_addr]
    assert not keyring.take_new()


@pytest.mark.parametrize(("value", "good"), [("true", True), ("false", True), ("1", False), ('"yes"', False)])
def test_the_switch_for_counters_that_begin_anew_is_true_or_false(
    tmp_path: Path, value: str, good: bool
) -> None:
    path = sessions_file(tmp_path, SESSION + f"counter_reset = {value}\n")
    if good:
        assert read_sessions(path)[0].counter_reset is (value == "true")
        return
    with pytest.raises(SessionsFileError, match="true or false"):
        read_sessions(path)
