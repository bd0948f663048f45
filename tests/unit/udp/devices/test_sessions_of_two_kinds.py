"""A session is for ever (ABP) or what the last join gave; the register keeps the two apart."""

from __future__ import annotations

import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from edge.wire.identifiers import DevEUI
from edge.wire.settings import Secret
from udp.devices.exporting import export_rows
from udp.devices.sessions import session_tables
from udp.devices.vault import DeviceKeys, Vault, new_key

EUI = DevEUI.parse("70B3D50000000001")
ROOT, SESSION = bytes(range(16)), (b"\1\2\3\4", bytes(range(1, 17)), bytes(range(2, 18)))
JOINED = DeviceKeys(None, None, *SESSION, joined=True)


def keys(desk):
    return desk.register.keys(desk.register.held(), EUI)


def test_abp_ends_joining_and_joining_ends_abp(desk, row, abp):
    desk.take_in(row(1))
    desk.register.keep_sessions({EUI: JOINED})
    assert (keys(desk).app_key, keys(desk).joined, keys(desk).personalised) == (ROOT, True, False)
    desk.take_in(row(1, **abp))
    assert (keys(desk).app_key, keys(desk).personalised) == (None, True)
    desk.take_in(row(1))
    assert (keys(desk).app_key, keys(desk).has_session) == (ROOT, False)


def test_a_late_join_does_not_replace_a_session_for_ever(desk, row, abp):
    desk.take_in(row(1, **abp))
    before = keys(desk)
    assert not desk.register.keep_sessions({EUI: JOINED})
    assert keys(desk) == before


def test_a_join_without_a_root_key_is_not_exported_as_abp(desk, row):
    desk.take_in(row(1, app_key=None, join_eui=None))
    desk.register.keep_sessions({EUI: JOINED})
    assert [entry["dev_addr"] for entry in session_tables(desk.register)[0]] == ["01020304"]
    (exported,) = export_rows(desk.register, with_keys=True)
    assert {"dev_addr", "nwk_s_key", "app_s_key"} & set(exported) == set()
    desk.take_in(exported)
    assert (keys(desk).joined, keys(desk).dev_addr) == (True, SESSION[0])


@pytest.mark.parametrize(("root", "joined"), [(ROOT, True), (None, False)])
def test_entries_sealed_before_the_difference_was_kept_still_open(root, joined):
    secret = new_key()
    vault = Vault(Secret(secret))
    names = ("dev_addr", "nwk_s_key", "app_s_key")
    content = {name: value.hex() for name, value in zip(names, SESSION, strict=True)}
    if root is not None:
        content["app_key"] = root.hex()
    sealed = vault.seal(EUI, DeviceKeys())
    nonce = sealed[1:13]
    cipher: AESGCM = vault._cipher
    old = sealed[:13] + cipher.encrypt(nonce, json.dumps(content).encode(), sealed[:1] + EUI)
    opened = vault.open(EUI, old)
    assert (opened.app_key, opened.dev_addr, opened.joined) == (root, SESSION[0], joined)
    assert vault.open(EUI, vault.seal(EUI, opened)) == opened
