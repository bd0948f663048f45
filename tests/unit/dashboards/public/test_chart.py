from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dashboards.public.axes import days, hours, scale
from dashboards.public.chart import NARROW, WIDE, Canvas, Frame, Picture, draw, value_scale
from dashboards.public.quantities import Drawing
from dashboards.public.series import Sample, Series, to_csv
from dashboards.public.snapshot import Place, Stream
from dashboards.wording import LocalTime
from udp.sensorthings import Quality, QualityRule

END = datetime(2026, 11, 21, 15, tzinfo=UTC)
WEEK, DAY, HOUR = timedelta(days=7), timedelta(days=1), timedelta(hours=1)
SVG = "{http://www.w3.org/2000/svg}"


def stream(observed_property: str = "air_temperature", licence: str = "dl-de/zero-2-0") -> Stream:
    return Stream(
        id=7, name="", place="a", observed_property=observed_property, property_name="Lufttemperatur",
        unit="Cel", unit_name="Grad Celsius", licence=licence, sensor="", interval=timedelta(minutes=10),
    )  # fmt: skip


PLACE = Place("a", "Rathaus", "weather_station", "wetter", "rauxel", "Rauxel", simulated=True)


def picture(drawing: Drawing = Drawing.LINE) -> Picture:
    return Picture("Titel <&>", "Satz", "Lufttemperatur in °C", drawing, 1)


def week(samples: list[Sample]) -> Series:
    return Series(END - WEEK, END, samples, HOUR, HOUR, END)


def at(hour: float, value: float, quality: Quality = Quality.GOOD) -> Sample:
    """`hour` after the beginning of the week."""
    return Sample(END - WEEK + timedelta(hours=hour), value, value - 1, value + 1, 6, quality)


def parsed(series: Series, drawing: Drawing, local: LocalTime, frame: Frame = WIDE) -> ElementTree.Element:
    return ElementTree.fromstring(str(draw(series, picture(drawing), frame, local, name="woche", alone=True)))


def points(path: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in re.findall(r"(-?[\d.]+) (-?[\d.]+)", path)]


def lines(root: ElementTree.Element) -> list[str]:
    return [path.attrib["d"] for path in root.iter(f"{SVG}path") if path.attrib["class"] == "line"]


@pytest.mark.parametrize("frame", [NARROW, WIDE])
def test_the_csv_holds_exactly_the_drawn_numbers(local: LocalTime, frame: Frame) -> None:
    series = week([at(hour + 0.5, 10 + 5 * ((hour * 7) % 11) / 11) for hour in range(168)])
    drawn = points(lines(parsed(series, Drawing.LINE, local, frame))[0])
    rows = list(csv.DictReader(io.StringIO(to_csv(series, stream(), PLACE))))
    assert len(drawn) == len(rows) == 168
    canvas = Canvas(frame, series.start, series.end, value_scale(series, picture()))
    for (x, y), row in zip(drawn, rows, strict=True):
        middle = datetime.fromisoformat(row["start"]) + HOUR / 2
        assert canvas.x(middle) == pytest.approx(x, abs=0.051)
        assert canvas.y(float(row["mean"])) == pytest.approx(y, abs=0.051)


def test_every_line_of_the_csv_says_where_it_comes_from() -> None:
    row = next(csv.DictReader(io.StringIO(to_csv(week([at(1.5, 10)]), stream(), PLACE))))
    assert row["unit"] == "Cel"
    assert row["licence"] == "dl-de/zero-2-0"
    assert row["simulated"] == "true"
    assert row["retrieved_at"] == "2026-11-21T15:00:00Z"
    assert (row["min"], row["max"], row["count"]) == ("9", "11", "6")


def test_single_values_carry_their_quality_into_the_csv() -> None:
    sample = Sample(END - HOUR, 3.0, 3.0, 3.0, 1, Quality.SUSPECT, QualityRule.STEP)
    series = Series(END - DAY, END, [sample], timedelta(0), HOUR, END)
    row = next(csv.DictReader(io.StringIO(to_csv(series, stream(), PLACE))))
    assert (row["value"], row["quality"], row["rule"]) == ("3.0", "suspect", "step")


def test_no_cell_is_a_formula() -> None:
    row = next(csv.DictReader(io.StringIO(to_csv(week([at(1.5, 10)]), stream(licence="=1+1"), PLACE))))
    assert row["licence"] == "'=1+1"


def test_a_gap_is_never_bridged(local: LocalTime) -> None:
    series = week([at(hour + 0.5, 10) for hour in range(168) if not 50 <= hour < 60])
    first, second = lines(parsed(series, Drawing.LINE, local))
    canvas = Canvas(WIDE, series.start, series.end, value_scale(series, picture()))
    gap_start, gap_end = canvas.x(series.start + 50 * HOUR), canvas.x(series.start + 60 * HOUR)
    assert max(x for x, _ in points(first)) < gap_start
    assert min(x for x, _ in points(second)) > gap_end
    spans = [
        path.attrib["d"]
        for path in parsed(series, Drawing.LINE, local).iter(f"{SVG}path")
        if path.attrib["class"] == "span"
    ]
    assert len(spans) == 2


def test_a_lonely_value_is_a_dot(local: LocalTime) -> None:
    root = parsed(week([at(10.5, 3), at(90.5, 4)]), Drawing.LINE, local)
    assert not lines(root)
    assert len(list(root.iter(f"{SVG}circle"))) == 2


def test_bars_stand_on_zero(local: LocalTime) -> None:
    series = week([Sample(END - 3 * HOUR, 2.0, 2.0, 2.0), Sample(END - 2 * HOUR, 0.0, 0.0, 0.0)])
    assert value_scale(series, picture(Drawing.BARS)).low == 0
    rects = parsed(series, Drawing.BARS, local).iter(f"{SVG}rect")
    (bar,) = [one for one in rects if one.attrib["class"] == "bar"]
    bottom = float(bar.attrib["y"]) + float(bar.attrib["height"])
    assert bottom == pytest.approx(WIDE.height - WIDE.bottom, abs=0.11)


def test_missing_rain_is_not_drawn_as_no_rain(local: LocalTime) -> None:
    start = END - WEEK
    dry = [Sample(start + (hour + 0.5) * HOUR, 0.0, 0.0, 0.0) for hour in range(168) if not 50 <= hour < 60]
    rects = list(parsed(week(dry), Drawing.BARS, local).iter(f"{SVG}rect"))
    assert [one.attrib["class"] for one in rects] == ["gap"]
    canvas = Canvas(WIDE, start, END, value_scale(week(dry), picture(Drawing.BARS)))
    assert float(rects[0].attrib["x"]) == pytest.approx(canvas.x(start + 50 * HOUR), abs=0.1)
    width = canvas.x(start + 60 * HOUR) - canvas.x(start + 50 * HOUR)
    assert float(rects[0].attrib["width"]) == pytest.approx(width, abs=0.1)


def test_suspect_values_have_a_form_of_their_own(local: LocalTime) -> None:
    series = week([at(1.5, 3), at(2.5, 3, Quality.SUSPECT), at(3.5, 3)])
    marks = [
        one
        for one in parsed(series, Drawing.LINE, local).iter(f"{SVG}path")
        if one.attrib["class"] == "doubt"
    ]
    assert len(marks) == 1


def test_the_picture_has_a_name_and_a_description(local: LocalTime) -> None:
    root = parsed(week([at(1.5, 3)]), Drawing.LINE, local)
    assert root.attrib["role"] == "img"
    names = root.attrib["aria-labelledby"].split()
    found = {one.attrib["id"]: one.text for one in root if "id" in one.attrib}
    assert [found[name] for name in names] == ["Titel <&>", "Satz"]
    assert any("°C" in (text.text or "") for text in root.iter(f"{SVG}text"))


def test_nothing_to_draw_is_said(local: LocalTime) -> None:
    root = parsed(week([]), Drawing.LINE, local)
    assert "keine Werte" in [text.text for text in root.iter(f"{SVG}text")]


@given(st.floats(-1e6, 1e6), st.floats(0, 1e6), st.sampled_from([0.05, 0.5, 5.0]))
def test_a_scale_holds_its_values_in_round_steps(low: float, size: float, smallest: float) -> None:
    high = low + size
    found = scale(low, high, smallest=smallest)
    step = found.ticks[1] - found.ticks[0]
    assert found.low <= low + step * 1e-6
    assert found.high >= high - step * 1e-6
    assert 2 <= len(found.ticks) <= 9
    assert len({found.label(tick) for tick in found.ticks}) == len(found.ticks)


def test_constant_values_do_not_fill_the_chart_with_noise() -> None:
    found = scale(20.0, 20.01, smallest=0.5)
    assert found.high - found.low >= 0.5
    assert scale(0.0, 0.0, smallest=0.5).low == 0


def test_midnights_are_local_also_across_the_end_of_summer_time(local: LocalTime) -> None:
    start = datetime(2026, 10, 22, 0, tzinfo=UTC)
    found = days(start, start + WEEK, local, dated=True)
    assert [f"{moment.astimezone(UTC):%d %H}" for moment, _ in found] == [
        "22 22", "23 22", "24 22", "25 23", "26 23", "27 23", "28 23",
    ]  # fmt: skip
    assert found[0][1] == "Fr 23."


def test_hours_are_local(local: LocalTime) -> None:
    found = hours(END - DAY, END, local, 6)
    assert [label for _, label in found] == ["18 Uhr", "0 Uhr", "6 Uhr", "12 Uhr"]
