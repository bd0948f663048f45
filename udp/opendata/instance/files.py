"""Observations as Parquet that anybody reads, and the checksum that both ends of a move must agree on."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from udp.errors import ConfigurationError
from udp.store.columns import Observations

CHECKSUM = (
    "SHA-256 over the months in order, rows by phenomenon_time, lead, revision; of each month the "
    "columns phenomenon_time, result_time (int64 microseconds since 1970), lead (int64 s), result (float64), "
    "quality, rule (uint8), revision (int64), little-endian, one behind the other"
)
_HASHED = ("phenomenon_time", "result_time", "lead", "result", "quality", "rule", "revision")


class Fingerprint:
    """Of one Datastream's rows, fed month by month."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()
        self.count = 0

    def add(self, rows: Observations) -> None:
        """A month; its id does not count, so that a Datastream may change its number."""
        for name in _HASHED:
            column = np.ascontiguousarray(getattr(rows, name))
            if column.dtype.kind == "M":
                column = column.astype(np.int64)
            self._digest.update(column.astype(column.dtype.newbyteorder("<"), copy=False).tobytes())
        self.count += len(rows)

    def text(self) -> str:
        """As it stands in the manifest."""
        return self._digest.hexdigest()


def write_observations(path: Path, rows: Observations) -> None:
    """One Parquet file (zstd), whole or not at all; times are UTC microseconds."""
    table = pa.table(
        {
            "datastream": rows.datastream,
            "phenomenon_time": pa.array(rows.phenomenon_time).cast(pa.timestamp("us", "UTC")),
            "result_time": pa.array(rows.result_time).cast(pa.timestamp("us", "UTC")),
            **{name: getattr(rows, name) for name in ("lead", "result", "quality", "rule", "revision")},
        }
    )
    with replacing(path) as unfinished:
        pq.write_table(table, unfinished, compression="zstd")


def read_observations(path: Path, datastream: int) -> Observations:
    """What `write_observations` wrote, under the number `datastream`. ConfigurationError if it is no such."""
    try:
        table = pq.read_table(path)
        column = {name: table[name].to_numpy() for name in ("datastream", *_HASHED)}
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise ConfigurationError(f"{path}: no Parquet file of an export; copy it again ({error})") from error
    return Observations.build(
        np.full(len(table), datastream),
        column["phenomenon_time"].astype("datetime64[us]"),
        column["result"],
        result_time=column["result_time"].astype("datetime64[us]"),
        lead=column["lead"],
        quality=column["quality"],
        rule=column["rule"],
        revision=column["revision"],
    ).take(slice(0, len(table)))


class replacing:  # noqa: N801 - reads as the verb it is
    """A path to write to that takes its final name only when all went well and lies on the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._unfinished = path.with_name(path.name + ".unfinished")

    def __enter__(self) -> Path:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self._unfinished

    def __exit__(self, kind: object, *_rest: object) -> None:
        if kind is not None:
            self._unfinished.unlink(missing_ok=True)
            return
        with self._unfinished.open("rb") as file:
            os.fsync(file.fileno())
        self._unfinished.replace(self._path)


def write_json(path: Path, content: Any) -> None:
    """Readable JSON, whole or not at all."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_lines(path: Path, rows: Iterable[Any]) -> None:
    """One JSON document per line."""
    with replacing(path) as unfinished, unfinished.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def read_lines(path: Path) -> Iterator[Any]:
    """What `write_lines` wrote."""
    with path.open(encoding="utf-8") as file:
        yield from map(json.loads, file)


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
