"""Every mistake a clerk can make is told in German with line, column and remedy, and nothing is imported."""

import re
from pathlib import Path

import pandas
import pytest

from udp.devices.findings import TableRefused

QR = "LW:D0:70B3D57ED0000001:70B3D50000000001:AABB1122"


@pytest.mark.parametrize(
    ("changes", "column", "words"),
    [
        ({"dev_eui": ""}, "dev_eui", "fehlt"),
        ({"dev_eui": "70B3D5"}, "dev_eui", "hat 6 statt 16 Ziffern"),
        ({"dev_eui": "70B3D5000000000G"}, "dev_eui", "andere Zeichen"),
        ({"dev_eui": "7,01235E+15"}, "dev_eui", "gerundet"),
        ({"dev_eui": "0000000000000000"}, "dev_eui", "gleichen Ziffern"),
        ({"objekt": "Behälter 1"}, "objekt", "nur a-z"),
        ({"objekt": ""}, "objekt", "fehlt"),
        ({"name": ""}, "name", "fehlt; das Objekt ist neu"),
        ({"name": "=1+1"}, "name", "Formel"),
        ({"art": "Behälter"}, "art", "waste_bin"),
        ({"thema": "papier-und-abfal"}, "thema", "gemeint ist vielleicht 'papier-und-abfall'"),
        ({"ortsteil": ""}, "ortsteil", "fehlt"),
        ({"breite": "Markt"}, "breite", "keine Zahl"),
        ({"breite": "1.200,5"}, "breite", "keine Zahl"),
        ({"breite": "151,5"}, "breite", "nicht zwischen -90 und 90"),
        ({"breite": "7,31", "laenge": "51,55"}, "breite", "vertauscht"),
        ({"breite": "48,1"}, "breite", "weit außerhalb der Stadt"),
        ({"breite": "", "laenge": ""}, "breite", "der Ort fehlt"),
        ({"laenge": ""}, "laenge", "fehlt"),
        ({"ostwert": "385159"}, "ostwert", "nur eine der beiden Angaben"),
        (
            {"breite": None, "laenge": None, "ostwert": "5716699", "nordwert": "385159"},
            "ostwert",
            "kein Ort in UTM 32N",
        ),
        ({"zugang": "offen"}, "zugang", "gemeint ist vielleicht 'open'"),
        ({"lizenz": ""}, "lizenz", "offene Daten brauchen eine Lizenz"),
        ({"ausnahme": "state"}, "ausnahme", "widerspricht"),
        ({"zugang": "internal"}, "ausnahme", "fehlt; wer nicht veröffentlicht"),
        ({"simuliert": "vielleicht"}, "simuliert", "weder ja noch nein"),
        ({"foto": "../../etc/passwd"}, "foto", "keine brauchbare Angabe"),
        ({"foto": "javascript:alert(1)"}, "foto", "nur Adressen mit https"),
        ({"hoehe_m": "999"}, "hoehe_m", "nicht zwischen"),
        ({"profil": "dingtek-df720"}, "profil", "gemeint ist vielleicht 'dingtek-df702'"),
        ({"profil": ""}, "profil", "fehlt; den Gerätetyp"),
        ({"profil": "pole-weather"}, "profil", "fest angeschlossene"),
        ({"leer_mm": ""}, "leer_mm", "braucht dieses Maß"),
        ({"leer_mm": "200"}, "leer_mm", "größer sein als voll_mm"),
        ({"nullpunkt_mm": "10"}, "nullpunkt_mm", "kennt dieses Maß nicht"),
        ({"intervall_s": "0"}, "intervall_s", "nicht zwischen 10"),
        ({"app_key": "000102"}, "app_key", "hat 6 statt 32 Ziffern"),
        ({"join_eui": ""}, "join_eui", "zu OTAA gehört"),
        ({"dev_addr": "26011BDA"}, "dev_addr", "OTAA oder ABP"),
        ({"app_key": None, "dev_addr": "26011BDA"}, "nwk_s_key", "zu ABP gehören"),
        ({"app_key": None, "nwk_key": "000102030405060708090a0b0c0d0e0f"}, "app_key", "fehlt neben nwk_key"),
        ({"qr": "Hallo"}, "qr", "kein QR-Code"),
        ({"qr": QR + ":C0000"}, "qr", "Prüfsumme"),
        ({"qr": QR, "dev_eui": "70B3D50000000009"}, "qr", "eine andere"),
        ({"qr": QR, "join_eui": "70B3D57ED0000009"}, "qr", "eine andere"),
        ({"eingebaut_am": "31.02.2026"}, "eingebaut_am", "kein Datum"),
        ({"eingebaut_am": "2027-01-01"}, "eingebaut_am", "Zukunft"),
        ({"eingebaut_am": "02.03.2026", "ausgebaut_am": "01.03.2026"}, "ausgebaut_am", "liegt vor"),
        ({"ersetzt": "70B3D50000000009"}, "ersetzt", "gibt es im Verzeichnis nicht"),
        ({"ersetzt": "70B3D50000000001"}, "ersetzt", "nennt das Gerät selbst"),
    ],
)
def test_a_mistake_names_line_column_and_remedy(desk, row, changes, column, words):
    outcome = desk.take_in(row(2), row(1, **changes))
    assert (outcome.number, outcome.added) == (None, 0)
    assert [(one.line, one.column) for one in outcome.findings] == [(3, column)]
    assert words in outcome.findings[0].problem
    assert desk.registry.inventory().devices == {}


def test_keys_are_never_shown(desk, row):
    secret = "0011223344556677889900112233445G"
    outcome = desk.take_in(row(app_key=secret), row(2, app_key=secret[:-1]))
    assert len(outcome.findings) == 2
    assert not any(secret[:8] in str(one) for one in outcome.findings)


def test_the_same_device_twice_is_refused(desk, row):
    (finding,) = desk.take_in(row(1), row(2, dev_eui=row(1)["dev_eui"])).findings
    assert (finding.line, finding.column) == (3, "dev_eui")
    assert "steht schon in Zeile 2" in finding.problem


def test_a_device_cannot_go_and_stay_in_one_table(desk, row):
    desk.take_in(row(1))
    old = row(1)["dev_eui"]
    finding, *_ = desk.take_in(row(1, dev_eui="70B3D50000000009", ersetzt=old), row(1)).findings
    assert (finding.line, finding.column) == (3, "dev_eui")
    assert "wird in Zeile 2 ersetzt" in finding.problem
    finding, *_ = desk.take_in(row(1), row(1, dev_eui="70B3D50000000009", ersetzt=old)).findings
    assert (finding.line, finding.column) == (3, "ersetzt")
    assert "steht in Zeile 2 als Gerät" in finding.problem


def test_one_quantity_is_measured_by_one_device(desk, row):
    (finding,) = desk.take_in(row(1), row(1, dev_eui="70B3D50000000009")).findings
    assert (finding.line, finding.column) == (3, "profil")
    assert "misst hier schon 70B3D50000000001" in finding.problem


def test_rows_of_one_thing_agree(desk, row):
    other = row(1, dev_eui="70B3D50000000009", profil="elsys-ers-co2", leer_mm="", voll_mm="", name="Anders")
    (finding,) = desk.take_in(row(1), other).findings
    assert (finding.line, finding.column) == (3, "name")
    assert "weicht von Zeile 2" in finding.problem


def test_a_move_is_not_made_by_accident(desk, row):
    desk.take_in(row(1))
    (finding,) = desk.take_in(row(2, dev_eui=row(1)["dev_eui"])).findings
    assert finding.column == "objekt"
    assert "am Objekt 'behaelter-0001' eingebaut" in finding.problem


def test_all_mistakes_are_told_at_once_in_the_order_of_the_table(desk, row):
    found = desk.take_in(row(1, breite="x", profil="x"), row(2), row(3, thema="x")).findings
    assert [(one.line, one.column) for one in found] == [(2, "breite"), (2, "profil"), (4, "thema")]


def test_bad_rows_may_be_skipped(desk, row):
    outcome = desk.take_in(row(1, breite="x"), row(2), row(3), skip_bad=True)
    assert (outcome.added, len(outcome.findings)) == (2, 1)
    assert set(desk.registry.inventory().things) == {"behaelter-0002", "behaelter-0003"}


def test_a_row_that_leans_on_a_bad_one_is_bad_too(desk, row):
    leaning = {"objekt": "behaelter-0001", "dev_eui": "70B3D50000000009", "profil": "elsys-ers-co2"}
    outcome = desk.take_in(row(1, breite="x"), leaning, skip_bad=True)
    assert {one.line for one in outcome.findings} == {2, 3}
    assert desk.registry.inventory().things == {}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "leer"),
        ("objekt;dev_eui;farbe\n", "'farbe' gibt es nicht"),
        ("objekt;dev_eui;profiel\n", "gemeint ist vielleicht 'profil'"),
        ("objekt;dev_eui;DevEUI\n", "steht zweimal da"),
        ("objekt;name\n", "es fehlt die Spalte dev_eui"),
        ('objekt;dev_eui\n"offen;1\n', "Anführungszeichen"),
        ("objekt\0;dev_eui\n", "keine Textdatei"),
    ],
)
def test_a_file_that_is_no_table_says_so(desk, tmp_path, content, words):
    path = tmp_path / "x.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TableRefused, match=re.escape(words)):
        desk.register.take_in(path)


def test_what_is_no_workbook_says_so(desk, tmp_path):
    path = tmp_path / "x.xlsx"
    path.write_bytes(b"kein Excel")
    with pytest.raises(TableRefused, match="keine lesbare Excel-Mappe"):
        desk.register.take_in(path)
    with pytest.raises(TableRefused, match="gibt es nicht"):
        desk.register.take_in(Path(tmp_path / "nichts.csv"))


def test_a_value_without_heading_is_told(desk, row):
    path = desk.file(row(1))
    path.write_text(path.read_text(encoding="utf-8").rstrip("\n") + ";zu viel\n", encoding="utf-8")
    (finding,) = desk.register.take_in(path).findings
    assert "kein Spaltenname" in finding.problem


def test_a_line_number_counts_as_the_editor_does(desk, row, tmp_path):
    lines = desk.file(row(1, bemerkung="x"), row(2, breite="x")).read_text(encoding="utf-8").splitlines()
    lines[1] = lines[1].removesuffix("x") + '"eine\nzwei"'
    path = tmp_path / "lang.csv"
    path.write_text("\n".join([lines[0], "", *lines[1:]]), encoding="utf-8")
    (finding,) = desk.register.take_in(path).findings
    assert finding.line == 5


def test_an_identifier_that_excel_made_a_number_is_refused(desk, row, tmp_path):
    path = tmp_path / "x.xlsx"
    numbers = {**row(1), "dev_eui": 7012345678901234, "breite": 51.55, "leer_mm": 1200}
    pandas.DataFrame([numbers]).to_excel(path, index=False)
    (finding,) = desk.register.take_in(path).findings
    assert (finding.line, finding.column) == (2, "dev_eui")
    assert "als Zahl gespeichert" in finding.problem
