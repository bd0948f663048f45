"""Delete messages whose time is over from the journal, and prove it; what is not handled yet stays.

What is to go is written down first; then its bytes are overwritten row by row, as the doors write to the
newest file meanwhile, and looked for again: only then it is proven. Killed in between, the next run goes
on. A file of an older month goes once nothing is left in it. The row numbers stay, so no later message
can be taken for another.
"""

from __future__ import annotations

import hashlib
import logging
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from edge.wire.instants import instant, microseconds
from ingest.journal import ERASED, JournalReader, JournalUnavailable, fold_back, workers
from udp.retention.proof import Begun, Deletion, Proofs, moment

log = logging.getLogger(__name__)

_AT_ONCE = 500
_OLD = f"received_at < ? AND id <= ? AND way != '{ERASED}'"


class Cursors(Protocol):
    """How far each journal file has been handled."""

    def cursor(self, journal: str) -> int:
        """By JournalReader.key: the highest row that needs no more work; 0 for none."""


class JournalAgeing:
    """For every worker's journal in `directory`."""

    def __init__(
        self,
        directory: Path,
        cursors: Cursors,
        proofs: Proofs,
        now: Callable[[], datetime],
        *,
        patience_s: float = 30.0,
    ) -> None:
        """`patience_s`: how long a reader of a file may keep us waiting."""
        self._directory = directory
        self._cursors = cursors
        self._proofs = proofs
        self._now = now
        self._patience_s = patience_s

    def run(self, kept: timedelta | None, policy: str) -> list[Deletion]:
        """Nothing received longer ago than `kept` is left; None keeps all.

        JournalUnavailable names every file that is not done with: call again.
        """
        # By whole days, so that there is one deletion a day and not one an hour.
        today = self._now().astimezone(UTC)
        before = None if kept is None else (today - kept).replace(hour=0, minute=0, second=0, microsecond=0)
        begun = {one.subject: one for one in self._proofs.begun("raw")}
        done: list[Deletion] = []
        troubles: list[str] = []
        for worker in workers(self._directory):
            reader = JournalReader(self._directory, worker)
            names = reader.names()
            for name in names:
                try:
                    done += self._file(reader, name, begun, before, policy, newest=name == names[-1])
                except (sqlite3.Error, OSError, JournalUnavailable) as error:
                    troubles.append(f"{name}: {error}")
                finally:
                    reader.close()
        if troubles:
            raise JournalUnavailable(
                "what is too old is not gone from the journal for certain, which is tried again within the "
                f"hour: {'; '.join(troubles)}"
            )
        return done

    def _file(
        self,
        reader: JournalReader,
        name: str,
        begun: Mapping[str, Begun],
        before: datetime | None,
        policy: str,
        *,
        newest: bool,
    ) -> Iterator[Deletion]:
        key = reader.key(name)
        handled = self._cursors.cursor(key)
        reader.close()  # the file may be removed
        path = self._directory / f"{name}.sqlite"
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=self._patience_s)) as journal:
            journal.execute("PRAGMA secure_delete=ON")
            if key in begun:
                yield from self._complete(journal, begun[key], before)
            if before is None or not key:
                return
            found = _found(journal, name, before, handled)
            if found is not None:
                one = Begun(key, (handled,), replace(found, policy=policy))
                if self._proofs.begin(one):
                    yield from self._complete(journal, one, before)
            alive = _one(journal, f"SELECT count(*) FROM deliveries WHERE way != '{ERASED}'")  # noqa: S608
        if not newest and not alive:
            for end in ("", "-wal", "-shm"):
                path.with_name(path.name + end).unlink(missing_ok=True)

    def _complete(
        self, journal: sqlite3.Connection, begun: Begun, before: datetime | None
    ) -> Iterator[Deletion]:
        """Delete what was begun, look again, and prove it."""
        one = begun.deletion
        limit = _limit(datetime.fromisoformat(one.before), *begun.members)
        # Whoever has lengthened the time meanwhile wants to keep what is left of it; the proof says so.
        if before is not None and datetime.fromisoformat(one.before) <= before:
            _overwrite(journal, limit)
        fold_back(journal)  # until then the old bytes still lie in the log
        left = _one(journal, f"SELECT count(*) FROM deliveries WHERE {_OLD}", limit)  # noqa: S608
        proof = replace(one, at=moment(self._now()), deleted=one.count - left, left_over=left)
        if self._proofs.confirm(begun, proof):
            log.info("%s: %d messages before %s deleted", one.dataset, proof.deleted, one.before[:10])
            yield proof


def _limit(before: datetime, handled: int) -> tuple[int, int]:
    return microseconds(before), handled


def _found(journal: sqlite3.Connection, name: str, before: datetime, handled: int) -> Deletion | None:
    """What is there and has to go; nothing is proven yet."""
    count, checksum, first, last = _summary(journal, _limit(before, handled))
    if not count:
        return None
    return Deletion(
        at="", dataset=name, what="raw", before=moment(before), first=first, last=last,
        series=0, count=count, deleted=0, checksum=checksum, left_over=count, summed_before=0,
        summed_after=0, unreadable=True, policy="",
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
    times = [moment(instant(one)) for one in (first, last)]
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
