"""Keep LoRaWAN sessions as long as uplinks are remembered, and say when frames that wait can be opened.

The sessions file names those in force. A frame of a session that a join replaced may come days
later out of a spool, so what the file held before is kept beside the journal, over restarts too.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from edge.lorawan.keyring import Keyring, SessionsFile
from edge.lorawan.sessions import Session, SessionsFileError, session_of
from edge.wire.identifiers import DevAddr
from udp.ledger.port import Ledger, Page

log = logging.getLogger(__name__)


class KeptSessions:
    """One worker's file of the sessions it has ever been told (mode 0600, keys in clear as in theirs)."""

    def __init__(self, directory: Path, worker: str) -> None:
        self.path = directory / f"{worker}.sessions.json"

    def load(self, keyring: Keyring) -> None:
        """Trust what was kept; a file that cannot be read costs only what it held."""
        try:
            tables = json.loads(self.path.read_bytes())["session"]
            kept = [(_session(one, self.path), one["replaced_at"]) for one in tables]
            held = [(session, at and datetime.fromisoformat(at)) for session, at in kept]
        except FileNotFoundError:
            return
        except (OSError, ValueError, LookupError, TypeError, SessionsFileError) as error:
            log.error("%s: sessions of former joins are not known: %s", self.path, error)  # noqa: TRY400
            return
        for session, replaced_at in held:
            keyring.add(session, replaced_at)

    def save(self, sessions: Iterable[tuple[Session, datetime | None]]) -> None:
        """Replace the file at once; OSError if the disk does not take it."""
        content = json.dumps({"session": [_table(*one) for one in sessions]}, indent=1)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        waiting = self.path.with_suffix(".new")
        waiting.unlink(missing_ok=True)
        handle = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        waiting.replace(self.path)


def _session(table: Mapping[str, Any], path: Path) -> Session:
    return session_of({key: value for key, value in dict(table).items() if key != "replaced_at"}, str(path))


def _table(session: Session, replaced_at: datetime | None) -> dict[str, Any]:
    table: dict[str, Any] = {
        "dev_eui": str(session.dev_eui),
        "dev_addr": str(session.dev_addr),
        "nwk_s_key": session.nwk_s_key.hex(),
        "app_s_key": session.app_s_key.hex(),
        "counter_reset": session.counter_reset,
        "replaced_at": replaced_at and replaced_at.isoformat(),
    }
    return table | ({} if session.codec is None else {"codec": session.codec})


class Sessions:
    """The keyring in step with its file, with what was kept, and with the counters the ledger knows."""

    def __init__(
        self, file: SessionsFile | None, keyring: Keyring, kept: KeptSessions, ledger: Ledger
    ) -> None:
        self._file = file
        self._keyring = keyring
        self._kept = kept
        self._ledger = ledger
        self._behind = True  # the ledger has not been asked, or not been told, since the file changed
        self._new: set[DevAddr] = set()
        kept.load(keyring)
        keyring.take_new()  # whoever waited for these was told before they were kept

    def refresh(self) -> bool:
        """Read what changed; True when frames that waited may be wanted now. StoreUnavailable: ask again."""
        if self._file is not None and self._file.refresh():
            self._behind = True
        if not self._behind:
            return False
        resume_counters(self._keyring, self._ledger)
        self._new |= set(self._keyring.take_new())
        if self._new:
            self._ledger.write(Page(wanted=[bytes(one) for one in self._new]))
        if self._save():  # last: until then the new ones are new again after a crash
            self._new.clear()
        self._behind = False
        return True

    def _save(self) -> bool:
        try:
            self._kept.save(self._keyring.sessions())
        except OSError as error:
            log.error("%s: sessions are not kept over a restart: %s", self._kept.path, error)  # noqa: TRY400
            return False
        return True


def resume_counters(keyring: Keyring, ledger: Ledger) -> None:
    """Let the keyring know how far each session has come, as the ledger remembers."""
    held = [session for session, _replaced_at in keyring.sessions()]
    keys = {(str(one.dev_eui), bytes(one.dev_addr)): one for one in held}
    for key, counter in ledger.session_counters(list(keys)).items():
        keyring.resume(keys[key].dev_eui, keys[key].dev_addr, counter.highest)
