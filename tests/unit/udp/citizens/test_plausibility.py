"""The comparison with neighbours says what is so, with its basis, and is silent without one."""

from __future__ import annotations

import numpy as np
import pytest

from udp.citizens.plausibility import (
    CONTRADICTS,
    DIFFERS,
    FITS,
    NOTHING,
    Spot,
    distance_km,
    judge,
    weighted_median,
)

HOURS = np.arange(500_000, 500_168)
COURSE = 10 + 4 * np.sin(HOURS / 24 * 2 * np.pi)


def spot(offset: float = 0.0, *, north: float = 0.0, noise: float = 0.0, height: float | None = None) -> Spot:
    wobble = np.random.default_rng(1).normal(0, noise, len(HOURS)) if noise else 0.0
    return Spot(51.55 + north, 7.31, height, HOURS, COURSE + offset + wobble)


NEIGHBOURS = [spot(0.2, north=0.01), spot(-0.3, north=0.02), spot(0.1, north=-0.02)]


@pytest.mark.parametrize(
    ("own", "word"),
    [(spot(0.1), FITS), (spot(1.3), DIFFERS), (spot(6.0), CONTRADICTS), (spot(noise=5.0), CONTRADICTS)],
)
def test_bias_and_restlessness_are_found(own: Spot, word: str) -> None:
    found = judge("air_temperature", own, NEIGHBOURS)
    assert (found.word, found.neighbours, found.hours) == (word, 3, 168)
    assert "3 amtliche Messpunkte" in found.sentence


def test_one_broken_neighbour_does_not_condemn_an_honest_sensor() -> None:
    assert judge("air_temperature", spot(0.1), [*NEIGHBOURS, spot(40.0, north=0.005)]).word == FITS


@pytest.mark.parametrize(
    ("observed", "own", "others"),
    [
        ("wind_direction", spot(), NEIGHBOURS),
        ("air_temperature", spot(), NEIGHBOURS[:1]),
        ("air_temperature", spot(), [spot(north=1.0), spot(north=-1.0)]),
        ("air_temperature", Spot(51.55, 7.31, None, HOURS[:20], COURSE[:20]), NEIGHBOURS),
        ("air_temperature", Spot(51.55, 7.31, None, HOURS[:0], COURSE[:0]), NEIGHBOURS),
        ("air_temperature", spot(), [Spot(51.55, 7.31, None, HOURS[:0], COURSE[:0])] * 2),
    ],
)
def test_without_a_basis_there_is_no_score(observed: str, own: Spot, others: list[Spot]) -> None:
    found = judge(observed, own, others)
    assert (found.word, found.score) == (NOTHING, None)
    assert found.sentence.endswith(".")


def test_heights_are_evened_out_by_the_standard_atmosphere() -> None:
    high = spot(-6.5, height=1060.0)
    low = [spot(0.0, north=0.01, height=60.0), spot(0.0, north=0.02, height=60.0)]
    found = judge("air_temperature", high, low)
    assert found.difference == pytest.approx(0.0, abs=1e-9)
    assert judge("air_temperature", spot(-6.5), low).word == CONTRADICTS


def test_the_weighted_median_ignores_what_is_missing() -> None:
    table = np.array([[1.0, np.nan], [5.0, 5.0], [9.0, 7.0]])
    assert weighted_median(table, np.array([1.0, 1.0, 1.0])).tolist() == [5.0, 5.0]
    assert weighted_median(table, np.array([9.0, 1.0, 1.0])).tolist() == [1.0, 5.0]
    assert distance_km(spot(), spot(north=0.01)) == pytest.approx(1.112, abs=0.01)
