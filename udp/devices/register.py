"""The register of devices in the registry's database: tables come in, imports are taken back, all is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, Row, select

from edge.wire.identifiers import DevEUI
from udp.devices.changes import changes_of
from udp.devices.checking import Checker, Mounting
from udp.devices.findings import Finding, Findings
from udp.devices.held import Held, read_held
from udp.devices.images import Image, pack, restore, unpack, write_rows
from udp.devices.moments import on_the_wall
from udp.devices.settings import DeviceSettings
from udp.devices.table_file import read_table
from udp.devices.vault import DeviceKeys, Vault, opened_vault
from udp.devices.writing import events, merged, write
from udp.errors import NotFound, PlatformError
from udp.registry import schema
from udp.registry.database import Database
from udp.registry.profiles import Profile
from udp.registry.rows import Values
from udp.registry.sql import grow, lock

LOG_KINDS = ("einbau", "tausch", "ausbau", "wartung", "reinigung", "batterie", "schaden", "notiz")


class UndoRefused(PlatformError):
    """Taking the import back would take back what somebody did later; the text names it, in German."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an import did or would do. `rows`: one line per row that changes something."""

    number: int | None
    findings: tuple[Finding, ...]
    rows: tuple[str, ...]
    added: int = 0
    changed: int = 0
    unchanged: int = 0


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of a Thing's maintenance log."""

    at: str
    kind: str
    text: str
    person: str


class DeviceRegister:
    """Writes are one transaction each: all or nothing, and no other import in between."""

    def __init__(
        self,
        database: Database,
        profiles: Mapping[str, Profile],
        settings: DeviceSettings,
        now: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._profiles = profiles
        self._settings = settings
        self._now = now
        self._vault = Vault(settings.key) if settings.key is not None else None

    def take_in(self, path: Path, *, skip_bad: bool = False, dry_run: bool = False) -> Outcome:
        """Make the register hold the table's rows; other devices are left alone, repeating changes nothing.

        A mistake in any row refuses all of them, unless `skip_bad`. `dry_run` tells and does nothing.
        TableRefused if the file holds no table, ConfigurationError if keys cannot be sealed.
        """
        findings = Findings()
        raw = read_table(path, findings)
        with self._writing(dry_run) as connection:
            held = read_held(connection)
            today = self._now().astimezone().date()
            checker = Checker(held, self._profiles, self._settings, today=today, findings=findings)
            mountings = checker.check(raw)
            told = tuple(sorted(findings.all))
            if told and not skip_bad:
                return Outcome(None, told, ())
            images = write(connection, mountings, held, self._vault)
            devices, things = _touched(images)
            changed = [one for one in mountings if one.dev_eui in devices or one.placed.thing.key in things]
            secrets = {image.after["dev_eui"] for image in images if image.table == schema.device_secret.name}
            number = self._note_import(connection, path.name, images, changed, held)
            added = sum(one.dev_eui not in held.devices for one in changed)
            return Outcome(
                number=number,
                findings=told,
                rows=tuple(_line(one, held, secret=one.dev_eui in secrets) for one in changed),
                added=added,
                changed=len(changed) - added,
                unchanged=len(mountings) - len(changed),
            )

    def undo(self) -> str:
        """Take back the newest import that is not taken back yet; its description comes back.

        NotFound if there is none, UndoRefused if rows of it were changed since.
        """
        table = schema.device_import
        with self._database.writing() as connection:
            lock(connection)
            newest = select(table).where(table.c.undone_at.is_(None)).order_by(table.c.id.desc()).limit(1)
            found = connection.execute(newest).first()
            if found is None:
                raise NotFound("Es gibt keinen Import, der noch zurückgenommen werden kann.")
            left = restore(connection, unpack(found.images))
            if left:
                raise UndoRefused(_refusal(found, left))
            log = schema.maintenance
            connection.execute(log.delete().where(log.c.import_id == found.id))
            stamp = self._now().isoformat()
            connection.execute(table.update().where(table.c.id == found.id).values(undone_at=stamp))
            grow(connection, self._now())
            return f"Import {found.id} ({found.file}, {on_the_wall(found.at)}): {found.told}"

    def imports(self) -> list[str]:
        """Every import, newest first, one line each."""
        table = schema.device_import
        columns = (table.c.id, table.c.at, table.c.file, table.c.told, table.c.undone_at)
        with self._database.reading() as connection:
            return [
                f"{row.id:>5}  {on_the_wall(row.at)}  {row.file}  {row.told}"
                + (f"  (zurückgenommen {on_the_wall(row.undone_at)})" if row.undone_at else "")
                for row in connection.execute(select(*columns).order_by(table.c.id.desc()))
            ]

    def held(self) -> Held:
        """Everything, for exports."""
        with self._database.reading() as connection:
            return read_held(connection)

    def keys(self, held: Held, dev_eui: DevEUI) -> DeviceKeys:
        """A device's keys in clear; none if none are kept. ConfigurationError without the right key."""
        sealed = held.sealed.get(dev_eui)
        return DeviceKeys() if sealed is None else self._opened().open(dev_eui, sealed)

    def keep_sessions(self, sessions: Mapping[DevEUI, DeviceKeys]) -> set[DevEUI]:
        """Keep what joins gave; the devices for which that was news. Devices personalised (ABP) since
        the sessions were read keep their own.

        NotFound if the register does not know one of the devices.
        """
        with self._database.writing() as connection:
            lock(connection)
            held = read_held(connection)
            found: list[Values] = []
            for dev_eui, given in sessions.items():
                if dev_eui not in held.devices:
                    raise NotFound(f"device {dev_eui} is not in the register; import it first")
                before = self.keys(held, dev_eui)
                after = merged(before, given)
                if after != before and not before.personalised:
                    found.append({"dev_eui": bytes(dev_eui), "sealed": self._opened().seal(dev_eui, after)})
            write_rows(connection, schema.device_secret, found)
            return {DevEUI(row["dev_eui"]) for row in found}

    def reseal(self, new: Vault) -> int:
        """Seal all keys anew, for a new key; how many entries there were."""
        with self._database.writing() as connection:
            lock(connection)
            sealed = read_held(connection).sealed
            old = self._opened()
            rows = [
                {"dev_eui": bytes(dev_eui), "sealed": new.seal(dev_eui, old.open(dev_eui, entry))}
                for dev_eui, entry in sealed.items()
            ]
            write_rows(connection, schema.device_secret, rows)
            return len(rows)

    def log(self, thing: str) -> list[LogEntry]:
        """A Thing's maintenance, oldest first. NotFound if there is no such Thing."""
        table = schema.maintenance
        with self._database.reading() as connection:
            _must_exist(connection, thing)
            found = connection.execute(
                select(table).where(table.c.thing == thing).order_by(table.c.at, table.c.id)
            )
            return [LogEntry(row.at, row.kind, row.text, row.person) for row in found]

    def note(self, thing: str, kind: str, text: str, *, person: str = "", at: str = "") -> None:
        """Write into a Thing's maintenance log. NotFound if there is no such Thing."""
        with self._database.writing() as connection:
            _must_exist(connection, thing)
            values = {"thing": thing, "at": at or self._now().isoformat(), "kind": kind, "text": text}
            connection.execute(schema.maintenance.insert().values(**values, person=person))

    @contextmanager
    def _writing(self, dry_run: bool) -> Iterator[Connection]:
        with self._database.writing() as connection, connection.begin_nested() as attempt:
            lock(connection)
            yield connection
            if dry_run:
                attempt.rollback()

    def _note_import(
        self,
        connection: Connection,
        file: str,
        images: Sequence[Image],
        changed: Sequence[Mounting],
        held: Held,
    ) -> int | None:
        """The import's own row and the log of what was mounted; nothing if nothing changed."""
        if not images:
            return None
        now = self._now()
        told = f"{len(changed)} Geräte"
        number = connection.execute(
            schema.device_import.insert().values(
                at=now.isoformat(), file=file, told=told, images=pack(images)
            )
        ).inserted_primary_key
        assert number is not None  # noqa: S101 - both databases give a key to every row
        entries = [
            {"thing": thing, "at": at, "kind": kind, "text": text, "person": "", "import_id": number[0]}
            for thing, at, kind, text in events(changed, held, now)
        ]
        if entries:
            connection.execute(schema.maintenance.insert(), entries)
        grow(connection, self._now())
        return int(number[0])

    def _opened(self) -> Vault:
        return self._vault if self._vault is not None else opened_vault(None)


def _must_exist(connection: Connection, thing: str) -> None:
    if connection.execute(select(schema.thing.c.key).where(schema.thing.c.key == thing)).first() is None:
        raise NotFound(f"Das Objekt {thing!r} gibt es nicht.")


def _touched(images: Sequence[Image]) -> tuple[set[bytes], set[str]]:
    """DevEUIs and Thing keys of which anything changed."""
    devices = {image.after["dev_eui"] for image in images if "dev_eui" in image.after}
    things = {
        image.after["key"] if image.table == schema.thing.name else image.after["thing"]
        for image in images
        if "dev_eui" not in image.after
    }
    return devices, things


def _line(one: Mounting, held: Held, *, secret: bool) -> str:
    before = held.devices.get(one.dev_eui)
    if one.removed:
        what = "Ausbau"
    elif before is None:
        what = "neu" if one.replaces is None else f"Tausch gegen {one.replaces}"
    elif not before.in_force:
        what = "wieder im Bestand"
    else:
        what = "geändert" if before.registered else "übernommen aus der Stadtdatei"
    thing = one.placed.thing
    line = f"Zeile {one.line}: {what}: {one.dev_eui} ({one.profile.name}) an {thing.key} ({thing.name})"
    if what == "geändert":
        return f"{line}: {changes_of(one, held, secret=secret)}"
    return f"{line}, {len(one.datastreams)} Datenreihen"


def _refusal(found: Row[tuple[object, ...]], left: Sequence[Image]) -> str:
    names = sorted({_name(image) for image in left})
    shown = ", ".join(names[:10]) + (f" und {len(names) - 10} weitere" if len(names) > 10 else "")
    return (
        f"Import {found.id} lässt sich nicht zurücknehmen: seither geändert wurden {shown}. "
        "Die Änderungen von Hand mit einer neuen Tabelle berichtigen."
    )


def _name(image: Image) -> str:
    row = image.after
    if "dev_eui" in row:
        return f"Gerät {row['dev_eui'].hex().upper()}"
    return f"Objekt {row.get('thing') or row['key']}"
