"""On every engine each value of a moment stands, once, whatever is repeated."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from ingest.assigning import Claims
from ingest.difference import compare
from ingest.moments import put_behind
from udp.store.columns import Observations
from udp.store.port import APART_US

from .test_observation_store import ALWAYS, NOW, at


def said(*values: float, known: float = 1.0, offset_us: int = 0) -> Observations:
    return Observations.build(7, at(0) + offset_us, list(values), result_time=at(known))


def take(engine: Any, values: Observations) -> None:
    """As ingest does."""
    put_behind(engine.store, values.take(engine.append(values)))


def stands(engine: Any) -> list[tuple[int, float]]:
    """(places behind the moment, value)"""
    found = engine.store.read([7], ALWAYS)
    steps = (found.phenomenon_time.astype(np.int64) - at(0)) // APART_US
    return list(zip(steps.tolist(), found.result.tolist(), strict=True))


@pytest.mark.parametrize("offset_us", [0, 654])
def test_each_value_stands_once(engine: Any, offset_us: int) -> None:
    for values in (said(1.0), said(2.0, 2.0, 3.0), said(1.0, known=5), said(4.0, known=5), said(3.0, 2.0)):
        shifted = Observations.build(
            values.datastream, at(0) + offset_us, values.result, result_time=values.result_time
        )
        take(engine, shifted)
    assert stands(engine) == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]


def test_repeats_after_a_restart_find_it(engine: Any) -> None:
    take(engine, said(1.0, 2.0))
    engine.reopen()
    take(engine, said(2.0, 1.0, 3.0))
    engine.reopen()
    take(engine, said(3.0))
    assert stands(engine) == [(0, 1.0), (1, 2.0), (2, 3.0)]


def test_a_corrected_value_is_known_by_what_it_was(engine: Any) -> None:
    take(engine, said(1.0, 2.0))
    corrected = Observations.build(7, at(0), 9.0, result_time=at(60), revision=1)
    assert engine.append(corrected).tolist() == []
    take(engine, said(1.0))
    assert stands(engine) == [(0, 9.0), (1, 2.0)]


@pytest.mark.parametrize("offset_us", [0, 654])
def test_a_replay_finds_all_in_place_and_corrects_each_where_it_stands(engine: Any, offset_us: int) -> None:
    take(engine, said(1.0, 2.0, offset_us=offset_us))
    claims = Claims()
    for factor, figures in ((1.0, (0, 0, 2)), (10.0, (0, 2, 0)), (10.0, (0, 0, 2)), (100.0, (0, 2, 0))):
        made = said(1.0 * factor, 2.0 * factor, offset_us=offset_us)
        now = NOW + timedelta(minutes=factor)
        found = compare(engine.store, made, {}, now, claims=claims, dated=np.zeros(2, bool))
        claims = Claims()
        assert (found.added, found.changed, found.unchanged) == figures
        assert engine.append(found.write).tolist() == []
    assert stands(engine) == [(0, 100.0), (1, 200.0)]
