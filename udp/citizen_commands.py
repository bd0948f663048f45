"""`udp citizens ...`: what staff decides about citizens' sensors, at the command line and in German."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from udp.citizens.office import Office
from udp.citizens.project import Project, State
from udp.citizens.projects import CitizenProjects
from udp.config import Settings
from udp.devices.vault import Vault
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry

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
    refuse.add_argument("--reason", required=True, metavar="GRUND", help="liest der Anmelder")


def run(config: Settings, given: argparse.Namespace) -> int:
    """Do what was asked; 0 when it was done."""
    registry = SqlRegistry(config.registry.address())
    try:
        office = open_office(config, registry)
        if given.action == "list":
            _list(office, everything=given.all)
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
    return Office(
        projects=CitizenProjects(registry.database, config.citizens, vault),
        profiles=load_profiles(own=config.profiles_dir),
        inventory=registry.inventory,
        settings=config.citizens,
        area=config.devices,
    )


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
