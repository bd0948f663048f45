"""Read series as strangers keep them, and say which file and column is meant where something is missing.

Columns are known by many names; the unit stands in the name (`level_cm`, `discharge_l_s`). Empty cells and
the usual codes of loggers are gaps. What was corrected on the way is said, never done in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from models.series import Booleans, Floats, Integers, Series, Step, Times

TIME = ("time", "t", "date", "datetime", "timestamp", "time_utc", "timestamp_utc")
GAPS = frozenset({"", "na", "n/a", "nan", "null", "none", "-", "--", "inf", "-inf"})
# Loggers write these where there was no value (USGS, DWD, CAMELS).
LOGGER_GAPS = (-999.0, -9999.0, -99999.0, -999999.0, -99.9, -999.9, -999.99)


YES = frozenset({"1", "1.0", "true", "yes", "ja"})
NO = frozenset({"0", "0.0", "false", "no", "nein"})
NOT_EVALUATED = "NOT EVALUATED: "


class UnusableTable(ValueError):
    """The file cannot be read as what it should be; the text names file, column and remedy."""


@dataclass(frozen=True, slots=True)
class Table:
    """One file: its columns as they came, and ``remarks`` on what was corrected."""

    file: Path
    columns: pd.DataFrame
    remarks: list[str] = field(default_factory=list)

    @classmethod
    def read(cls, file: Path) -> Table:
        """CSV (comma, semicolon or tabulator) or Parquet. Raises `UnusableTable`."""
        try:
            found = _parquet(file) if file.suffix == ".parquet" else _csv(file)
        except (OSError, ValueError) as error:
            raise UnusableTable(f"{file}: cannot be read as {file.suffix[1:]}: {error}") from error
        if not len(found):
            raise UnusableTable(f"{file}: holds no rows; give at least a header and values")
        found.columns = [str(name).strip().lower() for name in found.columns]
        if (twice := found.columns[found.columns.duplicated()]).size:
            raise UnusableTable(f"{file}, column {twice[0]} stands there twice; capitals make no difference")
        return cls(file, found)

    @property
    def there(self) -> str:
        """The columns that are, for whoever looks for another one."""
        return "there are: " + ", ".join(map(str, self.columns))

    def name_of(self, names: Sequence[str]) -> str | None:
        """The first of ``names`` that is a column."""
        return next((name for name in names if name in self.columns), None)

    def needed(self, what: str, names: Sequence[str]) -> str:
        """Likewise. Raises `UnusableTable` that says which names would do."""
        if (found := self.name_of(names)) is None:
            raise UnusableTable(
                f"{self.file}: no column with the {what}; name it {' or '.join(names[:6])} ({self.there})"
            )
        return found

    def long(self, row: str, value: str) -> Table:
        """A table with one column per place becomes one with a row per place and time."""
        name = self.needed("time", TIME)
        made = self.columns.melt(id_vars=[name], var_name=row, value_name=value)
        self.remarks.append(f"one column per {row}: {', '.join(map(str, self.columns.columns.drop(name)))}")
        return Table(self.file, made, self.remarks)

    def times(self) -> Times:
        """When each row was (UTC), NaT where it has no time or one of the future: a clock that runs ahead
        must not become tomorrow's truth. Both are said. Raises `UnusableTable`, also when no row is left."""
        name = self.needed("time", TIME)
        made = self.moments(name)
        ahead = made > _tomorrow()
        for count, text in (
            (np.isnat(made).sum(), "rows without a time left out"),
            (ahead.sum(), "rows of the future left out"),
        ):
            if count:
                self.remarks.append(f"{count} {text}")
        made[ahead] = np.datetime64("NaT")
        if np.isnat(made).all():
            raise UnusableTable(f"{self.file}, column {name}: no row has a time of the past")
        return made

    def moments(self, name: str) -> Times:
        """Of one column, NaT where it is empty; what names no zone is UTC. Raises `UnusableTable`."""
        column = self.columns[name]
        if pd.api.types.is_numeric_dtype(column) and column.notna().any():
            # Seconds, milliseconds or nanoseconds since 1970, or days since 1900: nobody can tell.
            raise UnusableTable(
                f"{self.file}, column {name}: holds numbers and no times; write 2026-11-21T08:00Z"
            )
        made = pd.to_datetime(column, utc=True, errors="coerce", format="ISO8601") if _text(column) else None
        if made is None:
            made = pd.to_datetime(column, utc=True, errors="coerce")
        unread = made.isna() & column.notna() & (column.astype(str).str.strip() != "")
        if unread.any():
            row = int(np.argmax(unread.to_numpy()))
            raise UnusableTable(
                f"{self.file}, line {row + 2}, column {name}: {column.iloc[row]!r} is no time; "
                "write 2026-11-21T08:00Z"
            )
        return np.array(made.dt.tz_localize(None).to_numpy(), dtype="datetime64[us]")

    def numbers(self, name: str) -> Floats:
        """Of one column, gaps as NaN. Raises `UnusableTable` for a text among them."""
        column = self.columns[name]
        if _text(column):
            column = column.astype(str).str.strip()
            column = column.where(~column.str.lower().isin(GAPS), "")
        made = pd.to_numeric(column, errors="coerce")
        unread = made.isna() & column.notna() & (column != "")
        if unread.any():
            row = int(np.argmax(unread.to_numpy()))
            raise UnusableTable(
                f"{self.file}, line {row + 2}, column {name}: {column.iloc[row]!r} is no number; "
                "leave the cell empty where nothing was measured"
            )
        values = made.to_numpy(dtype=np.float64, na_value=np.nan)
        code = np.isin(values, LOGGER_GAPS)
        if code.any():
            self.remarks.append(f"{name}: {code.sum()} x {values[code][0]:g} read as gaps")
        return np.where(np.isfinite(values) & ~code, values, np.nan)

    def marks(self, name: str) -> Booleans:
        """Where a column says yes, in any usual way; what is neither yes nor no is named and counts as no."""
        column = self.columns[name].astype(str).str.strip().str.lower()
        yes = column.isin(YES).to_numpy(dtype=bool)
        neither = ~yes & ~column.isin(NO | GAPS).to_numpy(dtype=bool)
        if neither.any():
            first = column.iloc[int(np.argmax(neither))]
            self.remarks.append(f"{name}: {neither.sum()} x neither yes nor no, as {first!r}; read as no")
        return np.asarray(yes)

    def measured(self, what: str, units: Mapping[str, float], times: Times, unit: str) -> Series | None:
        """The column that ``units`` (name -> factor to ``unit``) knows, on the file's own regular step; None
        when there is none."""
        name = self.name_of(tuple(units))
        if name is None:
            return None
        values = self.numbers(name) * units[name]
        if what == "rain" and (values < 0).any():
            self.remarks.append(f"{name}: {(values < 0).sum()} negative values read as gaps")
            values = np.where(values < 0, np.nan, values)
        return Series.tidy(times, values, unit)

    def numbered(self, what: str, names: Sequence[str]) -> tuple[Integers, list[str]]:
        """Which place (from 0) each row is of, and the places' names. Raises `UnusableTable`."""
        column = self.columns[self.needed(what, names)].astype(str)
        known, number = np.unique(column.to_numpy(dtype=str), return_inverse=True)
        return number.astype(np.int64), [str(one) for one in known]

    def say_times(self, times: Times, places: Integers | None = None) -> None:
        """Remarks on rows out of order or repeated, each of ``places`` for itself."""
        solid = ~np.isnat(times)
        known, place = times[solid], np.zeros(len(times), dtype=np.int64)[solid]
        place = place if places is None else places[solid]
        same = np.diff(place) == 0
        back = int((same & (np.diff(known) < np.timedelta64(0, "us"))).sum())
        order = np.lexsort((known, place))
        twice = int(((np.diff(place[order]) == 0) & (known[order][1:] == known[order][:-1])).sum())
        for count, text in (
            (back, "times go back; sorted"),
            (twice, "times stand twice; the last counts"),
        ):
            if count:
                self.remarks.append(f"{count} {text}")


def notes(remarks: Sequence[str]) -> Iterator[str]:
    """What was corrected, each once, as it is printed."""
    yield from (f"  note: {remark}" for remark in dict.fromkeys(remarks))


def on_steps(series: Series) -> Series:
    """Clocks that wander by seconds or minutes: each value stands at the end of its step."""
    step = series.step
    if step is None:
        return series
    length = int(step.astype(np.int64))
    ticks = series.times.astype(np.int64)
    if not ((ticks - ticks[0]) % length).any():
        return series
    slot = -(-ticks // length) * length
    return Series.tidy(slot.astype("datetime64[us]"), series.values, series.unit)


def step_hours(step: Step) -> float:
    """A step in hours."""
    return float(step / np.timedelta64(1, "h"))


def _parquet(file: Path) -> pd.DataFrame:
    table = pd.read_parquet(file)
    if not isinstance(table.index, pd.DatetimeIndex):
        return table
    named = table.reset_index()
    return named.rename(columns={str(named.columns[0]): str(table.index.name or TIME[0])})


def _csv(file: Path) -> pd.DataFrame:
    with file.open(encoding="utf-8-sig", errors="replace") as stream:
        header = stream.readline()
    if not header.strip():
        raise ValueError("the file is empty")
    mark = max(",;\t", key=header.count)
    comma = "," if mark == ";" else "."
    table = pd.read_csv(file, sep=mark, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    return table.map(lambda cell: cell.replace(",", ".")) if comma == "," else table


def _text(column: pd.Series) -> bool:
    return not (pd.api.types.is_numeric_dtype(column) or pd.api.types.is_datetime64_any_dtype(column))


def _tomorrow() -> np.datetime64:
    return np.datetime64(datetime.now(UTC).replace(tzinfo=None), "us") + np.timedelta64(1, "D")
