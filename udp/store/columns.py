"""Observations as columns: numpy arrays in small frozen classes, never a million objects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from udp.sensorthings import Quality, QualityRule

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]
Flags = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class Function(IntEnum):
    """What `aggregate` can compute over a bucket."""

    COUNT = 1
    SUM = 2
    MEAN = 3
    MINIMUM = 4
    MAXIMUM = 5
    FIRST = 6
    LAST = 7


@dataclass(frozen=True, slots=True)
class Period:
    """Half-open [start, end), both aware UTC."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for moment in (self.start, self.end):
            if moment.utcoffset() != timedelta(0):
                raise ValueError(f"{moment!r} must be timezone-aware UTC")
        if self.end < self.start:
            raise ValueError(f"period ends {self.end} before it starts {self.start}")


@dataclass(frozen=True, slots=True)
class Observations:
    """n Observations, one array element each; identity is (datastream, phenomenon_time, lead).

    datastream: int64 registry id. phenomenon_time, result_time: datetime64[us], UTC.
    lead: int64 seconds, 0 for measurements, valid time - issue time for forecasts.
    result: float64 in the Datastream's unit. quality: uint8 (`Quality`), rule: uint8
    (`QualityRule`, what set it). revision: int64, 0 for the first, higher supersedes.
    """

    datastream: Ints
    phenomenon_time: Times
    result_time: Times
    lead: Ints
    result: Floats
    quality: Flags
    rule: Flags
    revision: Ints

    def __post_init__(self) -> None:
        size = len(self.datastream)
        for name, kind in _COLUMNS.items():
            column = getattr(self, name)
            if column.dtype != kind or column.shape != (size,):
                raise ValueError(
                    f"column {name}: expected {size} x {kind}, got {column.shape} x {column.dtype}"
                )

    def __len__(self) -> int:
        return len(self.datastream)

    def take(self, index: NDArray[Any] | slice) -> Self:
        """The Observations at `index` (positions, mask or slice), in that order."""
        return type(self)(**{name: getattr(self, name)[index] for name in _COLUMNS})

    @classmethod
    def concatenate(cls, parts: list[Self]) -> Self:
        """All parts one behind the other; nothing for no parts."""
        if not parts:
            return cls.empty()
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS})

    @classmethod
    def empty(cls) -> Self:
        """No Observations."""
        return cls(**{name: np.empty(0, kind) for name, kind in _COLUMNS.items()})

    @classmethod
    def build(
        cls,
        datastream: Any,
        phenomenon_time: Any,
        result: Any,
        *,
        result_time: Any = None,
        lead: Any = 0,
        quality: Any = Quality.UNCHECKED,
        rule: Any = QualityRule.NONE,
        revision: Any = 0,
    ) -> Self:
        """Columns from sequences or scalars; times as datetime64[us] or integer microseconds UTC."""
        time = np.asarray(phenomenon_time).astype("datetime64[us]")
        known = time if result_time is None else np.asarray(result_time).astype("datetime64[us]")
        raw = {
            "datastream": datastream, "phenomenon_time": time, "result_time": known, "lead": lead,
            "result": result, "quality": quality, "rule": rule, "revision": revision,
        }  # fmt: skip
        size = np.broadcast_shapes(*(np.shape(values) for values in raw.values()), (1,))
        return cls(
            **{
                name: np.ascontiguousarray(np.broadcast_to(np.asarray(raw[name]).astype(kind), size))
                for name, kind in _COLUMNS.items()
            }
        )


_COLUMNS: Mapping[str, np.dtype[Any]] = {
    "datastream": np.dtype("int64"),
    "phenomenon_time": np.dtype("datetime64[us]"),
    "result_time": np.dtype("datetime64[us]"),
    "lead": np.dtype("int64"),
    "result": np.dtype("float64"),
    "quality": np.dtype("uint8"),
    "rule": np.dtype("uint8"),
    "revision": np.dtype("int64"),
}


@dataclass(frozen=True, slots=True)
class Aggregates:
    """One element per (datastream, bucket) that has values; ascending by datastream, then bucket.

    bucket: datetime64[us], start of the bucket. values: one float64 array per function asked for.
    """

    datastream: Ints
    bucket: Times
    values: Mapping[Function, Floats]

    def __len__(self) -> int:
        return len(self.datastream)
