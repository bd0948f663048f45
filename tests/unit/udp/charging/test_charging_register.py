"""The Ladesäulenregister as it is published becomes charging points with a date; the newest counts."""

from contextlib import closing
from datetime import UTC, date, datetime

import pytest

from udp.__main__ import main
from udp.charging.register_file import read_register
from udp.charging.taking import take
from udp.errors import ConfigurationError
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry

NOTICE = (
    "".join(f"Hinweis {at};;;\r\n" for at in range(8)) + "Stand: 01.11.2026, Angaben der Betreiber;;;\r\n"
)
BANNER = "Allgemeine Informationen;;;1. Ladepunkt;;2. Ladepunkt\r\n"
HEADER = (
    "Ladeeinrichtungs-ID;Betreiber;Anzeigename (Karte);Status;Art der Ladeeinrichtung;Anzahl Ladepunkte;"
    "Nennleistung Ladeeinrichtung [kW];Inbetriebnahmedatum;Straße;Hausnummer;Adresszusatz;Postleitzahl;Ort;"
    "Kreis/kreisfreie Stadt;Bundesland;Breitengrad;Längengrad;Standortbezeichnung;"
    "Steckertypen1;Steckertypen2\r\n"
)
CITY = """format = 1
[city]
name = "Probe"
simulated = true
[[thing]]
key = "mast"
name = "Mast"
kind = "pole"
theme = "luft"
latitude = 51.56
longitude = 7.31
district = "rauxel"
district_name = "Rauxel"
access = "open"
licence = "dl-de/zero-2-0"
"""
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def line(
    number="1010338",
    status="In Betrieb",
    place="Castrop-Rauxel",
    latitude="51,5651",
    kind="Normalladeeinrichtung",
):
    return (
        f'{number};Stadtwerke;"Säule; Münsterplatz";{status};{kind};2;22;15.03.2019;Münsterplatz;1;;44575;'
        f"{place};Kreis Recklinghausen;Nordrhein-Westfalen;{latitude};7,3119;;"
        '"AC Typ 2 Steckdose; AC Schuko";AC Typ 2 Steckdose\r\n'
    )


def file(*lines, notice=NOTICE, header=HEADER):
    return (notice + BANNER + header + "".join(lines)).encode("utf-8-sig")


def test_a_device_is_read_as_it_is_published():
    found = read_register(file(line(), line("2", place="Herne")), "Castrop-Rauxel")
    (one,) = found.points
    assert found.as_of == date(2026, 11, 1)
    assert (one.key, one.name, one.operator) == (
        "ladesaeule-bnetza-1010338",
        "Säule; Münsterplatz",
        "Stadtwerke",
    )
    assert (one.latitude, one.power_kw, one.points, one.opened) == (51.5651, 22.0, 2, date(2019, 3, 15))
    assert one.plugs == "AC Typ 2 Steckdose, AC Schuko"
    assert one.address == "Münsterplatz 1, 44575 Castrop-Rauxel"


def test_older_files_in_windows_letters_and_without_numbers_are_read_too():
    header = HEADER.replace("Ladeeinrichtungs-ID;", "")
    old = (NOTICE + header + line().removeprefix("1010338;")).encode("cp1252")
    (one,) = read_register(old, "castrop-rauxel").points
    assert one.name == "Säule; Münsterplatz"
    again = read_register(old, "Castrop-Rauxel").points[0]
    assert one.key == again.key


def test_a_line_without_a_place_is_left_out_and_named():
    found = read_register(file(line(), line("2", latitude="5155,1")), "Castrop-Rauxel")
    assert len(found.points) == 1
    assert found.skipped == ("Zeile 13: Breitengrad '5155,1' liegt nicht in Deutschland",)


@pytest.mark.parametrize(
    ("content", "told"),
    [(b"", "kein Lades"), (b"<html>", "kein Lades"), (file(line(place="Herne")), "kein brauchbarer"),
     (file(line(), header=HEADER.replace(";Ort;", ";Gemeinde;")), "ohne Spalte Ort"),
     (file('1;"' + "x" * 200_000 + "\r\n"), "field larger")],
)  # fmt: skip
def test_what_is_no_register_is_refused(content, told):
    with pytest.raises(ConfigurationError, match=told):
        read_register(content, "Castrop-Rauxel")


@pytest.fixture
def registry(tmp_path):
    with closing(SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")) as made:
        (tmp_path / "city.toml").write_text(CITY)
        made.import_city(read_city(tmp_path / "city.toml", load_profiles()))
        made.city = tmp_path / "city.toml"
        yield made


def taken(registry, *lines, as_of=date(2026, 11, 1)):
    done = take(registry.database, read_register(file(*lines), "Castrop-Rauxel").points, as_of, NOW)
    return done.added, done.changed, done.unchanged, done.retired


def test_a_newer_file_changes_and_retires_and_repeating_changes_nothing(registry):
    assert taken(registry, line("1"), line("2")) == (2, 0, 0, 0)
    version = registry.version()
    assert taken(registry, line("1"), line("2")) == (0, 0, 2, 0)
    assert registry.version() == version
    newer = date(2026, 12, 1)
    assert taken(registry, line("1", status="In Wartung"), line("3"), as_of=newer) == (1, 1, 0, 1)
    things = registry.inventory().things
    assert {key for key in things if "bnetza" in key} == {"ladesaeule-bnetza-1", "ladesaeule-bnetza-3"}
    assert things["ladesaeule-bnetza-1"].location.district == "rauxel"
    with pytest.raises(ConfigurationError, match="2026-12-01"):
        taken(registry, line("1"))


def test_a_city_file_leaves_them_alone(registry):
    taken(registry, line("1"))
    registry.import_city(read_city(registry.city, load_profiles()))
    assert "ladesaeule-bnetza-1" in registry.inventory().things


def test_the_command_says_what_it_did(registry, tmp_path, capsys):
    (tmp_path / "register.csv").write_bytes(file(line("1"), line("2", latitude="x")))
    (tmp_path / "udp.toml").write_text(f'[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n')
    words = ["charging", "import", str(tmp_path / "register.csv"), "--config", str(tmp_path / "udp.toml")]
    assert main(words) == 0
    out = capsys.readouterr().out
    assert "1 Ladeeinrichtungen in Castrop-Rauxel, Stand 01.11.2026: 1 neu" in out
    assert "ausgelassen: Zeile 13" in out
