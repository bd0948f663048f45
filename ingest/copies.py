"""Which copies of an uplink the whole journal holds, for a replay whose ledger does not know it.

A period may begin between two copies, and of a ledger that was lost nobody knows which copy counted.
Kept in a temporary database beside the program, not in memory: a journal of years holds millions.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import NamedTuple

from edge.wire.instants import microseconds
from ingest.journal import Entry, JournalReader
from udp.ledger.port import SeenUplink

log = logging.getLogger(__name__)

_BATCH = 2_000
_BIND_LIMIT = 500
_SCHEMA = """CREATE TABLE copies (identity BLOB, number INTEGER, received_at INTEGER, payload BLOB,
    PRIMARY KEY (identity, number)) WITHOUT ROWID;
CREATE TABLE counted (identity BLOB PRIMARY KEY) WITHOUT ROWID"""


class Copy(NamedTuple):
    """`number` is the order in the journal, `received_at` the stamp in microseconds, `payload` a digest."""

    number: int
    received_at: int
    payload: bytes


def in_order(readers: Iterable[JournalReader], begin: Callable[[JournalReader, str], int]) -> Iterator[Entry]:
    """The deliveries of all workers by (received_at, worker, row); `begin`: the row each file begins behind.

    A worker's own deliveries keep their order, whatever its clock did meanwhile.
    """
    by_worker = sorted(readers, key=lambda reader: reader.worker)
    return merge(*(_entries(reader, begin) for reader in by_worker), key=lambda entry: entry.received_at)


def batches(entries: Iterator[Entry], size: int = _BATCH) -> Iterator[list[Entry]]:
    """The same entries, `size` at a time."""
    while some := list(islice(entries, size)):
        yield some


def _entries(reader: JournalReader, begin: Callable[[JournalReader, str], int]) -> Iterator[Entry]:
    for name in reader.names():
        after = begin(reader, name)
        while some := reader.read(name, after, _BATCH):
            after = some[-1].row
            yield from some


class Copies:
    """The copies of every uplink in the journal."""

    def __init__(
        self, readers: Sequence[JournalReader], uplinks_of: Callable[[Sequence[Entry]], Sequence[SeenUplink]]
    ) -> None:
        """Nothing is read before somebody asks."""
        self._readers = readers
        self._uplinks_of = uplinks_of
        self._table: sqlite3.Connection | None = None

    def of(self, identities: Sequence[bytes]) -> Mapping[bytes, list[Copy]]:
        """The copies of each uplink."""
        table = self._table = self._table or self._read()
        found: dict[bytes, list[Copy]] = {}
        for start in range(0, len(identities), _BIND_LIMIT):
            some = identities[start : start + _BIND_LIMIT]
            marks = ",".join("?" * len(some))
            query = f"SELECT * FROM copies WHERE identity IN ({marks})"  # noqa: S608  # question marks only
            for identity, *copy in table.execute(query, some):
                found.setdefault(identity, []).append(Copy(*copy))
        return found

    def counted(self, identity: bytes) -> bool:
        """Whether this uplink has had its turn, by `count`."""
        done = self._table and self._table.execute("SELECT 1 FROM counted WHERE identity = ?", (identity,))
        return bool(done and done.fetchone())

    def count(self, identities: Sequence[bytes]) -> None:
        """These have had their turn; for a dry run, which leaves no trace of it elsewhere."""
        if self._table is not None:
            rows = [(one,) for one in identities]
            self._table.executemany("INSERT OR IGNORE INTO counted VALUES (?)", rows)

    def close(self) -> None:
        """Nothing stays on the disk."""
        if self._table is not None:
            self._table.close()

    def _read(self) -> sqlite3.Connection:
        log.info("uplinks the ledger does not know: looking through the whole journal for their copies")
        table = sqlite3.connect("", isolation_level=None)  # a file without a name, gone with the connection
        table.executescript(_SCHEMA)
        table.execute("BEGIN")
        number = 0
        own = [reader.another() for reader in self._readers]
        for entries in batches(in_order(own, lambda _reader, _name: 0)):
            rows = []
            for one in self._uplinks_of(entries):
                number += 1
                rows.append((one.identity, number, microseconds(one.received_at), one.payload))
            table.executemany("INSERT INTO copies VALUES (?, ?, ?, ?)", rows)
        for reader in own:
            reader.close()
        return table
