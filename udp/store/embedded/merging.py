"""Which Parquet files are due to become one: few files for a month, and no row rewritten often."""

from __future__ import annotations

from collections.abc import Set

from udp.store.embedded.places import ColdFile, first_day_of, month_of

# While a month lasts its files are joined five at a time (1, 5, 25 days): it never lies in more
# than nine files, and no row is rewritten more than three times before the month is made one.
_JOINED = 5


def due(files: list[ColdFile], open_days: Set[int], *, today: int, quiet_since: int) -> list[ColdFile]:
    """Oldest run of neighbouring files of one month to join, empty when there is none.

    today: the day not yet closed. A month that is over becomes one file once no file of it was
    written since `quiet_since` (a replay would else rewrite it with every day). A run must not
    enclose an open day: no day is in SQLite and in a file.
    """
    by_month: dict[int, list[ColdFile]] = {}
    for file in files:
        by_month.setdefault(month_of(file.first_day), []).append(file)
    for month, of_month in sorted(by_month.items()):
        over = first_day_of(month + 1) <= today and max(file.written for file in of_month) <= quiet_since
        for run in [of_month] if over else _runs_of_like_length(of_month):
            days = range(run[0].first_day, run[-1].last_day + 1)
            if len(run) > 1 and not any(day in days for day in open_days):
                return run
    return []


def _runs_of_like_length(files: list[ColdFile]) -> list[list[ColdFile]]:
    """Neighbours of one tier (below 5 days, below 25, more), five at a time."""
    runs: list[list[ColdFile]] = []
    for file in files:
        if runs and _tier(runs[-1][-1]) == _tier(file) and len(runs[-1]) < _JOINED:
            runs[-1].append(file)
        else:
            runs.append([file])
    return [run for run in runs if len(run) == _JOINED]


def _tier(file: ColdFile) -> int:
    days = file.last_day - file.first_day + 1
    return 0 if days < _JOINED else 1 if days < _JOINED**2 else 2
