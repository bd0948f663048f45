"""What the embedded store can be told; apart from it, so that reading settings loads no engine."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """Where the files lie, and when rows move from SQLite to Parquet.

    keep_open: a day closes this long after its end. settle: nor while it received rows within this
    time. fold_after: late rows of a closed day wait at most this long before its file is rewritten.
    """

    folder: Path = Path("var/store")
    keep_open: timedelta = timedelta(days=1)
    settle: timedelta = timedelta(seconds=30)
    fold_after: timedelta = timedelta(hours=6)
    busy_timeout: timedelta = timedelta(seconds=15)

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, timedelta) and value < timedelta(0):
                raise ValueError(f"{field.name} is {value.total_seconds():.0f} s; give 0 or more")
