"""What a record has not seen is believed in part, and own failures are heard within a few events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.rainfall_runoff.bounds import DRY_LEAST, Bounds
from models.rainfall_runoff.transform import FlowScale

SCALE = FlowScale.learn(np.linspace(0.1, 4.0, 500), "m3/s")
SEEN = Bounds(highest=4.0, lowest=0.1, driest=1.0, steepest=-2.0, reach=0.5, damping=1.0)


def then(move: float, base: float, now: float = 2.0) -> float:
    return float(SEEN.then(np.array([now]), np.array([move]), np.array([base]), SCALE)[0])


def test_ground_drier_than_at_any_known_storm_answers_less() -> None:
    rises = [then(1.0, base) - 2.0 for base in (3.0, 1.0, 0.5, 0.2, 0.0)]
    assert rises[0] == rises[1] == pytest.approx(1.0)
    assert rises[1] > rises[2] > rises[3] >= rises[4]
    assert rises[4] == pytest.approx(DRY_LEAST)


def test_a_record_of_many_storms_knows_its_dry_ground_itself() -> None:
    now, fold = np.linspace(1.0, 2.0, 600), np.arange(600) * 6 // 600
    move = np.where(np.arange(600) % 20 == 0, 0.5, -0.02)
    rises = []
    for evidence in (1.0, 5.0, 20.0):
        made, _ = Bounds.learn(
            SCALE, now=now, then=now + move, base=now, move=move, fold=fold, block=48, evidence=evidence
        )
        start, rise, dry = np.array([1.0]), np.array([0.5]), np.array([0.2])
        rises.append(float(made.then(start, rise, dry, SCALE)[0]) - 1.0)
    assert rises[0] < rises[1] < rises[2]
    assert rises[2] == pytest.approx(0.5, rel=0.02)


@given(
    now=st.floats(0.0, 40.0),
    base=st.floats(0.0, 40.0),
    moves=st.tuples(st.floats(-5.0, 30.0), st.floats(-5.0, 30.0)),
)
def test_a_larger_move_never_leads_lower(now: float, base: float, moves: tuple[float, float]) -> None:
    low, high = sorted(moves)
    assert then(low, base, now) <= then(high, base, now) + 1e-9


@pytest.mark.parametrize("unit", ["m3/s", "m"])
@pytest.mark.parametrize("power", [0.2, 0.5, 1.0])
def test_water_far_above_all_known_is_not_pressed_down(unit: str, power: float) -> None:
    scale = FlowScale.learn(np.linspace(0.5, 2.0, 200), unit).with_power(power)
    now = np.array([1.0, 2.0, 20.0, 200.0])
    np.testing.assert_allclose(scale.back(scale.forward(now), now), now, rtol=1e-9)
    risen = scale.back(scale.forward(now + 0.1), now)
    assert (risen > now).all()


def test_bounds_are_learned_from_what_was_seen() -> None:
    rng = np.random.default_rng(3)
    now = rng.uniform(1.0, 2.0, 600)
    move = rng.normal(0.0, 0.3, 600)
    fold = np.arange(600) * 6 // 600
    made, point = Bounds.learn(
        SCALE, now=now, then=now + move, base=now, move=move, fold=fold, block=48, evidence=4.0
    )
    assert made.highest == np.maximum(now, now + move).max()
    assert made.lowest <= made.driest <= made.highest
    assert made.steepest < 0
    assert 0.0 <= made.reach <= 1.0
    assert 0.0 < made.damping < 1.0
    assert np.isfinite(point).all()
