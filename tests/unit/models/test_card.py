"""A model that loses against its baseline is not used and says so."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from models.card import ModelCard

CARD = ModelCard(
    name="hybrid", target="Pegel", version="1", seed=0,
    data_start=datetime(2024, 1, 1, tzinfo=UTC), data_end=datetime(2026, 1, 1, tzinfo=UTC),
    split=datetime(2025, 1, 1, tzinfo=UTC),
    scores={"hybrid": {"crps": 0.2}, "persistence": {"crps": 0.3}, "climatology": {"crps": 0.9}},
    deciding_metric="crps",
)  # fmt: skip


def test_survives_its_own_text() -> None:
    assert ModelCard.from_json(CARD.to_json()) == CARD


def test_better_than_the_best_baseline_is_used() -> None:
    assert CARD.usable
    assert CARD.best_baseline == "persistence"


def test_worse_than_its_baseline_is_refused_in_words() -> None:
    poor = replace(CARD, scores={**CARD.scores, "hybrid": {"crps": 0.31}})
    assert not poor.usable
    assert poor.verdict.startswith("Nicht in Gebrauch")
    assert "0,31 gegen 0,3 bei „bleibt, wie es ist“" in poor.verdict


def test_without_a_figure_of_its_own_it_is_not_used() -> None:
    assert not replace(CARD, scores={**CARD.scores, "hybrid": {"crps": float("nan")}}).usable


def test_larger_is_better_for_skill() -> None:
    skill = replace(CARD, deciding_metric="pi", scores={"hybrid": {"pi": 0.4}, "arx": {"pi": 0.5}})
    assert not skill.usable


def test_split_outside_the_data_is_no_card() -> None:
    with pytest.raises(ValueError, match="outside"):
        replace(CARD, split=datetime(2027, 1, 1, tzinfo=UTC))
