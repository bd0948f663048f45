"""An append names what it did not take: a value that vanished unnamed would be lost without a word."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import numpy as np

from udp.sensorthings import QualityRule
from udp.store.columns import Observations
from udp.store.occupied import KNOWN_FOR_S
from udp.store.opening import open_store

from .conftest import NOW
from .test_observation_store import ALWAYS, at, one


def several(count: int, value: float = 1.0, *, first: int = 0) -> Observations:
    minutes = range(first, first + count)
    return Observations.build(7, [at(minute) for minute in minutes], value, result_time=at(0))


def test_what_is_new_is_taken_without_a_word(engine: Any) -> None:
    assert engine.append(several(5)).tolist() == []
    assert engine.append(several(5, first=5)).tolist() == []
    assert engine.append(Observations.empty()).tolist() == []


def test_what_stands_there_already_is_named_by_its_position(engine: Any) -> None:
    engine.append(several(3))
    mixed = Observations.concatenate([several(1, first=9), several(2, 2.0, first=1), several(1, first=8)])
    assert engine.append(mixed).tolist() == [1, 2]
    assert engine.append(mixed).tolist() == [0, 1, 2, 3]
    found = engine.store.read([7], ALWAYS)
    assert found.result.tolist() == [1.0] * 5


def test_it_is_named_whatever_was_written_in_between_and_after_a_restart(engine: Any) -> None:
    engine.append(one(1.0, minutes=0))
    engine.append(one(2.0, minutes=60))
    assert engine.append(one(3.0, minutes=0)).tolist() == [0]
    engine.reopen()
    assert engine.append(one(3.0, minutes=60)).tolist() == [0]
    assert engine.append(one(3.0, minutes=0)).tolist() == [0]
    assert engine.store.read([7], ALWAYS).result.tolist() == [1.0, 2.0]


def test_what_another_process_wrote_meanwhile_is_named(engine: Any) -> None:
    other = open_store(engine.settings, lambda: NOW)
    try:
        engine.append(one(1.0, minutes=0))
        other.append(one(2.0, minutes=60))
        time.sleep(KNOWN_FOR_S)  # so long nobody need know of it
        assert engine.append(one(3.0, minutes=60)).tolist() == [0]
        assert other.read([7], ALWAYS).result.tolist() == [1.0, 2.0]
    finally:
        other.close()


def test_of_one_identity_twice_in_a_batch_the_second_is_named(engine: Any) -> None:
    twice = Observations.concatenate([one(1.0), one(2.0), one(3.0, minutes=1)])
    assert engine.append(twice).tolist() == [1]
    assert engine.store.read([7], ALWAYS).result.tolist() == [1.0, 3.0]


def test_a_higher_revision_is_taken_an_equal_or_lower_one_named(engine: Any) -> None:
    engine.append(one(1.0))
    assert engine.append(one(2.0, revision=2, known=2)).tolist() == []
    assert engine.append(one(9.0, revision=2, known=3)).tolist() == [0]
    assert engine.append(one(9.0, revision=1, known=3)).tolist() == [0]
    assert engine.store.read([7], ALWAYS).result.tolist() == [2.0]


def test_a_value_whose_clock_is_doubted_is_named_like_any_other(engine: Any) -> None:
    doubted = replace(one(1.0, minutes=500), rule=np.array([QualityRule.CLOCK], np.uint8))
    engine.append(one(5.0))
    engine.append(doubted)
    engine.append(one(6.0, minutes=1))
    assert engine.append(replace(doubted, result=np.array([2.0]))).tolist() == [0]
    engine.reopen()
    assert engine.append(replace(doubted, result=np.array([2.0]))).tolist() == [0]
    assert engine.store.read([7], ALWAYS).result.tolist() == [5.0, 6.0, 1.0]


def test_values_nearer_than_the_engine_tells_apart_do_not_vanish_unnamed(engine: Any) -> None:
    near = Observations.build(7, [at(0), at(0) + 400, at(0) + 1_000], [1.0, 2.0, 3.0], result_time=at(0))
    named = engine.append(near).tolist()
    assert len(engine.store.read([7], ALWAYS)) == 3 - len(named)
    assert named == ([1] if engine.name == "victoriametrics" else [])
