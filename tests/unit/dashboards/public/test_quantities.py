from __future__ import annotations

import pytest

from dashboards.public.quantities import QUANTITIES, Word, order, quantity


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("fill_level", 19.9, "leer"),
        ("fill_level", 20, "halb voll"),
        ("fill_level", 80, "voll"),
        ("wind_direction", 0, "aus Nord"),
        ("wind_direction", 359, "aus Nord"),
        ("wind_direction", 225, "aus Südwest"),
        ("wind_speed", 0, "Windstille"),
        ("wind_speed", 33, "Orkan"),
        ("soil_tension", 32, "feucht genug"),
        ("soil_tension", 80, "mäßig feucht"),
        ("soil_tension", 81, "zu trocken"),
        ("co2", 2000, "auffällig: lüften"),
        ("parking_occupied", 1, "belegt"),
        ("air_temperature", 20, ""),
        ("never_heard_of", 20, ""),
    ],
)
def test_values_get_the_word_of_their_class(key: str, value: float, word: str) -> None:
    assert quantity(key).word(value) == word


@pytest.mark.parametrize("key", QUANTITIES)
def test_classes_ascend_and_begin_without_limit(key: str) -> None:
    words: tuple[Word, ...] = QUANTITIES[key].words
    assert [word.least for word in words] == sorted(word.least for word in words)
    assert not words or words[0].least == float("-inf")


def test_unknown_properties_stand_last() -> None:
    assert order("air_temperature") == 0
    assert order("never_heard_of") == len(QUANTITIES)
