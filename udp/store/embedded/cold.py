"""The Parquet files of closed days: written once, read by row group, never changed.

Anyone reads them with one line (`pandas.read_parquet`): rows ascend by datastream, phenomenon_time,
lead, and hold the newest revisions at the time of writing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from udp.store.census import Census
from udp.store.columns import Floats, Ints, Mask, Observations
from udp.store.embedded.hot import is_among
from udp.store.embedded.kept import Kept
from udp.store.embedded.places import ColdFile, Span
from udp.store.statistics import DAY_US

# One series is read by whole row groups. Of a month (4,464 rows at one per ten minutes) it fills
# half a large group; of a day (144 rows) it would share one with fifty others, measured at 0.8 ms
# a file. Smaller groups everywhere would make the footer of a month's file larger than its index.
_LARGE_GROUP_ROWS = 8_192
_SMALL_GROUP_ROWS = 2_048
_LARGE_FROM_DAYS = 20
LONGEST_GROUP_ROWS = 65_536
# A footer of a month of 5,000 series takes some 8 MB of memory.
_REMEMBERED_FILES = 48

_SCHEMA = pa.schema(
    [
        pa.field("datastream", pa.int64(), nullable=False),
        pa.field("phenomenon_time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("result_time", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("lead", pa.int64(), nullable=False),
        pa.field("result", pa.float64(), nullable=False),
        pa.field("quality", pa.uint8(), nullable=False),
        pa.field("rule", pa.uint8(), nullable=False),
        pa.field("revision", pa.int64(), nullable=False),
    ]
)
_IDENTITY = ("datastream", "phenomenon_time", "lead", "revision")


@dataclass(frozen=True, slots=True)
class FileIndex:
    """Parsed footer of one file with the range of ids and times of each row group."""

    metadata: pq.FileMetaData
    first: Ints
    last: Ints
    earliest: Ints
    newest: Ints
    rows: Ints


class ColdFolder:
    """Reads and writes the files of one folder; remembers footers, keeps no file open."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._indexes = Kept[FileIndex](_REMEMBERED_FILES)

    def read(self, file: ColdFile, wanted: Ints, span: Span) -> Observations:
        """Rows of `wanted` (ascending ids) within `span`, ascending.

        FileNotFoundError when maintenance has replaced the file since its name was looked up.
        """
        index = self.index(file)
        touches = np.searchsorted(wanted, index.last, "right") > np.searchsorted(wanted, index.first, "left")
        groups = np.flatnonzero(touches & (index.newest >= span.start) & (index.earliest < span.end))
        rows = self._groups(file, index, groups)
        time = rows.phenomenon_time.astype(np.int64)
        return rows.take(is_among(rows.datastream, wanted) & (time >= span.start) & (time < span.end))

    def read_range(self, file: ColdFile, low: int, high: int) -> Observations:
        """All rows of datastreams in [low, high), ascending."""
        index = self.index(file)
        groups = np.flatnonzero((index.last >= low) & (index.first < high))
        rows = self._groups(file, index, groups)
        return rows.take((rows.datastream >= low) & (rows.datastream < high))

    def read_identities(self, file: ColdFile, day: int) -> Observations:
        """All rows of one day, ascending, with identity and revision only (the rest is zero).

        A month's file passes through memory in small parts.
        """
        index = self.index(file)
        start, end = day * DAY_US, (day + 1) * DAY_US
        groups = np.flatnonzero((index.newest >= start) & (index.earliest < end))
        parts = [Observations.empty()]
        for begin in range(0, len(groups), 64):
            table = self._table(file, index, groups[begin : begin + 64], list(_IDENTITY))
            columns = {name: _column(table, name) for name in _IDENTITY}
            rows = Observations.build(result=0.0, **columns)
            time = rows.phenomenon_time.astype(np.int64)
            parts.append(rows.take((time >= start) & (time < end)))
        return Observations.concatenate(parts)

    def summary(self, file: ColdFile) -> Census:
        """Count, first and last time of every datastream; two columns pass through memory in parts."""
        index = self.index(file)
        parts = []
        for begin in range(0, len(index.rows), 64):
            groups = np.arange(begin, min(begin + 64, len(index.rows)))
            table = self._table(file, index, groups, ["datastream", "phenomenon_time"])
            ids, times = _column(table, "datastream"), _column(table, "phenomenon_time")
            parts.append(Census.of(Observations.build(ids, times, 0.0)))
        return Census.merge(parts)

    def results(self, file: ColdFile, wanted: Ints | None) -> Iterator[tuple[Ints, Floats]]:
        """Ids and results of all rows, or of the row groups that hold `wanted` (ascending), in parts."""
        index = self.index(file)
        groups = np.arange(len(index.rows))
        if wanted is not None:
            before = np.searchsorted(wanted, index.first, "left")
            groups = np.flatnonzero(np.searchsorted(wanted, index.last, "right") > before)
        for begin in range(0, len(groups), 64):
            table = self._table(file, index, groups[begin : begin + 64], ["datastream", "result"])
            yield _column(table, "datastream"), _column(table, "result")

    def count(self, file: ColdFile, chosen: Callable[[Ints, Ints], Mask]) -> int:
        """How many rows `chosen` takes, given ids and microseconds; passes through memory in parts."""
        index = self.index(file)
        found = 0
        for begin in range(0, len(index.rows), 64):
            groups = np.arange(begin, min(begin + 64, len(index.rows)))
            table = self._table(file, index, groups, ["datastream", "phenomenon_time"])
            times = _column(table, "phenomenon_time").astype("datetime64[us]").astype(np.int64)
            found += int(chosen(_column(table, "datastream"), times).sum())
        return found

    def index(self, file: ColdFile) -> FileIndex:
        """Parsed footer, read once per process: files never change."""
        path = self.folder / file.name
        return self._indexes.of(file.name, None, lambda: _index(pq.read_metadata(path)))

    @contextmanager
    def writing(self, file: ColdFile) -> Iterator[ColdWriter]:
        """A new file that is complete and on disk under its name when the block is left, or not there."""
        path = self.folder / file.name
        days = file.last_day - file.first_day + 1
        # Whoever reads the whole folder skips names that begin with a dot.
        unfinished = path.with_name(f".{file.name}.unfinished")
        try:
            with pq.ParquetWriter(
                unfinished,
                _SCHEMA,
                compression="zstd",
                compression_level=3,
                use_dictionary=["datastream", "lead", "result", "quality", "rule", "revision"],
                column_encoding={
                    "phenomenon_time": "DELTA_BINARY_PACKED",
                    "result_time": "DELTA_BINARY_PACKED",
                },
            ) as parquet:
                writer = ColdWriter(
                    parquet, _LARGE_GROUP_ROWS if days >= _LARGE_FROM_DAYS else _SMALL_GROUP_ROWS
                )
                yield writer
                writer.finish()
            _to_disk(unfinished)
            unfinished.rename(path)
            _to_disk(self.folder)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise

    def remove_all_but(self, names: set[str]) -> None:
        """Delete what no manifest names: left behind by a crash, or replaced."""
        for path in self.folder.iterdir():
            if path.name not in names and path.suffix in {".parquet", ".unfinished"}:
                path.unlink(missing_ok=True)

    def _groups(self, file: ColdFile, index: FileIndex, groups: Any) -> Observations:
        if not len(groups):
            return Observations.empty()
        table = self._table(file, index, groups, _SCHEMA.names)
        return Observations(**{name: _column(table, name) for name in _SCHEMA.names})

    def _table(self, file: ColdFile, index: FileIndex, groups: Any, columns: list[str]) -> pa.Table:
        path = self.folder / file.name
        with pq.ParquetFile(path, metadata=index.metadata, memory_map=True) as parquet:
            return parquet.read_row_groups(groups.tolist(), columns, use_threads=len(groups) > 16)


class ColdWriter:
    """Cuts ascending rows into row groups that end where a datastream ends."""

    def __init__(self, parquet: pq.ParquetWriter, group_rows: int) -> None:
        self._parquet = parquet
        self._group_rows = group_rows
        self._waiting = Observations.empty()
        self.rows = 0

    def add(self, rows: Observations) -> None:
        """Rows ascending, behind all rows added before."""
        rows = Observations.concatenate([self._waiting, rows]) if len(self._waiting) else rows
        self.rows += len(rows) - len(self._waiting)
        starts = np.flatnonzero(np.diff(rows.datastream)) + 1
        begin = 0
        while True:
            at = int(np.searchsorted(starts, begin + self._group_rows))
            if at == len(starts):
                break
            end = int(starts[at])
            self._write(rows.take(slice(begin, end)))
            begin = end
        self._waiting = rows.take(slice(begin, None))

    def finish(self) -> None:
        """Write what waited for the end of its datastream."""
        if len(self._waiting):
            self._write(self._waiting)
        self._waiting = Observations.empty()

    def _write(self, rows: Observations) -> None:
        arrays = [pa.array(getattr(rows, field.name)).cast(field.type) for field in _SCHEMA]
        self._parquet.write_table(
            pa.Table.from_arrays(arrays, schema=_SCHEMA), row_group_size=LONGEST_GROUP_ROWS
        )


def _index(metadata: pq.FileMetaData) -> FileIndex:
    limits = np.empty((metadata.num_row_groups, 5), np.int64)
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        ids, times = group.column(0).statistics, group.column(1).statistics
        limits[number] = ids.min, ids.max, times.min_raw, times.max_raw, group.num_rows
    return FileIndex(metadata, *(np.ascontiguousarray(limits[:, column]) for column in range(5)))


def _column(table: pa.Table, name: str) -> Any:
    return np.ascontiguousarray(table.column(name).to_numpy())


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
