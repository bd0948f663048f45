from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from dashboards.public.describe import describe
from dashboards.public.series import Sample, Series
from dashboards.public.snapshot import Stream
from dashboards.wording import LocalTime
from udp.sensorthings import Quality

END = datetime(2026, 11, 21, 15, tzinfo=UTC)
HOUR = timedelta(hours=1)
SPAN = "In den letzten 24 Stunden"
STREAM = Stream(
    7, "", "a", "air_temperature", "Lufttemperatur", "Cel", "Grad Celsius", "", "", timedelta(minutes=10)
)


def day(samples: list[Sample], hidden: int = 0) -> Series:
    return Series(END - 24 * HOUR, END, samples, HOUR, HOUR, END, hidden)


def hourly(values: dict[int, float]) -> list[Sample]:
    start = END - 24 * HOUR
    return [Sample(start + (hour + 0.5) * HOUR, value, value, value) for hour, value in values.items()]


def test_lowest_highest_and_middle_are_told_with_their_times(local: LocalTime) -> None:
    values = dict.fromkeys(range(24), 10.0) | {3: 4.0, 20: 16.0}
    text = describe(day(hourly(values)), STREAM, SPAN, local).replace("\u00a0", " ")
    assert "zwischen 4,0 °C (Fr, 20.11., 19:00 Uhr) und 16,0 °C (Sa, 21.11., 12:00 Uhr)" in text
    assert "im Mittel bei 10,0 °C" in text
    assert "Lücke" not in text


def test_gaps_are_told_inside_and_at_the_end_but_not_before_the_first_value(local: LocalTime) -> None:
    values = {hour: 10.0 for hour in range(24) if 2 <= hour < 10 or 15 <= hour < 21}
    text = describe(day(hourly(values)), STREAM, SPAN, local).replace("\u00a0", " ")
    assert "2 Lücken ohne Werte" in text
    assert "die längste rund 5 Stunden" in text


def test_the_hour_that_is_running_is_no_gap(local: LocalTime) -> None:
    series = replace(day(hourly(dict.fromkeys(range(23), 10.0))), fetched_at=END - 0.8 * HOUR)
    assert "Lücke" not in describe(series, STREAM, SPAN, local)
    assert "1\u00a0Lücke" in describe(replace(series, fetched_at=END), STREAM, SPAN, local)


def test_one_gap_is_told_rounded_and_in_the_singular(local: LocalTime) -> None:
    samples = [Sample(END - span * HOUR, 1.0, 1.0, 1.0) for span in (6 * 24, 1)]
    series = replace(day(samples), start=END - 7 * 24 * HOUR, fetched_at=END - 0.5 * HOUR)
    text = describe(series, STREAM, SPAN, local).replace("\u00a0", " ")
    assert "1 Lücke ohne Werte, Dauer rund 6 Tage." in text
    assert "längste" not in text


def test_doubtful_and_left_out_values_are_told(local: LocalTime) -> None:
    samples = hourly({1: 3.0, 2: 4.0})
    samples[0] = replace(samples[0], quality=Quality.SUSPECT)
    text = describe(day(samples, hidden=2), STREAM, SPAN, local).replace("\u00a0", " ")
    assert "1 Wert ist als verdächtig gekennzeichnet" in text
    assert "2 fehlerhafte Werte sind nicht gezeichnet" in text


def test_nothing_is_told_as_nothing(local: LocalTime) -> None:
    assert describe(day([]), STREAM, SPAN, local) == f"{SPAN} gibt es keine gültigen Werte."


def test_rain_is_told_as_a_sum(local: LocalTime) -> None:
    rain = replace(STREAM, observed_property="precipitation", unit="mm")
    text = describe(day(hourly(dict.fromkeys(range(24), 0.0) | {5: 2.5, 6: 1.0})), rain, SPAN, local)
    assert "fielen zusammen 3,5\u00a0mm" in text
    assert describe(day(hourly(dict.fromkeys(range(24), 0.0))), rain, SPAN, local) == f"{SPAN} fiel nichts."


def test_parking_is_told_as_a_share(local: LocalTime) -> None:
    bay = replace(STREAM, observed_property="parking_occupied", unit="1")
    text = describe(day(hourly(dict.fromkeys(range(24), 25.0))), bay, SPAN, local)
    assert "meldeten 25\u00a0% der Messungen „belegt“" in text
