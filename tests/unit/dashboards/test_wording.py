from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.wording import LocalTime, age, duration, number, with_unit

NOW = datetime(2026, 11, 21, 14, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (27.44, 1, "27,4"),
        (-3.0, 1, "−3,0"),
        (-0.04, 1, "0,0"),
        (1013.2, 0, "1.013"),
        (1234567.5, 1, "1.234.567,5"),
        (float("nan"), 1, "keine Zahl"),
    ],
)
def test_numbers_are_written_in_german(value: float, decimals: int, text: str) -> None:
    assert number(value, decimals) == text


@given(st.floats(-1e9, 1e9), st.integers(0, 3))
def test_a_written_number_reads_back_as_the_rounded_one(value: float, decimals: int) -> None:
    text = number(value, decimals).replace(".", "").replace(",", ".").replace("−", "-")
    assert float(text) == pytest.approx(round(value, decimals), abs=1e-6)


@pytest.mark.parametrize(
    ("symbol", "text"),
    [
        ("Cel", "27,4\u00a0°C"),
        ("deg", "27,4°"),
        ("ug/m3", "27,4\u00a0µg/m³"),
        ("1", "27,4"),
        ("furlong", "27,4\u00a0furlong"),
    ],
)
def test_units_stand_behind_the_number(symbol: str, text: str) -> None:
    assert with_unit(27.44, 1, symbol) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1000, "Zeitangabe liegt in der Zukunft"),
        (-60, "gerade eben"),
        (59, "gerade eben"),
        (60, "vor 1\u00a0Minute"),
        (5400, "vor 90\u00a0Minuten"),
        (3 * 3600, "vor 3\u00a0Stunden"),
        (47 * 3600, "vor 47\u00a0Stunden"),
        (48 * 3600, "vor 2\u00a0Tagen"),
    ],
)
def test_age_is_told_in_one_unit(seconds: int, text: str) -> None:
    assert age(timedelta(seconds=seconds)) == text


def test_a_day_and_an_hour_are_told_in_the_smaller_unit() -> None:
    assert duration(timedelta(days=1)) == "24\u00a0Stunden"
    assert duration(timedelta(hours=1)) == "60\u00a0Minuten"


def test_times_are_the_citys_in_winter_and_in_summer(local: LocalTime) -> None:
    assert local.clock(NOW) == "15:20\u00a0Uhr"
    assert local.clock(datetime(2026, 7, 4, 14, 20, tzinfo=UTC)) == "16:20\u00a0Uhr"


def test_a_stand_of_another_day_carries_its_date(local: LocalTime) -> None:
    assert local.stand(NOW, NOW) == "15:20\u00a0Uhr"
    # 23:30 in UTC is already the next day in Castrop-Rauxel.
    assert local.stand(datetime(2026, 11, 20, 22, 30, tzinfo=UTC), NOW) == "20.11., 23:30\u00a0Uhr"
    assert local.stand(datetime(2026, 11, 20, 23, 30, tzinfo=UTC), NOW) == "00:30\u00a0Uhr"
    assert local.stand(datetime(2025, 11, 20, 12, 0, tzinfo=UTC), NOW).startswith("20.11.2025")


def test_heute_is_said_with_its_date(local: LocalTime) -> None:
    assert local.of_day(NOW, NOW) == "Heute, 21.\u00a0November, 15:20\u00a0Uhr"
    assert local.of_day(NOW - timedelta(days=1), NOW).startswith("Gestern, 20.")
    assert local.of_day(NOW - timedelta(days=2), NOW).startswith("Donnerstag, 19.")
