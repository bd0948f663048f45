"""A new fault in an open case is not swallowed: the case says when it grew, a person's word parts them."""

from dataclasses import replace

import numpy as np
import pytest
from buildings import parts

from models.consumption.outcomes import Fault, faults
from models.jobs import consumption
from models.jobs.consumption import NAME, Consumption, MeterMaterial
from models.jobs.outcome import Fitted
from models.jobs.product import Ask
from models.series import DAY, HOUR, Series

THRESHOLD = 2.5
SMALL, BIG, BIG_ENDS = 40 * 24, 75 * 24, 85 * 24


def leaking(load: Series, big: float) -> Series:
    """A small excess that never ends, and a greater one above it for ten days."""
    values, mean = load.values.copy(), float(np.nanmean(load.values))
    values[SMALL:] += 0.15 * mean
    values[BIG:BIG_ENDS] += big * mean
    return load.with_values(values)


def of_waste(found: list[Fault], since: int, load: Series) -> list[Fault]:
    return [one for one in found if one.family != "meter" and one.case.opened_at >= load.times[since]]


@pytest.mark.parametrize("meter", range(6))
def test_an_open_case_says_when_a_greater_fault_began_in_it(fleet, meter: int) -> None:
    model, whole, temperature = fleet[meter]
    load = leaking(parts(whole)[1], 0.6)
    (case,) = of_waste(faults(model, *model.strangeness(load, temperature), THRESHOLD), SMALL, load)[:1]
    assert case.case.opened_at < load.times[BIG]
    assert case.grown is not None
    assert load.times[BIG] <= case.grown.opened_at <= load.times[BIG_ENDS] + DAY


def test_an_open_case_of_one_fault_has_not_grown_long_after(fleet) -> None:
    for model, whole, temperature in fleet:
        load = leaking(parts(whole)[1], 0.0)
        for one in of_waste(faults(model, *model.strangeness(load, temperature), THRESHOLD), SMALL, load):
            assert one.grown is None or one.grown.opened_at < load.times[SMALL] + 28 * DAY


@pytest.mark.parametrize("meter", range(6))
def test_what_grows_weeks_after_a_person_called_it_fine_is_another_case(fleet, meter: int) -> None:
    model, whole, temperature = fleet[meter]
    load = leaking(parts(whole)[1], 0.6)
    strange = model.strangeness(load, temperature)
    unsaid = of_waste(faults(model, *strange, THRESHOLD), SMALL, load)
    assert not any(load.times[BIG] <= one.case.opened_at for one in unsaid[:1])
    said = load.times[BIG] - 25 * DAY
    found = of_waste(faults(model, *strange, THRESHOLD, fine_until=[said]), SMALL, load)
    assert any(load.times[BIG] <= one.case.opened_at <= load.times[BIG_ENDS] + DAY for one in found)
    before_all = load.times[SMALL] - 30 * DAY
    assert of_waste(faults(model, *strange, THRESHOLD, fine_until=[before_all]), SMALL, load) == unsaid


def test_a_change_of_use_called_fine_opens_no_case_by_growing_clearer(fleet) -> None:
    since = 30 * 24
    for model, whole, temperature in fleet:
        load = parts(whole)[1]
        load = load.with_values(load.values * np.where(np.arange(len(load)) > since, 1.5, 1.0))
        strange = model.strangeness(load, temperature)
        unsaid = of_waste(faults(model, *strange, THRESHOLD), since, load)
        said = [one.case.opened_at + 3 * DAY for one in unsaid[:1]]
        told = of_waste(faults(model, *strange, THRESHOLD, fine_until=said), since, load)
        assert [one.case.opened_at for one in told] == [one.case.opened_at for one in unsaid]


def test_the_reason_people_read_names_the_day_more_came_on_top(fleet) -> None:
    model, whole, temperature = fleet[0]
    fitted = Fitted({model.meter: model}, NAME, fallback=False, reason="", card=None)
    for big, told in ((0.6, True), (0.0, False)):
        load = leaking(parts(whole)[1], big)
        material = MeterMaterial(model.meter, load, temperature, 0.3, False, THRESHOLD)
        outcome = Consumption.answer(Ask(1, fitted, material, load.times[-1]))
        (reason,) = [one.reason for one in outcome.cases if one.opened_at >= load.times[SMALL]][:1]
        days = [str(load.times[BIG + 24 * day])[:10].split("-") for day in range(3)]
        dated = [f"{word} {d}.{m}.{y}" for y, m, d in days for word in ("Am", "Seit")]
        assert any(said in reason for said in dated) == told, reason


def test_the_day_is_that_of_the_citys_clock(fleet, monkeypatch) -> None:
    """As in the tables around it: what came at half past eleven in the night, UTC, came on the next day."""
    model, whole, temperature = fleet[0]
    load = leaking(parts(whole)[1], 0.6)
    real = faults(model, *model.strangeness(load, temperature), THRESHOLD)
    night = np.datetime64(load.times[BIG].astype("datetime64[D]"), "us") + np.timedelta64(23 * 60 + 30, "m")
    moved = [
        replace(one, grown=replace(one.grown, opened_at=night)) if one.grown is not None else one
        for one in real
    ]
    monkeypatch.setattr(consumption, "faults", lambda *given, **named: moved)
    fitted = Fitted({model.meter: model}, NAME, fallback=False, reason="", card=None)
    material = MeterMaterial(model.meter, load, temperature, 0.3, False, THRESHOLD)
    outcome = Consumption.answer(Ask(1, fitted, material, load.times[-1]))
    y, m, d = str((night + HOUR).astype("datetime64[D]")).split("-")
    assert any(f" {d}.{m}.{y} " in one.reason for one in outcome.cases)
