"""`udp lastgang ...`: Lastgänge und Zählerstände für Energiesoftware, hinaus und wieder herein."""

from __future__ import annotations

import argparse
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from edge.wire.instants import EPOCH
from udp.access.audit import AuditLog
from udp.api.desk import utc_now
from udp.config import Settings
from udp.energy import reading, sheet
from udp.energy.reading import STEPS
from udp.errors import ConfigurationError, NotFound
from udp.opendata.instance.files import replacing
from udp.registry.sql import SqlRegistry
from udp.store.columns import Period
from udp.store.opening import open_store

_HERE = ZoneInfo("Europe/Berlin")


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`lastgang` and what follows it, below the verbs of `udp`."""
    group = verbs.add_parser("lastgang", help="Lastgänge und Zählerstände mit OBIS-Kennzahlen (CSV)")
    actions = group.add_subparsers(dest="action", required=True, metavar="AKTION")
    out = actions.add_parser("export", parents=[shared], help="in eine CSV-Datei schreiben")
    out.add_argument("file", type=Path, metavar="DATEI")
    out.add_argument("--thing", metavar="ZÄHLER", help="nur dieses Objekt; ohne: alle Zähler")
    out.add_argument("--from", dest="start", type=_moment, required=True, metavar="JJJJ-MM-TT")
    out.add_argument(
        "--to", dest="end", type=_moment, metavar="JJJJ-MM-TT", help="ausschließlich; ohne: jetzt"
    )
    out.add_argument(
        "--every", choices=list(STEPS), default="15m", help="readings: Zählerstände, wie gemessen"
    )
    back = actions.add_parser("import", parents=[shared], help="Zählerstände einlesen (every=readings)")
    back.add_argument("file", type=Path, metavar="DATEI")


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: fertig."""
    return _export(config, given) if given.action == "export" else _import(config, given)


def _export(config: Settings, given: argparse.Namespace) -> int:
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(open_store(config.store, utc_now, read_only=True)) as store,
    ):
        inventory, step = registry.inventory(), STEPS[given.every]
        found = reading.counters(inventory.things, inventory.datastreams.values())
        wanted = [one for one in found if given.thing in (None, one.thing.key)]
        if not wanted:
            raise NotFound(f"{given.thing or 'In der Stadt'}: kein Zähler; siehe udp devices show OBJEKT")
        end = min(given.end or utc_now(), utc_now())
        asked = Period(
            given.start, max(given.start, end - (end - EPOCH) % (step or timedelta(microseconds=1)))
        )
        text = reading.csv_text(store, wanted, asked, step)
        with replacing(given.file) as unfinished:
            unfinished.write_text(text, encoding="utf-8", newline="")
        AuditLog(registry.database).write("udp lastgang", "exported", subject=str(given.file))
    _say(f"{given.file}: {text.count(chr(10)) - 1} Zeilen von {len(wanted)} Zählern")
    return 0


def _import(config: Settings, given: argparse.Namespace) -> int:
    try:
        content = given.file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{given.file}: lässt sich nicht lesen ({error})") from error
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(open_store(config.store, utc_now)) as store,
    ):
        inventory = registry.inventory()
        known = reading.counters(inventory.things, inventory.datastreams.values())
        found = sheet.read_back(content, known)
        count = 0
        for rows in found.values():
            for revision in np.unique(rows.revision):
                store.append(rows.take(rows.revision == revision))
            count += len(rows)
        AuditLog(registry.database).write(
            "udp lastgang", "imported", subject=str(given.file), detail=f"{count} readings"
        )
    _say(f"{count} Zählerstände von {len(found)} Zählern eingelesen; was schon da war, ist geblieben")
    return 0


def _moment(text: str) -> datetime:
    """A day of the city, or ISO 8601 with offset."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: JJJJ-MM-TT oder 2026-11-21T08:00:00+01:00") from error
    return (found.replace(tzinfo=_HERE) if found.tzinfo is None else found).astimezone(UTC)


def _say(text: str) -> None:
    print(text)  # noqa: T201 - the command's answer
