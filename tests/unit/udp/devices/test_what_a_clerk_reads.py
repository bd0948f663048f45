"""What tables may contain and what people are told about them: every change by name, times as on the wall."""

from __future__ import annotations

import time

import pytest

from udp.__main__ import main
from udp.devices.findings import TableRefused

ZEROS = "0000000000000000"


def test_a_dry_run_says_what_would_change(desk, row):
    desk.take_in(row(1), row(2), row(3), row(4))
    outcome = desk.take_in(
        row(1, leer_mm="1100", name="Behälter am Markt", app_key="0a" * 15 + "0b"),
        row(2, standort="-"),
        row(3, zugang="internal", ausnahme="state", lizenz="-"),
        row(4, profil="dingtek-df702", intervall_s="3600", eingebaut_am="1.3.2026"),
        dry_run=True,
    )
    first, second, third, fourth = outcome.rows
    assert first.endswith(": name „Behälter am Markt“ statt „Behälter 1“, leer_mm 1100 statt 1200, Schlüssel")
    assert second.endswith(": standort geleert (war „neben dem Brunnen“)")
    assert "zugang internal statt open" in third
    assert "ausnahme state" in third
    assert "lizenz geleert (war dl-de/zero-2-0)" in third
    assert fourth.endswith(": intervall_s 3600, eingebaut_am 2026-03-01")
    assert "0a0a" not in first.lower()


def test_a_join_eui_of_zeros_is_one(desk, row):
    """Makers without a join server of their own use it; The Things Stack recommends it."""
    assert desk.take_in(row(1, join_eui=ZEROS)).findings == ()
    assert (
        desk.take_in(row(2, dev_eui=None, join_eui=None, qr=f"LW:D0:{ZEROS}:70B3D50000000002:AABB1122")).added
        == 1
    )
    assert desk.register.held().devices[max(desk.register.held().devices)].record["join_eui"] == ZEROS
    (finding,) = desk.take_in(row(3, join_eui="FFFFFFFFFFFFFFFF")).findings
    assert "gleichen Ziffern" in finding.problem


@pytest.mark.parametrize("text", ["-2+3+cmd|' /C calc'!A0", "-A1", "- Deckel lose", "=1", "+49 2305 1", "@x"])
def test_no_text_becomes_a_formula_in_the_next_spreadsheet(desk, row, text):
    (finding,) = desk.take_in(row(1, bemerkung=text)).findings
    assert (finding.column, "beginnt wie eine Formel" in finding.problem) == ("bemerkung", True)


def test_negative_numbers_are_no_formulas(desk, row):
    assert desk.take_in(row(1, hoehe_m="-1,5", bemerkung="-4")).findings == ()
    assert desk.take_in(row(1, hoehe_m="\N{MINUS SIGN}1,5")).findings == ()


def test_a_missing_file_is_told_in_german(desk):
    with pytest.raises(TableRefused, match=r"fehlt\.csv: gibt es nicht"):
        desk.register.take_in(desk.folder / "fehlt.csv")
    with pytest.raises(TableRefused, match="ist ein Ordner"):
        desk.register.take_in(desk.folder)


@pytest.fixture
def berlin(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def test_times_are_those_on_the_wall(desk, row, berlin, tmp_path, capsys):
    desk.take_in(row(1, eingebaut_am="24.12.2025"))
    desk.take_in(row(2))
    config = tmp_path / "platform.toml"
    config.write_text(f'[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n', encoding="utf-8")

    def told(*arguments):
        assert main(["devices", *arguments, "--config", str(config)]) == 0
        return capsys.readouterr().out

    assert told("imports").splitlines()[0].startswith("    2  20.11.2026 13:00  geraete.csv")
    assert told("log", "behaelter-0001").startswith("24.12.2025        einbau")
    assert told("log", "behaelter-0002").startswith("20.11.2026 13:00  einbau")
    empty = desk.folder / "kopf.csv"
    empty.write_text("objekt;dev_eui\n\n", encoding="utf-8")
    assert "steht keine Zeile" in told("import", str(empty))
    told("note", "behaelter-0001", "gereinigt", "--at", "2.1.2026")
    assert told("log", "behaelter-0001").splitlines()[1].startswith("02.01.2026        notiz       gereinigt")
    assert "Import 2 (geraete.csv, 20.11.2026 13:00): 1 Geräte" in told("undo")
