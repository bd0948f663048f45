"""Rain and temperature to come as SVG: what is expected, and how much it may be instead."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from markupsafe import Markup

from dashboards.public.axes import WEEKDAYS, Scale, hours, scale
from dashboards.public.chart import Canvas, Frame, grid, path_of, pixels, time_axis
from dashboards.public.weather import Hour
from dashboards.wording import LocalTime

_HOUR = timedelta(hours=1)
# A shower of a tenth of a millimetre must not fill the picture.
_LEAST_MM, _LEAST_K = 2.0, 5.0


def plot_rain(known: Sequence[Hour], axis: str, frame: Frame, time: LocalTime) -> Markup:
    """Bars of what is expected before lighter ones up to what one hour in ten exceeds."""
    most = max((max(one.rain or 0.0, one.high or 0.0) for one in known), default=0.0)
    canvas = _canvas(known, frame, scale(0, max(most, _LEAST_MM), smallest=_LEAST_MM))
    parts: list[str] = [_axes(canvas, axis, time)]
    for one in known:
        parts += [_bar(canvas, one, one.high, "span"), _bar(canvas, one, one.rain, "bar")]
    return Markup("".join(parts))  # noqa: S704  (numbers, our own names and escaped texts only)


def plot_air(known: Sequence[Hour], axis: str, frame: Frame, time: LocalTime) -> Markup:
    """A line within the band in which it usually stays; hours without a word are gaps."""
    told = [(one.ends, one.air, one.air_error or 0.0) for one in known if one.air is not None]
    low, high = min(air - off for _, air, off in told), max(air + off for _, air, off in told)
    canvas = _canvas(known, frame, scale(low, high, smallest=_LEAST_K))
    parts: list[str] = [_axes(canvas, axis, time)]
    for run in _runs(told):
        there = [(canvas.x(at), canvas.y(air + off)) for at, air, off in run]
        back = [(canvas.x(at), canvas.y(air - off)) for at, air, off in reversed(run)]
        middle = path_of([(canvas.x(at), canvas.y(air)) for at, air, _ in run])
        parts.append(
            f'<path class="span" d="{path_of(there + back)}Z"/>'
            f'<path class="line" stroke-dasharray="5 4" d="{middle}"/>'
        )
    return Markup("".join(parts))  # noqa: S704  (numbers, our own names and escaped texts only)


def _canvas(known: Sequence[Hour], frame: Frame, values: Scale) -> Canvas:
    return Canvas(frame, known[0].ends - _HOUR, known[-1].ends, values)


def _runs(
    told: Sequence[tuple[datetime, float, float]],
) -> list[list[tuple[datetime, float, float]]]:
    found: list[list[tuple[datetime, float, float]]] = []
    for one in told:
        if found and one[0] - found[-1][-1][0] <= _HOUR:
            found[-1].append(one)
        else:
            found.append([one])
    return found


def _bar(canvas: Canvas, one: Hour, amount: float | None, style: str) -> str:
    if not amount:
        return ""
    left, right = canvas.x(one.ends - _HOUR), canvas.x(one.ends)
    base, top = canvas.y(0), canvas.y(amount)
    return (
        f'<rect class="{style}" x="{pixels(left + 0.5)}" y="{pixels(top)}" '
        f'width="{pixels(max(right - left - 1.0, 1.0))}" height="{pixels(base - top)}"/>'
    )


def _axes(canvas: Canvas, axis: str, time: LocalTime) -> Markup:
    ticks = [
        # Midnight tells which day begins, so that "6 Uhr" is never taken for today's.
        (moment, label if moment.hour else WEEKDAYS[moment.weekday()])
        for moment, label in hours(canvas.start, canvas.end, time, 2 * canvas.frame.hour_step)
    ]
    return grid(canvas, axis) + time_axis(canvas, ticks)
