"""`udp charging import`: the Ladesäulenregister of the Bundesnetzagentur into the city's register."""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

from udp.access.audit import AuditLog
from udp.api.desk import utc_now
from udp.charging.register_file import read_register
from udp.charging.taking import take
from udp.config import Settings
from udp.errors import ConfigurationError
from udp.registry.sql import SqlRegistry


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`charging` and what follows it, below the verbs of `udp`."""
    group = verbs.add_parser("charging", help="Ladesäulen aus dem Register der Bundesnetzagentur")
    actions = group.add_subparsers(dest="action", required=True, metavar="AKTION")
    take_in = actions.add_parser(
        "import", parents=[shared], help="CSV-Datei des Ladesäulenregisters einlesen"
    )
    take_in.add_argument("file", type=Path, metavar="DATEI")
    take_in.add_argument("--place", default="Castrop-Rauxel", metavar="ORT", help="wie in der Spalte Ort")
    take_in.add_argument(
        "--as-of",
        type=date.fromisoformat,
        metavar="JJJJ-MM-TT",
        help="Stand, wenn er nicht in der Datei steht",
    )


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: fertig."""
    try:
        content = given.file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{given.file}: lässt sich nicht lesen ({error})") from error
    found = read_register(content, given.place)
    as_of = given.as_of or found.as_of
    if as_of is None:
        raise ConfigurationError(f"{given.file}: nennt keinen Stand; mit --as-of JJJJ-MM-TT angeben")
    with closing(SqlRegistry(config.registry.address())) as registry:
        done = take(registry.database, found.points, as_of, utc_now())
        AuditLog(registry.database).write(
            "udp charging", "imported", subject=str(given.file), detail=f"{len(found.points)} as of {as_of}"
        )
    _say(
        f"{len(found.points)} Ladeeinrichtungen in {given.place}, Stand {as_of:%d.%m.%Y}: {done.added} neu, "
        f"{done.changed} geändert, {done.unchanged} unverändert, {done.retired} nicht mehr da"
    )
    for one in found.skipped:
        _say(f"  ausgelassen: {one}")
    return 0


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the command's answer
