"""What the statistics are told of a moment: nothing later, and nothing that the record of it leaves out."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.rainfall_runoff.concept import Concept, Weather
from models.rainfall_runoff.features import (
    LAG_STEPS,
    WINDOW_STEPS,
    Design,
    design,
    inputs,
    moments,
    outlook,
)
from models.rainfall_runoff.transform import FlowScale

N = 400
RNG = np.random.default_rng(4)
FLOW = 1.0 + np.cumsum(RNG.normal(0.0, 0.05, N)) ** 2
RAIN = np.where(RNG.random(N) < 0.2, RNG.gamma(1.0, 2.0, N), 0.0)
SCALE = FlowScale.learn(FLOW, "m3/s")


def concept(step_hours: float) -> Concept:
    known = Concept(step_hours)
    known.fit(Weather(RAIN, RAIN, np.full(N, 0.01), np.ones(N)), FLOW, generations=1)
    return known


CONCEPTS = {step: concept(step) for step in (1.0, 1.0 / 12.0)}


def told(step: float, flow: np.ndarray, rain: np.ndarray, at: np.ndarray) -> tuple[Design, np.ndarray]:
    catchment = CONCEPTS[step]
    known = moments(flow, Weather(rain, rain, np.full(N, 0.01), np.ones(N)), catchment, SCALE.origin)
    nothing = np.empty((len(at), 0))
    view = outlook(
        known, catchment, at=at, of=np.arange(len(at)), rain=nothing, lead_steps=6, origin=SCALE.origin
    )
    return design(known, catchment, view, SCALE), inputs(known, at, 6, step)


@settings(max_examples=60, deadline=None)
@given(
    step=st.sampled_from(sorted(CONCEPTS)),
    place=st.integers(0, N - 1),
    of_rain=st.booleans(),
    by=st.floats(0.5, 9.0),
)
def test_a_correction_that_changes_a_feature_changes_what_forecasts_are_kept_by(
    step: float, place: int, of_rain: bool, by: float
) -> None:
    at = np.arange(100, N, 3)
    flow, rain = FLOW.copy(), RAIN.copy()
    (rain if of_rain else flow)[place] += by
    before, kept_by = told(step, FLOW, RAIN, at)
    after, now_by = told(step, flow, rain, at)
    changed = (before.table != after.table).any(axis=1)
    assert not changed[at < place].any()
    assert (kept_by != now_by).any(axis=1)[changed].all()


@pytest.mark.parametrize("step", sorted(CONCEPTS))
def test_a_plain_autoregression_sees_steps_back_and_sums_of_rain_and_nothing_of_the_catchment(
    step: float,
) -> None:
    at = np.arange(100, N)
    made, _ = told(step, FLOW, RAIN, at)
    seen = made.table[:, made.columns("windows")]
    z = SCALE.forward(FLOW)
    lags = [z[at] - z[at - back] for back in LAG_STEPS]
    sums = [[RAIN[i - back + 1 : i + 1].sum() for i in at] for back in WINDOW_STEPS]
    np.testing.assert_allclose(seen, np.stack([z[at], *lags, *sums], axis=1), atol=1e-9)
    assert not (made.columns("windows") & made.columns("concept")).any()
