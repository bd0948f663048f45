"""`udp devices ...`: what the IT team does with the device register, said in German."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.wire.settings import Secret
from udp.config import Settings
from udp.devices.columns import COLUMNS
from udp.devices.exporting import csv_text, write_export
from udp.devices.moments import kept_moment, on_the_wall
from udp.devices.qr import read_label
from udp.devices.register import LOG_KINDS, DeviceRegister, Outcome
from udp.devices.sessions import session_tables, write_sessions
from udp.devices.showing import shown
from udp.devices.vault import Vault, new_key
from udp.errors import ConfigurationError
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry

_SHOWN = 20
Verb = Callable[[Settings, argparse.Namespace], int]


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done; 1: refused, nothing was changed."""
    return _VERBS[given.action](config, given)


def import_table(config: Settings, given: argparse.Namespace) -> int:
    """All or nothing, unless bad rows may be skipped."""
    with _register(config) as register:
        outcome = register.take_in(given.file, skip_bad=given.skip_bad, dry_run=given.dry_run)
        if outcome.number is not None and not given.dry_run:
            _refresh_sessions(config, register)
    for finding in outcome.findings:
        _say(f"{given.file}: {finding}", error=True)
    if outcome.findings and not given.skip_bad:
        _say(f"{len(outcome.findings)} Fehler; nichts wurde übernommen.", error=True)
        return 1
    shown = outcome.rows if given.all else outcome.rows[:_SHOWN]
    if given.dry_run:
        for row in shown:
            _say(row)
        if len(outcome.rows) > len(shown):
            _say(f"... und {len(outcome.rows) - len(shown)} weitere Zeilen (alle mit --all)")
    _say(_summary(outcome, dry=given.dry_run))
    return 0


def undo(config: Settings, _given: argparse.Namespace) -> int:
    """The newest import, exactly."""
    with _register(config) as register:
        _say(f"Zurückgenommen: {register.undo()}")
        _refresh_sessions(config, register)
    return 0


def imports(config: Settings, _given: argparse.Namespace) -> int:
    """What came in when."""
    with _register(config) as register:
        for line in register.imports():
            _say(line)
    return 0


def export(config: Settings, given: argparse.Namespace) -> int:
    """A table that can be read back."""
    with _register(config) as register:
        if given.out is None:
            sys.stdout.write(csv_text(register, with_keys=given.with_keys))
        else:
            write_export(register, given.out, with_keys=given.with_keys)
    return 0


def sessions(config: Settings, given: argparse.Namespace) -> int:
    """Write the file that ingest and gateways read."""
    path = given.out or config.devices.sessions
    if path is None:
        raise ConfigurationError("sessions: name the file by --out FILE, or set [devices] sessions")
    with _register(config) as register:
        count = write_sessions(path, *session_tables(register))
    _say(f"{path}: {count} Sitzungen")
    return 0


def log(config: Settings, given: argparse.Namespace) -> int:
    """A Thing's maintenance log."""
    with _register(config) as register:
        for entry in register.log(given.thing):
            _say(
                f"{on_the_wall(entry.at):<16}  {entry.kind:<10}  {entry.text}"
                + (f"  ({entry.person})" if entry.person else "")
            )
    return 0


def show(config: Settings, given: argparse.Namespace) -> int:
    """Everything about one device or place, but its keys."""
    with _register(config) as register:
        for line in shown(register, given.name):
            _say(line)
    return 0


def note(config: Settings, given: argparse.Namespace) -> int:
    """One more line in it."""
    with _register(config) as register:
        register.note(given.thing, given.kind, given.text, person=given.by, at=given.at or "")
    return 0


def qr(_config: Settings, given: argparse.Namespace) -> int:
    """What a label says; its owner token is a secret and stays unsaid."""
    try:
        label = read_label(given.text)
    except ValueError as error:
        _say(f"Der Text {error}", error=True)
        return 1
    _say(f"dev_eui        {label.dev_eui}\njoin_eui       {label.join_eui.hex().upper()}")
    _say(f"Profilkennung  {label.profile_id}\nseriennummer   {label.serial_number or '-'}")
    return 0


def columns(_config: Settings, _given: argparse.Namespace) -> int:
    """Every column a table may have."""
    for one in COLUMNS.values():
        _say(f"{one.name:<15} {one.alias:<21} {one.meaning}")
    return 0


def make_key(_config: Settings, given: argparse.Namespace) -> int:
    """A fresh key in a file of its own, never over another one."""
    _write_key(given.out)
    _say(f'{given.out}: neuer Schlüssel; in die Einstellungen: [devices] key = {{ file = "{given.out}" }}')
    return 0


def rekey(config: Settings, given: argparse.Namespace) -> int:
    """Seal everything with a new key; afterwards the settings must name its file."""
    text = _write_key(given.out)
    with _register(config) as register:
        count = register.reseal(Vault(Secret(text)))
    _say(f'{count} Geräte neu verschlossen; jetzt [devices] key = {{ file = "{given.out}" }} setzen')
    return 0


_VERBS: dict[str, Verb] = {
    "import": import_table,
    "undo": undo,
    "imports": imports,
    "export": export,
    "sessions": sessions,
    "show": show,
    "log": log,
    "note": note,
    "qr": qr,
    "columns": columns,
    "new-key": make_key,
    "rekey": rekey,
}


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`devices` and what follows it, below the verbs of `udp`."""
    group = verbs.add_parser("devices")
    actions = group.add_subparsers(dest="action", required=True)

    def action(name: str, meaning: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = actions.add_parser(name, parents=[shared], help=meaning)
        return made

    table = action("import", "eine Tabelle (.csv, .xlsx) einlesen: alles oder nichts")
    table.add_argument("file", type=Path, help="Tabelle; ihre Spalten nennt: udp devices columns")
    table.add_argument("--dry-run", action="store_true", help="nur sagen, was geschähe")
    table.add_argument("--skip-bad", action="store_true", help="fehlerhafte Zeilen auslassen")
    table.add_argument("--all", action="store_true", help="beim Probelauf jede Zeile zeigen")
    action("undo", "den jüngsten Import zurücknehmen")
    action("imports", "alle Importe nennen")
    out = action("export", "alle Geräte als Tabelle ausgeben, die sich wieder einlesen lässt")
    out.add_argument("--out", type=Path, help=".csv oder .xlsx; sonst auf die Standardausgabe")
    out.add_argument("--with-keys", action="store_true", help="auch die Schlüssel, im Klartext")
    action("sessions", "Sitzungen für ingest und Gateways schreiben (TOML, 0600)").add_argument(
        "--out", type=Path, help="sonst die Datei aus [devices] sessions"
    )
    action("show", "alles zu einem Gerät oder Objekt zeigen").add_argument(
        "name", metavar="DEVEUI|OBJEKT", help="DevEUI eines Geräts oder Kurzname eines Objekts"
    )
    action("log", "Wartungsbuch eines Objekts zeigen").add_argument("thing", help="Kurzname des Objekts")
    entry = action("note", "ins Wartungsbuch eines Objekts schreiben")
    entry.add_argument("thing", help="Kurzname des Objekts")
    entry.add_argument("text")
    entry.add_argument("--kind", choices=LOG_KINDS, default="notiz")
    entry.add_argument("--by", default="", help="wer es getan hat")
    entry.add_argument("--at", type=_moment, help="wann, z. B. 24.12.2026; sonst jetzt")
    action("qr", "Text eines QR-Codes (LoRa Alliance TR005) lesen").add_argument("text")
    action("columns", "die Spalten der Tabelle erklären")
    for name, meaning in (
        ("new-key", "einen Schlüssel für das Verzeichnis anlegen"),
        ("rekey", "alle Geräteschlüssel mit einem neuen Schlüssel verschließen"),
    ):
        action(name, meaning).add_argument("--out", type=Path, required=True, help="neue Datei")


@contextmanager
def _register(config: Settings) -> Iterator[DeviceRegister]:
    with closing(SqlRegistry(config.registry.address())) as registry:
        profiles = load_profiles(own=config.profiles_dir)
        yield DeviceRegister(registry.database, profiles, config.devices, lambda: datetime.now(UTC))


def _refresh_sessions(config: Settings, register: DeviceRegister) -> None:
    path = config.devices.sessions
    # Without a key there can be no session of ours in the file.
    if path is not None and config.devices.key is not None:
        write_sessions(path, *session_tables(register))


def _summary(outcome: Outcome, *, dry: bool) -> str:
    if not (outcome.added or outcome.changed or outcome.unchanged or outcome.findings):
        return "Unter den Spaltennamen steht keine Zeile; nichts zu tun. Ist es die richtige Datei?"
    counted = f"{outcome.added} neu, {outcome.changed} geändert, {outcome.unchanged} unverändert"
    skipped = len({finding.line for finding in outcome.findings})
    if skipped:
        counted += f", {skipped} fehlerhafte Zeilen ausgelassen"
    if dry:
        return f"Probelauf: {counted}; nichts wurde übernommen."
    number = f" (Import {outcome.number}; zurücknehmen: udp devices undo)" if outcome.number else ""
    return f"{counted}{number}"


def _write_key(path: Path) -> str:
    text = new_key()
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise ConfigurationError(f"{path}: there is a file already; name a new one") from error
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(text + "\n")
    return text


def _moment(text: str) -> str:
    try:
        return kept_moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} ist kein Datum; z. B. 24.12.2026") from error


def _say(text: str, *, error: bool = False) -> None:
    (sys.stderr if error else sys.stdout).write(text + "\n")
