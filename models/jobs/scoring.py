"""Hold published forecasts against what came: the only measure that no choice of ours can flatter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from models import metrics
from models.jobs.inputs import Inputs
from models.jobs.metering import use_of
from models.series import Floats, Series, Times
from udp.forecasting.port import ForecastKey, Kind, Told
from udp.store.columns import Period
from udp.store.port import ObservationStore

_TICK = timedelta(microseconds=1)
_LONGEST = timedelta(days=8)
# A level that fell by more than this between issue and valid time was emptied: the forecast said "if not".
_EMPTIED = 15.0
_CONDITIONAL = frozenset({"fuellstand"})
# Forecast is what a counter counts in an hour, not its reading.
_PER_HOUR = frozenset({"last"})


@dataclass(frozen=True, slots=True)
class Score:
    """One product at one lead: how far the middle was off beside "as at issue", and how often the truth lay
    within the intervals."""

    product: str
    lead_hours: float
    count: int
    mae: float
    mae_persistence: float
    coverage80: float
    coverage90: float


def score(
    inputs: Inputs, store: ObservationStore, told: Told, *, since: datetime, products: Iterable[str] = ()
) -> list[Score]:
    """Forecasts issued since ``since`` whose valid time is over, by product and lead."""
    wanted = set(products)
    rows: dict[tuple[str, int], list[tuple[float, ...]]] = {}
    for (of, product), _ in told.statements.items():
        if (wanted and product not in wanted) or of not in inputs.inventory.datastreams:
            continue
        for lead, row in _matured(inputs, store, told, of, product, since=since):
            if product in _CONDITIONAL and row[0] < row[1] - _EMPTIED:
                continue
            rows.setdefault((product, lead), []).append(row)
    return [_scored(product, lead, found) for (product, lead), found in sorted(rows.items())]


def _matured(
    inputs: Inputs, store: ObservationStore, told: Told, of: int, product: str, *, since: datetime
) -> list[tuple[int, tuple[float, ...]]]:
    """Lead in seconds and (came, at issue, 5 %, 10 %, 50 %, 90 %, 95 %)."""
    levels = (0.05, 0.1, 0.5, 0.9, 0.95)
    kind = Kind.LOAD if product in _PER_HOUR else Kind.QUANTILE
    numbers = [told.streams.get(ForecastKey(of, kind, level)) for level in levels]
    if any(number is None for number in numbers):
        return []
    known = [number for number in numbers if number is not None]
    end = min(inputs.issued_at, since + _LONGEST + (inputs.issued_at - since))
    found = store.read(known, Period(since, end + _TICK), as_of=inputs.issued_at)
    issued = found.phenomenon_time - found.lead * np.timedelta64(1_000_000, "us")
    found = found.take(issued >= np.datetime64(since.replace(tzinfo=None), "us"))
    table: dict[tuple[int, int], dict[int, float]] = {}
    columns = zip(
        found.phenomenon_time.astype(np.int64).tolist(), found.lead.tolist(), found.datastream.tolist(),
        found.result.tolist(), strict=True,
    )  # fmt: skip
    for valid, lead, number, value in columns:
        table.setdefault((valid, lead), {})[number] = value
    whole = [(key, row) for key, row in table.items() if len(row) == len(known)]
    history = inputs.issued_at - since + _LONGEST
    measured = use_of(inputs, of, history) if product in _PER_HOUR else inputs.series([of], history)[of]
    valid = np.array([key[0] for key, _ in whole], dtype=np.int64).astype("datetime64[us]")
    leads = np.array([key[1] for key, _ in whole], dtype=np.int64)
    at_issue = np.asarray(valid - leads * np.timedelta64(1_000_000, "us"), dtype="datetime64[us]")
    came, before = _at(inputs, of, measured, valid), _at(inputs, of, measured, at_issue)
    return [
        (int(lead), (float(a), float(b), *(row[number] for number in known)))
        for lead, a, b, (_, row) in zip(leads, came, before, whole, strict=True)
        if np.isfinite(a) and np.isfinite(b)
    ]


def _at(inputs: Inputs, of: int, measured: Series, when: Times) -> Floats:
    """The newest measurement not older than two intervals."""
    seconds = 2 * inputs.inventory.datastreams[of].expected_interval_s
    return measured.on_grid(when, np.timedelta64(round(seconds * 1e6), "us"))


def _scored(product: str, lead: int, rows: Sequence[tuple[float, ...]]) -> Score:
    came, before, low90, low80, middle, high80, high90 = np.array(rows).T
    return Score(
        product, lead / 3600, len(rows),
        metrics.mean_absolute_error(came, middle), metrics.mean_absolute_error(came, before),
        metrics.coverage(came, low80, high80), metrics.coverage(came, low90, high90),
    )  # fmt: skip
