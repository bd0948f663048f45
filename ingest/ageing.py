"""Delete messages whose time is over from the journal, and prove it; what is not handled yet stays.

Bytes are overwritten row by row, as the doors write to the newest file meanwhile; a file of an older
month goes once nothing is left in it. The row numbers stay, so no later message can be taken for another.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from ingest.journal import ERASED, JournalReader, JournalUnavailable, workers
from udp.retention.proof import Deletion, Proofs, moment

log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_AT_ONCE = 500
_OLD = f"received_at < ? AND id <= ? AND way != '{ERASED}'"


class Cursors(Protocol):
    """How far each journal file has been handled."""

    def cursor(self, journal: str) -> int:
        """By JournalReader.key: the highest row that needs no more work; 0 for none."""


class JournalAgeing:
    """For every worker's journal in `directory`."""

    def __init__(
        self, directory: Path, cursors: Cursors, proofs: Proofs, now: Callable[[], datetime]
    ) -> None:
        self._directory = directory
        self._cursors = cursors
        self._proofs = proofs
        self._now = now

    def run(self, kept: timedelta | None, policy: str) -> list[Deletion]:
        """Nothing received longer ago than `kept` is left; None keeps all. JournalUnavailable: call again."""
        if kept is None:
            return []
        # By whole days, so that there is one deletion a day and not one an hour.
        now = self._now().astimezone(UTC)
        before = (now - kept).replace(hour=0, minute=0, second=0, microsecond=0)
        done = []
        for worker in workers(self._directory):
            reader = JournalReader(self._directory, worker)
            names = reader.names()
            for name in names:
                handled = self._cursors.cursor(reader.key(name))
                reader.close()  # the file may be removed
                proof = self._forget(name, handled, before, policy, newest=name == names[-1])
                if proof is not None:
                    self._proofs.add(proof)
                    done.append(proof)
                    log.info("%s: %d messages before %s deleted", name, proof.count, proof.before[:10])
        return done

    def _forget(
        self, name: str, handled: int, before: datetime, policy: str, *, newest: bool
    ) -> Deletion | None:
        path = self._directory / f"{name}.sqlite"
        limit = ((before - _EPOCH) // _MICROSECOND, handled)
        uri = f"{path.absolute().as_uri()}?mode=rw"
        try:
            with closing(sqlite3.connect(uri, uri=True, timeout=30.0)) as journal:
                journal.execute("PRAGMA secure_delete=ON")
                count, checksum, first, last = _summary(journal, limit)
                if count:
                    _overwrite(journal, limit)
                    # Until the log is folded back, the old bytes still lie in it.
                    journal.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                left = _one(journal, f"SELECT count(*) FROM deliveries WHERE {_OLD}", limit)  # noqa: S608
                alive = _one(journal, f"SELECT count(*) FROM deliveries WHERE way != '{ERASED}'")  # noqa: S608
            if not newest and not alive:
                for end in ("", "-wal", "-shm"):
                    path.with_name(path.name + end).unlink(missing_ok=True)
        except (sqlite3.Error, OSError) as error:
            raise JournalUnavailable(f"journal {path}: nothing was deleted: {error}; tried again") from error
        if not count:
            return None
        return Deletion(
            at=moment(self._now()), dataset=name, what="raw", before=moment(before), first=first, last=last,
            series=0, count=count, deleted=count, checksum=checksum, left_over=left, summed_before=0,
            summed_after=0, unreadable=True, policy=policy,
        )  # fmt: skip


def _summary(journal: sqlite3.Connection, limit: tuple[int, int]) -> tuple[int, str, str, str]:
    digest, count, first, last = hashlib.sha256(), 0, 0, 0
    query = f"SELECT id, received_at, octets FROM deliveries WHERE {_OLD} ORDER BY id"  # noqa: S608
    for row, received_at, octets in journal.execute(query, limit):
        digest.update(row.to_bytes(8) + received_at.to_bytes(8) + len(octets).to_bytes(8) + octets)
        first = received_at if not count else min(first, received_at)
        last, count = max(last, received_at), count + 1
    if not count:
        return 0, "", "", ""
    times = [moment(_EPOCH + one * _MICROSECOND) for one in (first, last)]
    return count, digest.hexdigest(), times[0], times[1]


def _overwrite(journal: sqlite3.Connection, limit: tuple[int, int]) -> None:
    """In small steps: the doors write to the same file and must not wait."""
    query = f"SELECT id FROM deliveries WHERE {_OLD} AND id > ? ORDER BY id LIMIT {_AT_ONCE}"  # noqa: S608
    after = 0
    while rows := journal.execute(query, (*limit, after)).fetchall():
        after = rows[-1][0]
        with journal:
            journal.executemany(
                f"UPDATE deliveries SET way = '{ERASED}', origin = '', content_type = '', "  # noqa: S608
                "octets = x'' WHERE id = ?",
                rows,
            )


def _one(journal: sqlite3.Connection, query: str, values: tuple[int, ...] = ()) -> int:
    (found,) = journal.execute(query, values).fetchone()
    return int(found)
