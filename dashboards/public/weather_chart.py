"""Rain and temperature to come as SVG: what is expected, and how much it may be instead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from markupsafe import Markup, escape

from dashboards.public.axes import Scale, hours, scale
from dashboards.public.chart import Canvas, Frame, Picture, element, path_of, pixels
from dashboards.public.quantities import Drawing
from dashboards.public.weather import Hour
from dashboards.wording import LocalTime

DAYS = ("Mo", "Di", "Mi", "Do", "Fr", "Sa", "So")
_HOUR = timedelta(hours=1)
# A shower of a tenth of a millimetre must not fill the picture.
_LEAST_MM, _LEAST_K = 2.0, 5.0


@dataclass(frozen=True, slots=True)
class Sketch:
    """What stands around a drawing; all texts are plain and get escaped."""

    title: str
    sentence: str
    axis: str
    decimals: int


def draw_rain(
    known: Sequence[Hour], words: Sketch, frame: Frame, time: LocalTime, *, name: str, alone: bool = False
) -> Markup:
    """Bars of what is expected before lighter ones up to what one hour in ten exceeds."""
    most = max((max(one.rain or 0.0, one.high or 0.0) for one in known), default=0.0)
    canvas = _canvas(known, frame, scale(0, max(most, _LEAST_MM), smallest=_LEAST_MM))
    parts = [_grid(canvas, words.axis, time)]
    for one in known:
        parts += [_bar(canvas, one, one.high, "span"), _bar(canvas, one, one.rain, "bar")]
    return _element(parts, words, Drawing.BARS, frame, name=name, alone=alone)


def draw_air(
    known: Sequence[Hour], words: Sketch, frame: Frame, time: LocalTime, *, name: str, alone: bool = False
) -> Markup:
    """A line within the band in which it usually stays; hours without a word are gaps."""
    told = [(one.ends, one.air, one.air_error or 0.0) for one in known if one.air is not None]
    low, high = min(air - off for _, air, off in told), max(air + off for _, air, off in told)
    canvas = _canvas(known, frame, scale(low, high, smallest=_LEAST_K))
    parts = [_grid(canvas, words.axis, time)]
    for run in _runs(told):
        there = [(canvas.x(at), canvas.y(air + off)) for at, air, off in run]
        back = [(canvas.x(at), canvas.y(air - off)) for at, air, off in reversed(run)]
        middle = path_of([(canvas.x(at), canvas.y(air)) for at, air, _ in run])
        parts.append(
            f'<path class="span" d="{path_of(there + back)}Z"/>'
            f'<path class="line" stroke-dasharray="5 4" d="{middle}"/>'
        )
    return _element(parts, words, Drawing.LINE, frame, name=name, alone=alone)


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


def _grid(canvas: Canvas, axis: str, time: LocalTime) -> str:
    frame, right = canvas.frame, canvas.frame.width - canvas.frame.right
    bottom = frame.height - frame.bottom
    parts = [f'<text class="label" x="0" y="14">{escape(axis)}</text>']
    for tick in canvas.scale.ticks:
        y = canvas.y(tick)
        parts.append(
            f'<path class="grid" d="M{frame.left} {pixels(y)}H{right}"/><text class="label" '
            f'x="{frame.left - 6}" y="{pixels(y + 4)}" text-anchor="end">'
            f"{escape(canvas.scale.label(tick))}</text>"
        )
    parts.append(f'<path class="axis" d="M{frame.left} {bottom}H{right}"/>')
    for moment, label in hours(canvas.start, canvas.end, time, 2 * frame.hour_step):
        x, local = canvas.x(moment), time.local(moment)
        # Midnight tells which day begins, so that "6 Uhr" is never taken for today's.
        text = DAYS[local.weekday()] if local.hour == 0 else label
        parts.append(f'<path class="axis" d="M{pixels(x)} {bottom}v5"/>')
        if frame.left <= x - 16 and x + 16 <= frame.width:
            parts.append(
                f'<text class="label" x="{pixels(x)}" y="{frame.height - 8}" text-anchor="middle">'
                f"{escape(text)}</text>"
            )
    return "".join(parts)


def _element(
    parts: Sequence[str], words: Sketch, drawing: Drawing, frame: Frame, *, name: str, alone: bool
) -> Markup:
    about = Picture(words.title, words.sentence, words.axis, drawing, words.decimals)
    # Numbers, our own names and escaped texts only.
    return element(Markup("".join(parts)), about, frame, name=name, alone=alone)  # noqa: S704
