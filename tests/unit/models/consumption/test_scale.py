"""A meter that counts in another unit is named so, is no waste and has no price."""

import numpy as np
import pytest
from buildings import START, building, parts

from models.consumption.cases import new_model
from models.consumption.expected import Calendar
from models.consumption.outcomes import faults
from models.consumption.unit_jump import tenth, unit_jump_at
from models.forecaster import NotCalibrated
from models.series import DAY, HOUR, Series

THRESHOLD = 2.5
AT, LENGTH = 90 * 24 + 7, 7 * 24


def multiplied(load: Series, factor: float) -> Series:
    values = load.values.copy()
    values[AT : AT + LENGTH] *= factor
    return load.with_values(values)


@pytest.mark.parametrize(
    ("factor", "said"),
    [(10, "das Zehnfache"), (1000, "das Tausendfache"), (0.1, "ein Zehntel")],
)
def test_a_wrong_factor_is_named_with_its_size_and_costs_nothing(fleet, factor: float, said: str) -> None:
    named = 0
    for model, whole, temperature in fleet:
        load = multiplied(parts(whole)[1], factor)
        strange, scored = model.strangeness(load, temperature)
        found = faults(model, strange, scored, THRESHOLD)
        during = [one for one in found if load.times[AT] <= one.case.opened_at <= load.times[AT + LENGTH]]
        scale = [one for one in during if one.case.kind == "scale"]
        named += any(said in one.case.reason for one in scale)
        assert all(one.case.cost == 0 for one in scale)
        assert len(scale) <= 1
        assert all(one.last_seen_at >= load.times[AT + LENGTH] - DAY for one in scale), "it lasts"
        assert not any(one.case.cost > 0 for one in during), "a wrong factor is sold as waste"
    assert named >= 5


def test_named_within_the_working_day(fleet) -> None:
    model, whole, temperature = fleet[0]
    load = multiplied(parts(whole)[1], 10)
    strange, scored = model.strangeness(load, temperature)
    first = int(np.flatnonzero(strange["scale"] > THRESHOLD)[0])
    assert AT < first <= AT + 24
    assert strange["scale"][:AT].max() < THRESHOLD
    assert scored.times[first] == load.times[first]


def test_a_single_spike_is_no_wrong_factor(fleet) -> None:
    model, whole, temperature = fleet[1]
    values = parts(whole)[1].values.copy()
    values[AT] *= 20
    strange, scored = model.strangeness(parts(whole)[1].with_values(values), temperature)
    found = faults(model, strange, scored, THRESHOLD)
    assert [one.case.kind for one in found if one.case.opened_at == scored.times[AT]] == ["spike"]


def test_a_heating_that_is_off_is_no_wrong_factor() -> None:
    hours = np.arange(20 * 24)
    expected = 100.0 + 60 * np.sin(hours / 24 * 2 * np.pi)
    off = np.where(hours < 240, expected, 9.0)
    assert not tenth(off, expected, level=100.0, step_hours=1.0).any()
    a_tenth = np.where(hours < 240, expected, expected / 10)
    assert tenth(a_tenth, expected, level=100.0, step_hours=1.0)[260:].all()


def test_a_reference_in_two_units_is_refused_with_the_day() -> None:
    load, temperature = building(3, days=200)
    values = np.where(np.arange(len(load)) < 100 * 24, load.values, load.values * 1000)
    refused = new_model("m", calendar=Calendar()).fit(load.with_values(values), temperature)
    assert isinstance(refused, NotCalibrated)
    assert str((START + 100 * 24 * HOUR).astype("datetime64[D]")) in refused.reason
    assert unit_jump_at(load) is None
