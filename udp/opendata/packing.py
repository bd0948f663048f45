"""One dump on the disk: the same rows as Parquet and as CSV, and a note that says under which terms."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from udp.opendata.csv_text import cell
from udp.opendata.instance.files import replacing, sha256, write_json
from udp.opendata.rows import SCHEMA

FORMAT = 1
ENDINGS = ("parquet", "csv.gz")
_CSV_SCHEMA = pa.schema(
    [(one.name, one.type if pa.types.is_integer(one.type) or pa.types.is_floating(one.type) else pa.string())
     for one in SCHEMA]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Note:
    """What stands beside a dump. `mark` changes when the dump must be made anew; `terms` as `Offered.terms`.
    `files`: by ending octets and SHA-256. `quality`: values by quality word."""

    name: str
    mark: str
    made_at: str
    rows: int
    first: str
    last: str
    quality: Mapping[str, int]
    terms: Mapping[str, str]
    files: Mapping[str, Mapping[str, Any]]


def write_dump(
    folder: Path, name: str, tables: Iterable[pa.Table], *, mark: str, made_at: str, terms: Mapping[str, str]
) -> Note | None:
    """All files of `name` below `folder`, the note last; None, and nothing left, if there are no rows."""
    told = _Told()
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, name, told.watching(tables))
    if not told.rows:
        remove_dump(folder, name)
        return None
    files = {
        ending: {"octets": path.stat().st_size, "sha256": sha256(path)}
        for ending in ENDINGS
        if (path := folder / f"{name}.{ending}")
    }
    note = Note(name, mark, made_at, told.rows, told.first, told.last, dict(told.quality), terms, files)
    write_json(folder / f"{name}.json", {"format": FORMAT, **asdict(note)})
    return note


def remove_dump(folder: Path, name: str) -> None:
    """The note first: without it nobody is given the files."""
    for ending in ("json", *ENDINGS):
        (folder / f"{name}.{ending}").unlink(missing_ok=True)


def read_note(folder: Path, name: str) -> Note | None:
    """None if there is no such dump, or one by a program with another format."""
    try:
        content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    if content.pop("format", None) != FORMAT:
        return None
    return Note(**content)


class _Told:
    """What the rows come to, counted while they pass."""

    def __init__(self) -> None:
        self.rows = 0
        self.first = self.last = ""
        self.quality: Counter[str] = Counter()

    def watching(self, tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
        """The same tables."""
        for table in tables:
            self.rows += len(table)
            times = sorted(filter(None, _iso(table["time"])))
            self.first = min(times[0], self.first or times[0])
            self.last = max(times[-1], self.last)
            counted = table["quality"].cast(pa.string()).value_counts().to_pylist()
            self.quality.update({one["values"]: one["counts"] for one in counted if one["values"]})
            yield table


def _write(folder: Path, name: str, tables: Iterable[pa.Table]) -> None:
    with ExitStack() as stack:
        parquet = stack.enter_context(replacing(folder / f"{name}.parquet"))
        compressed = stack.enter_context(replacing(folder / f"{name}.csv.gz"))
        # Without name and time in the head the same rows give the same octets.
        file = stack.enter_context(compressed.open("wb"))
        stream = stack.enter_context(gzip.GzipFile("", "wb", 6, file, mtime=0))
        written = stack.enter_context(pq.ParquetWriter(parquet, SCHEMA, compression="zstd"))
        lines = stack.enter_context(pa_csv.CSVWriter(stream, _CSV_SCHEMA))
        for table in tables:
            written.write_table(table)
            lines.write_table(_as_text(table))


def _as_text(table: pa.Table) -> pa.Table:
    """Times as ISO 8601 with Z, truth as true and false, and no cell that a spreadsheet would run."""
    columns = []
    for one in SCHEMA:
        column = table[one.name]
        if pa.types.is_timestamp(one.type):
            columns.append(pa.array(_iso(column), pa.string()))
        elif pa.types.is_boolean(one.type):
            columns.append(column.cast(pa.string()))
        elif pa.types.is_dictionary(one.type):
            columns.append(_safe(column))
        else:
            columns.append(column)
    return pa.Table.from_arrays(columns, schema=_CSV_SCHEMA)


def _safe(column: pa.ChunkedArray) -> pa.Array:
    encoded = column.combine_chunks()
    words = pa.array([cell(word) for word in encoded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(encoded.indices, words).cast(pa.string())


def _iso(column: pa.ChunkedArray) -> list[str | None]:
    if column.null_count:
        return [None] * len(column)  # only whole columns are without
    times = column.to_numpy().astype("datetime64[us]")
    text: list[str | None] = np.char.add(np.datetime_as_string(times, unit="us"), "Z").tolist()
    return text
