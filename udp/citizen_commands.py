"""`udp citizens ...`: what staff decides about citizens' sensors, at the command line and in German."""

from __future__ import annotations

import argparse
import getpass
import sys
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from udp.access.audit import AuditLog
from udp.citizens.class_codes import ClassCode, ClassCodes, NoSuchWish
from udp.citizens.office import Office
from udp.citizens.project import Project, State
from udp.citizens.projects import CitizenProjects
from udp.config import Settings
from udp.devices.vault import Vault
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry

_HERE = ZoneInfo("Europe/Berlin")
_STATES = {State.APPLIED: "wartet", State.APPROVED: "freigegeben", State.REFUSED: "abgelehnt"}


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """The verb and its actions."""
    citizens = verbs.add_parser("citizens")
    actions = citizens.add_subparsers(dest="action", required=True, metavar="AKTION")
    listed = actions.add_parser("list", parents=[shared], help="Anmeldungen zeigen, die wartenden zuerst")
    listed.add_argument("--all", action="store_true", help="auch die entschiedenen")
    approve = actions.add_parser("approve", parents=[shared], help="ein Projekt freigeben")
    approve.add_argument("project", metavar="PROJEKT", help="z. B. b-abcd2345, aus der Liste")
    refuse = actions.add_parser("refuse", parents=[shared], help="ein Projekt ablehnen")
    refuse.add_argument("project", metavar="PROJEKT")
    _add_class_code(actions, shared)
    refuse.add_argument("--reason", required=True, metavar="GRUND", help="liest der Anmelder")


def _add_class_code(actions: Any, shared: argparse.ArgumentParser) -> None:
    code = actions.add_parser(
        "class-code", parents=[shared], help="Code für eine Klasse: wer ihn einträgt, ist sofort freigegeben"
    )
    what = code.add_mutually_exclusive_group(required=True)
    what.add_argument("--for", dest="note", metavar="KLASSE", help='neuer Code, z. B. "8b Berufskolleg"')
    what.add_argument("--list", action="store_true", help="alle Codes, ohne die Codes selbst")
    what.add_argument("--revoke", type=int, metavar="NR", help="dieser Code lässt niemanden mehr ein")
    code.add_argument("--places", type=int, default=30, metavar="N", help="so viele Anmeldungen (30)")
    code.add_argument("--until", type=date.fromisoformat, metavar="JJJJ-MM-TT", help="letzter Tag")


def run(config: Settings, given: argparse.Namespace) -> int:
    """Do what was asked; 0 when it was done."""
    registry = SqlRegistry(config.registry.address())
    try:
        office = open_office(config, registry)
        if given.action == "list":
            _list(office, everything=given.all)
        elif given.action == "class-code":
            _class_code(ClassCodes(registry.database, AuditLog(registry.database)), given)
        elif given.action == "approve":
            _say(f"freigegeben: {_line(office.approve(given.project))}")
        else:
            _say(f"abgelehnt: {_line(office.refuse(given.project, given.reason))}")
    finally:
        registry.close()
    return 0


def open_office(config: Settings, registry: SqlRegistry) -> Office:
    """The office of these settings."""
    key = config.devices.key
    vault = None if key is None else Vault(key)
    codes = ClassCodes(registry.database, AuditLog(registry.database))
    return Office(
        projects=CitizenProjects(registry.database, config.citizens, vault, codes=codes),
        profiles=load_profiles(own=config.profiles_dir),
        inventory=registry.inventory,
        settings=config.citizens,
        area=config.devices,
    )


def _class_code(codes: ClassCodes, given: argparse.Namespace) -> None:
    if given.list:
        listed = codes.listed()
        _say("\n".join(_told(one) for one in listed) if listed else "Kein Klassencode.")
    elif given.revoke is not None:
        codes.revoke(given.revoke, _who())
        _say(f"Klassencode {given.revoke} lässt niemanden mehr ein; wer schon dabei ist, bleibt.")
    elif given.until is None:
        raise NoSuchWish("Bis wann gilt der Code? Zum Beispiel --until 2027-01-31")
    else:
        _say(codes.make(given.note, given.places, given.until, _who()))
        sys.stderr.write(
            "Der Code wird nur jetzt gezeigt. Er gehört in das Feld „Klassencode“ der Anmeldung.\n"
        )


def _told(one: ClassCode) -> str:
    state = f"gilt bis {one.until.astimezone(_HERE) - timedelta(seconds=1):%d.%m.%Y}"
    if one.revoked_at:
        state = f"widerrufen am {one.revoked_at.astimezone(_HERE):%d.%m.%Y}"
    elif one.until <= datetime.now(UTC):
        state = "abgelaufen"
    return f"{one.number:>4}  {one.used} von {one.places} vergeben  {state}  {one.note} ({one.made_by})"


def _who() -> str:
    """The person at this command line, as the operating system knows them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


def _list(office: Office, *, everything: bool) -> None:
    projects = office.projects.all(None if everything else State.APPLIED)
    if not projects:
        _say("Keine Anmeldung." if everything else "Keine Anmeldung wartet (mit --all: alle).")
    for one in projects:
        _say(_line(one))
        _say(f"    {one.name} <{one.mail}>")
        devices = ", ".join(f"{device.dev_eui} {device.label}".strip() for device in one.devices)
        exact = "genauer Ort" if one.exact else "Ort auf 100 m gerundet"
        _say(f"    {one.kind}: {devices}; {one.district_name}, {exact}; Lizenz {one.licence}")
        if one.fields:
            _say("    Felder: " + ", ".join(f"{name} = {key}" for name, key in one.fields.items()))
        if one.note:
            _say(f"    Grund: {one.note}")


def _line(project: Project) -> str:
    day = project.applied_at.astimezone().strftime("%d.%m.%Y %H:%M")
    return f"{project.slug}  {_STATES[project.state]}  {day}  {project.title}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
