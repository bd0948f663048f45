"""Catchments neither make nor lose water, may be stopped and resumed, and calibrate on what they can."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models import metrics
from models.forecaster import NotCalibrated
from models.rainfall_runoff import daily, gr4j, hbv, snow

HBV = np.array([250.0, 2.0, 0.7, 1.0, 20, 20, 100, 1.5, 1500, 0.2, 9000, 12, 0.05])


def weather(days: int, seed: int = 0) -> daily.Forcing:
    rng = np.random.default_rng(seed)
    season = np.cos(2 * np.pi * (np.arange(days) - 15) / 365.25)
    rain = np.where(rng.random(days) < 0.45, rng.gamma(0.7, 7.0, days), 0.0)
    return daily.Forcing(rain, 9 - 9 * season + rng.normal(0, 3, days), np.maximum(0.1, 1.8 - 1.6 * season))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.floats(50, 800), st.floats(-5, 3), st.floats(10, 300), st.floats(0.6, 8))
def test_gr4j_keeps_its_mass_to_1e9(seed: int, x1: float, x2: float, x3: float, x4: float) -> None:
    forcing = weather(800, seed)
    p = np.array([x1, x2, x3, x4])
    state = gr4j.initial_state(x1, x3, 1.0)
    before = state.sum()
    runoff, exchange, used = gr4j.gr4j(forcing.precipitation, forcing.evaporation, p, state)
    balance = (
        forcing.precipitation.sum() + exchange.sum() - used.sum() - runoff.sum() - (state.sum() - before)
    )
    assert abs(balance) < 1e-9 * forcing.precipitation.sum()
    assert (runoff >= 0).all()


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([5 / 60, 1.0, 24.0]))
def test_hbv_keeps_its_mass_to_1e9(seed: int, step_hours: float) -> None:
    forcing = weather(800, seed)
    state = hbv.initial_state(HBV, 0.5 * step_hours / 24, step_hours)
    before = state.sum()
    runoff, used, states = hbv.hbv(forcing.precipitation, forcing.evaporation, HBV, state, step_hours)
    balance = forcing.precipitation.sum() - used.sum() - runoff.sum() - (states[-1].sum() - before)
    assert abs(balance) < 1e-9 * forcing.precipitation.sum()


def test_snow_keeps_its_mass() -> None:
    forcing = weather(1000)
    cold = forcing.temperature - 8
    water, pack = snow.cemaneige(forcing.precipitation, cold, 0.6, 3.0, 200.0)
    assert pack > 0
    assert abs(forcing.precipitation.sum() - water.sum() - pack) < 1e-9 * forcing.precipitation.sum()


def test_splitting_a_run_with_its_state_changes_nothing() -> None:
    forcing = weather(600)
    whole, _, _ = hbv.hbv(
        forcing.precipitation, forcing.evaporation, HBV, hbv.initial_state(HBV, 1, 24), 24.0
    )
    state = hbv.initial_state(HBV, 1, 24)
    parts = [
        hbv.hbv(forcing.precipitation[a:b], forcing.evaporation[a:b], HBV, state, 24.0)[0]
        for a, b in ((0, 211), (211, 600))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)
    p = np.array([300.0, 0.3, 80, 1.7])
    whole, _, _ = gr4j.gr4j(forcing.precipitation, forcing.evaporation, p, gr4j.initial_state(300, 80, 1))
    state = gr4j.initial_state(300, 80, 1)
    parts = [
        gr4j.gr4j(forcing.precipitation[a:b], forcing.evaporation[a:b], p, state)[0]
        for a, b in ((0, 333), (333, 600))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_looking_ahead_from_a_state_equals_running_on() -> None:
    forcing = weather(300)
    demand = np.full(300, 1.0)
    runoff, _, states = hbv.hbv(forcing.precipitation, demand, HBV, hbv.initial_state(HBV, 1, 24), 24.0)
    seen = hbv.ahead(states[[99]], forcing.precipitation[None, 100:110], np.ones(1), HBV, 24.0)
    np.testing.assert_allclose(seen[0], runoff[100:110], rtol=1e-12)


def test_more_rain_never_gives_less_runoff() -> None:
    forcing = weather(400)
    more = forcing.precipitation + np.where(np.arange(400) == 200, 15.0, 0.0)
    runs = [
        hbv.hbv(rain, forcing.evaporation, HBV, hbv.initial_state(HBV, 1, 24), 24.0)[0]
        for rain in (forcing.precipitation, more)
    ]
    assert (runs[1] - runs[0]).min() > -1e-12


def test_calibration_recovers_a_basin_on_years_it_has_not_seen() -> None:
    cool = weather(2600, 3)
    forcing = daily.Forcing(
        cool.precipitation, cool.temperature + 20, cool.evaporation
    )  # the truth has no snow
    truth = hbv.hbv(forcing.precipitation, forcing.evaporation, HBV, hbv.initial_state(HBV, 1, 24), 24.0)[0]
    runoff = truth * np.exp(np.random.default_rng(0).normal(0, 0.1, 2600))
    runoff[700:760] = np.nan
    model = daily.DailyCatchment(generations=25)
    assert model.fit(forcing.head(1500), runoff[:1500]) is None
    simulated = model.simulate(forcing)
    assert not isinstance(simulated, NotCalibrated)
    assert metrics.nash_sutcliffe(truth[1500:], simulated[1500:]) > 0.9
    assert abs(sum(model.weights.values()) - 1) < 1e-9


def test_future_forcing_changes_no_past_runoff() -> None:
    forcing = weather(1600, 3)
    model = daily.DailyCatchment(generations=3)
    runoff = np.abs(np.random.default_rng(0).normal(1, 0.3, 1500))
    model.fit(forcing.head(1500), runoff)
    changed = daily.Forcing(
        np.append(forcing.precipitation[:1550], np.full(50, 99.0)), forcing.temperature, forcing.evaporation
    )
    first, second = model.simulate(forcing), model.simulate(changed)
    assert not isinstance(first, NotCalibrated)
    assert not isinstance(second, NotCalibrated)
    np.testing.assert_array_equal(first[:1550], second[:1550])


@pytest.mark.parametrize("runoff", [np.full(2000, np.nan), np.ones(2000), np.ones(3)])
def test_unusable_runoff_is_answered_in_words(runoff: np.ndarray) -> None:
    model = daily.DailyCatchment()
    assert isinstance(model.fit(weather(len(runoff)), runoff), NotCalibrated)
    assert isinstance(model.simulate(weather(10)), NotCalibrated)


@pytest.mark.slow
def test_real_basins_reach_the_published_reference() -> None:
    place = os.environ.get("UDP_REAL_SERIES")
    if not place:
        pytest.skip("UDP_REAL_SERIES names no directory with the real hydrological series")
    for name, least in (("bruche", (0.85, 0.86)), ("nievre", (0.64, 0.74))):
        table = pd.read_csv(Path(place) / "hydro" / f"daily_fr_{name}.csv")
        cut = int((table["time"] < "2009-01-01").sum())
        forcing = daily.Forcing(
            *(table[c].to_numpy() for c in ("precipitation_mm", "temperature_c", "potential_evaporation_mm"))
        )
        runoff = table["discharge_mm"].to_numpy()
        model = daily.DailyCatchment()
        model.fit(forcing.head(cut), runoff[:cut])
        simulated = model.simulate(forcing)
        assert not isinstance(simulated, NotCalibrated)
        assert metrics.nash_sutcliffe(runoff[cut:], simulated[cut:]) >= least[0]
        assert metrics.kling_gupta(runoff[cut:], simulated[cut:]) >= least[1]
