"""Codes for classes: so many are let in until a day, nobody else, and the log says who was."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from udp.__main__ import main
from udp.access.audit import AuditLog
from udp.citizens.application import ApplicationRefused, check
from udp.citizens.class_codes import LONGEST, MOST_PLACES, ClassCodes, NoSuchWish
from udp.citizens.project import Project, State
from udp.citizens.projects import CitizenProjects, TooManyWaiting
from udp.devices.settings import DeviceSettings
from udp.errors import NotFound

from .conftest import NOW, SETTINGS, WRITTEN, Town

TODAY = date(2026, 11, 21)


@dataclass
class School:
    town: Town
    codes: ClassCodes
    audit: AuditLog
    projects: CitizenProjects

    def apply(self, number: int, code: str) -> Project:
        written = replace(WRITTEN, devices=[f"70B3D57ED00000{number:02X}"])
        offer = self.town.offer
        application = check(written, offer, DeviceSettings(), most_devices=SETTINGS.devices_at_most)
        return self.projects.apply(application, code, offer)[0]

    def used(self) -> list[int]:
        return [one.used for one in self.codes.listed()]


@pytest.fixture
def school(town: Town) -> School:
    audit = AuditLog(town.registry.database, town.clock)
    codes = ClassCodes(town.registry.database, audit, town.clock)
    projects = CitizenProjects(town.registry.database, SETTINGS, town.vault, town.clock, codes)
    return School(town, codes, audit, projects)


def test_a_good_code_lets_in_at_once_however_it_is_typed(school: School) -> None:
    code = school.codes.make("8b Berufskolleg", 3, TODAY, "frau-k")
    assert re.fullmatch(r"([a-km-np-z2-9]{4}-){3}[a-km-np-z2-9]{4}", code)
    for number, typed in enumerate((code, code.upper(), f" {code.replace('-', ' ')} "), 1):
        assert school.apply(number, typed).state is State.APPROVED
    assert len(school.town.registry.inventory().devices) == 3
    assert school.used() == [3]
    lines = [(one.who, one.what, one.detail) for one in reversed(school.audit.read())]
    assert lines[0] == ("frau-k", "class-code-made", "8b Berufskolleg; 3 places until 2026-11-21")
    assert lines[3] == ("class code 1", "citizen-let-in", "8b Berufskolleg; place 3 of 3")
    assert school.audit.broken() is None


def test_the_code_is_neither_in_the_database_nor_in_the_log(school: School, tmp_path: Path) -> None:
    code = school.codes.make("8b", 2, TODAY, "frau-k")
    school.apply(1, code)
    octets = b"".join(path.read_bytes() for path in tmp_path.glob("registry.sqlite*"))
    assert b"citizen-let-in" in octets
    assert code.encode() not in octets
    assert code.replace("-", "").encode() not in octets


def used_up(school: School) -> str:
    code = school.codes.make("8b", 1, TODAY, "frau-k")
    school.apply(9, code)
    return code


def expired(school: School) -> str:
    code = school.codes.make("8b", 5, TODAY, "frau-k")
    school.town.clock.move(timedelta(hours=10, minutes=59))  # 23:59 in Castrop-Rauxel
    school.apply(9, code)
    school.town.clock.move(timedelta(minutes=1))
    return code


def revoked(school: School) -> str:
    code = school.codes.make("8b", 5, TODAY, "frau-k")
    school.codes.revoke(1, "frau-k")
    return code


def guessed(school: School) -> str:
    school.codes.make("8b", 5, TODAY, "frau-k")
    return "aaaa-bbbb-cccc-dddd"


@pytest.mark.parametrize(
    ("made", "told"),
    [
        (used_up, "Alle Plätze"),
        (expired, "abgelaufen"),
        (revoked, "gilt nicht mehr"),
        (guessed, "gibt es nicht"),
    ],
)
def test_a_code_that_is_not_good_lets_nobody_in_and_says_why(
    school: School, made: Callable[[School], str], told: str
) -> None:
    code = made(school)
    before, projects = school.used(), len(school.projects.all())
    with pytest.raises(ApplicationRefused, match=told) as refused:
        school.apply(1, code)
    assert list(refused.value.problems) == ["klassencode"]
    assert (school.used(), len(school.projects.all())) == (before, projects)
    assert school.apply(1, "").state is State.APPLIED


def test_what_is_refused_for_another_reason_takes_no_place(school: School) -> None:
    code = school.codes.make("8b", 2, TODAY, "frau-k")
    school.apply(1, code)
    with pytest.raises(ApplicationRefused, match="schon angemeldet"):
        school.apply(1, code)
    assert school.used() == [1]
    assert [one.what for one in school.audit.read()] == ["citizen-let-in", "class-code-made"]


def test_a_class_does_not_wait_behind_those_who_do(school: School) -> None:
    code = school.codes.make("8b", 2, TODAY, "frau-k")
    for number in range(1, SETTINGS.waiting_at_most + 1):
        school.apply(number, "")
    with pytest.raises(TooManyWaiting):
        school.apply(20, "")
    assert school.apply(20, code).state is State.APPROVED


def test_where_nobody_gives_codes_none_is_good(town: Town) -> None:
    application = check(WRITTEN, town.offer, DeviceSettings(), most_devices=2)
    with pytest.raises(ApplicationRefused, match="gelten hier nicht"):
        town.projects.apply(application, "aaaa-bbbb-cccc-dddd", town.offer)
    assert town.projects.all() == []


@pytest.mark.parametrize(
    ("note", "places", "last"),
    [
        (" ", 5, TODAY),
        ("8b", 0, TODAY),
        ("8b", MOST_PLACES + 1, TODAY),
        ("8b", 5, TODAY - timedelta(days=1)),
        ("8b", 5, (NOW + LONGEST).date() + timedelta(days=1)),
    ],
)
def test_a_code_is_bounded_in_number_and_time(school: School, note: str, places: int, last: date) -> None:
    with pytest.raises(NoSuchWish):
        school.codes.make(note, places, last, "frau-k")
    assert school.codes.listed() == []


def test_only_a_code_that_still_lets_in_can_be_revoked(school: School) -> None:
    with pytest.raises(NotFound):
        school.codes.revoke(1, "frau-k")
    revoked(school)
    with pytest.raises(NotFound):
        school.codes.revoke(1, "frau-k")


def test_codes_at_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "udp.toml"
    config.write_text(f'[registry]\nurl = "sqlite:///{tmp_path}/registry.sqlite"\n', encoding="utf-8")

    def typed(*words: str, code: int = 0) -> tuple[str, str]:
        assert main(["citizens", "class-code", *words, "--config", str(config)]) == code
        return capsys.readouterr()

    last = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    assert typed("--list")[0] == "Kein Klassencode.\n"
    assert "--until" in typed("--for", "8b Berufskolleg", code=1)[1]
    out, aside = typed("--for", "8b Berufskolleg", "--places", "28", "--until", last)
    assert "nur jetzt" in aside
    listed = typed("--list")[0]
    assert "0 von 28 vergeben" in listed
    assert "8b Berufskolleg" in listed
    assert out.strip() not in listed
    assert "niemanden mehr" in typed("--revoke", "1")[0]
    assert "widerrufen" in typed("--list")[0]
    assert "gibt es nicht" in typed("--revoke", "1", code=1)[1]
