"""Hand outcomes to the platform: values as Observations of forecast Datastreams, words as statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.jobs.inputs import moment
from models.jobs.outcome import FoundCase, Outcome
from models.series import Floats, Instant, Integers, Step
from udp.forecasting.port import Case, Chance, ForecastKey, Forecasts, Kind, Statement, Verdict
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Observations
from udp.store.port import ObservationStore

_SECOND = np.timedelta64(1_000_000, "us")


@dataclass(frozen=True, slots=True)
class Publisher:
    """Values first, then the statement that points at them: whoever reads the statement finds the values."""

    store: ObservationStore
    forecasts: Forecasts
    product: str

    def publish(self, outcomes: Sequence[tuple[Outcome, str]], units: dict[int, str]) -> int:
        """Each outcome with the fingerprint of its inputs; ``units`` by measured Datastream. Returns how many
        values were written. Repeating changes nothing."""
        keys = [key for outcome, _ in outcomes for key in _keys(outcome)]
        numbers = self.forecasts.number(keys) if keys else {}
        batches = [batch for outcome, _ in outcomes for batch in _values(outcome, numbers)]
        values = Observations.concatenate(batches)
        if len(values):
            self.store.append(values)
        cases = [_case(outcome, one, units) for outcome, _ in outcomes for one in outcome.cases]
        known = {(one.of, one.family, one.opened_at): one for one in self.forecasts.told().cases}
        asked = {outcome.of for outcome, _ in outcomes}
        cases += _ended(known.values(), cases, asked, outcomes)
        self.forecasts.write([self._statement(*one) for one in outcomes], cases=cases)
        return len(values)

    def _statement(self, outcome: Outcome, fingerprint: str) -> Statement:
        forecast = outcome.forecast
        leads = () if forecast is None else tuple(_seconds(lead) for lead in forecast.leads)
        return Statement(
            of=outcome.of,
            product=self.product,
            issued_at=moment(outcome.issued_at),
            leads_s=leads,
            model=outcome.model,
            fallback=outcome.fallback,
            reason=outcome.reason,
            remarks=outcome.remarks,
            summary=outcome.summary,
            fingerprint=fingerprint,
            bands=_bands(outcome),
            chance=_chance(outcome),
        )


def _bands(outcome: Outcome) -> dict[str, list[float]]:
    forecast = outcome.forecast
    if forecast is None:
        return {}
    return {f"{level:g}": forecast.quantiles[:, k].tolist() for k, level in enumerate(forecast.levels)}


def _chance(outcome: Outcome) -> Chance | None:
    if outcome.chance is None:
        return None
    hours = tuple(outcome.chance.by_hours)
    return Chance(
        outcome.chance.level,
        tuple(round(hour * 3600) for hour in hours),
        tuple(float(value) for value in outcome.chance.by_hours.values()),
    )


def _kind(outcome: Outcome) -> Kind:
    return Kind.LOAD if outcome.per_hour else Kind.QUANTILE


def _keys(outcome: Outcome) -> list[ForecastKey]:
    keys = []
    if outcome.forecast is not None:
        keys += [ForecastKey(outcome.of, _kind(outcome), level) for level in outcome.forecast.levels]
    if outcome.chance is not None:
        keys.append(ForecastKey(outcome.of, Kind.PROBABILITY, outcome.chance.level))
    return keys


def _values(outcome: Outcome, numbers: Mapping[ForecastKey, int]) -> Iterable[Observations]:
    """lead = valid time - issue time; known since the issue; unchecked, because nobody measured it."""
    forecast, chance = outcome.forecast, outcome.chance
    if forecast is not None:
        for column, level in enumerate(forecast.levels):
            number = numbers[ForecastKey(outcome.of, _kind(outcome), level)]
            leads = np.array([_seconds(lead) for lead in forecast.leads], dtype=np.int64)
            yield _built(number, outcome.issued_at, leads, forecast.quantiles[:, column])
    if chance is not None:
        number = numbers[ForecastKey(outcome.of, Kind.PROBABILITY, chance.level)]
        leads = np.array([round(hours * 3600) for hours in chance.by_hours], dtype=np.int64)
        yield _built(number, outcome.issued_at, leads, np.array(list(chance.by_hours.values())))


def _built(number: int, issued: Instant, leads: Integers, values: Floats) -> Observations:
    keep = np.isfinite(values) & (leads > 0)
    return Observations.build(
        number, issued + leads[keep] * _SECOND, values[keep], result_time=issued, lead=leads[keep],
        quality=Quality.UNCHECKED, rule=QualityRule.NONE,
    )  # fmt: skip


def _case(outcome: Outcome, found: FoundCase, units: dict[int, str]) -> Case:
    return Case(
        id=0,
        of=outcome.of,
        family=found.family,
        kind=found.kind,
        opened_at=moment(found.opened_at),
        last_seen_at=moment(found.last_seen_at),
        closed_at=None if found.closed_at is None else moment(found.closed_at),
        strangeness=found.strangeness,
        excess=found.excess,
        unit=units[outcome.of],
        cost_eur=found.cost_eur,
        reason=found.reason,
    )


def _ended(
    known: Iterable[Case], found: Sequence[Case], asked: set[int], outcomes: Sequence[tuple[Outcome, str]]
) -> list[Case]:
    """Cases that were open and are not seen any more: said to be fine, or learned to be usual."""
    seen = {(one.of, one.family, one.opened_at) for one in found}
    spoke = {outcome.of: moment(outcome.issued_at) for outcome, _ in outcomes if not outcome.reason}
    return [
        replace(one, closed_at=spoke[one.of] if one.verdict is Verdict.FINE else one.last_seen_at)
        for one in known
        if one.closed_at is None and one.of in asked and one.of in spoke
        and (one.of, one.family, one.opened_at) not in seen
    ]  # fmt: skip


def _seconds(lead: Step) -> int:
    return int(lead / _SECOND)
