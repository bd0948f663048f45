"""`udp devices`: told in German, refused without harm, sessions at hand after every import."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.lorawan.sessions import read_sessions
from udp.__main__ import main


@pytest.fixture
def config(tmp_path: Path) -> Path:
    assert main(["devices", "new-key", "--out", str(tmp_path / "key")]) == 0
    path = tmp_path / "api.toml"
    path.write_text(
        f'[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n'
        f'[devices]\nkey = {{ file = "{tmp_path}/key" }}\nsessions = "{tmp_path}/sessions.toml"\n',
        encoding="utf-8",
    )
    return path


@pytest.fixture
def udp(config, capsys):
    def run(*arguments):
        code = main([*map(str, arguments), "--config", str(config)])
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_import_export_undo(udp, desk, row, abp, tmp_path):
    table = desk.file(row(1), row(2, **abp))
    assert udp("devices", "import", table, "--dry-run")[1].splitlines()[-1].startswith("Probelauf: 2 neu")
    code, out, _ = udp("devices", "import", table)
    assert (code, out) == (0, "2 neu, 0 geändert, 0 unverändert (Import 1; zurücknehmen: udp devices undo)\n")
    assert [str(one.dev_addr) for one in read_sessions(tmp_path / "sessions.toml")] == ["26011E05"]
    assert udp("devices", "import", table)[1] == "0 neu, 0 geändert, 2 unverändert\n"
    assert udp("devices", "export")[1].count("behaelter-000") == 4  # key and photo of two
    assert "geraete.csv" in udp("devices", "imports")[1]
    assert "eingebaut" in udp("devices", "log", "behaelter-0001")[1]
    assert udp("devices", "undo")[0] == 0
    assert read_sessions(tmp_path / "sessions.toml") == []
    assert udp("devices", "undo")[0] == 1


def test_mistakes_go_to_the_error_stream_and_nothing_is_changed(udp, desk, row):
    table = desk.file(row(1), row(2, breite="x"), row(3, profil="x"))
    code, out, err = udp("devices", "import", table)
    assert (code, out) == (1, "")
    assert f"{table}: Zeile 3, Spalte breite: " in err
    assert err.endswith("2 Fehler; nichts wurde übernommen.\n")
    code, out, _ = udp("devices", "import", table, "--skip-bad")
    assert code == 0
    assert "1 neu" in out and "2 fehlerhafte Zeilen ausgelassen" in out


def test_a_key_file_is_never_overwritten(udp, tmp_path):
    before = (tmp_path / "key").read_text(encoding="ascii")
    assert udp("devices", "new-key", "--out", tmp_path / "key")[0] == 2
    assert (tmp_path / "key").read_text(encoding="ascii") == before
    assert (tmp_path / "key").stat().st_mode & 0o077 == 0


def test_rekey_then_the_new_key_works(udp, desk, row, config, tmp_path):
    udp("devices", "import", desk.file(row(1)))
    assert udp("devices", "rekey", "--out", tmp_path / "key2")[0] == 0
    assert udp("devices", "export", "--with-keys")[0] == 2
    config.write_text(config.read_text(encoding="utf-8").replace("/key", "/key2"), encoding="utf-8")
    assert "000102030405060708090A0B0C0D0E0F" in udp("devices", "export", "--with-keys")[1]


def test_one_device_and_one_place_are_shown_without_their_keys(udp, desk, row, abp):
    udp("devices", "import", desk.file(row(1, bemerkung="Schlüssel beim Hausmeister"), row(2, **abp)))
    exchanged = row(1, dev_eui="70B3D50000000009", ersetzt=row(1)["dev_eui"], app_key=None, join_eui=None)
    udp("devices", "import", desk.file(exchanged))
    code, out, _ = udp("devices", "show", "70b3d50000000001")
    assert code == 0
    assert "Gerät 70B3D50000000001 (Geräteverzeichnis, nicht mehr im Bestand)" in out
    assert "bemerkung       Schlüssel beim Hausmeister" in out
    assert "schlüssel       OTAA" in out
    assert "Gerät 70B3D50000000009 (dingtek-df702) ersetzt 70B3D50000000001" in out
    assert "000102" not in out
    out = udp("devices", "show", "behaelter-0001")[1]
    assert out.index("Gerät 70B3D50000000009 (Ger") < out.index("Gerät 70B3D50000000001 (Ger")
    assert "schlüssel       keine im Verzeichnis" in out
    out = udp("devices", "show", "behaelter-0002")[1]
    assert "ABP: Sitzung für immer" in out
    assert "101112" not in out.lower()
    code, _, err = udp("devices", "show", "behaelter-0003")
    assert (code, "weder die DevEUI" in err) == (1, True)


def test_labels_columns_and_notes(udp, desk, row):
    code, out, _ = udp("devices", "qr", "LW:D0:1122334455667788:AABBCCDDEEFF0011:AABB1122:OGEHEIM12")
    assert (code, "AABBCCDDEEFF0011" in out, "GEHEIM" in out) == (0, True, False)
    assert udp("devices", "qr", "Hallo")[0] == 1
    assert "nullpunkt_mm" in udp("devices", "columns")[1]
    udp("devices", "import", desk.file(row(1)))
    assert (
        udp("devices", "note", "behaelter-0001", "Deckel lose", "--kind", "schaden", "--by", "Bauhof")[0] == 0
    )
    assert "Deckel lose  (Bauhof)" in udp("devices", "log", "behaelter-0001")[1]
    assert udp("devices", "log", "behaelter-0009")[0] == 1
