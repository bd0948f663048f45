"""A forecast as SVG: what was measured until now, then middle and intervals, with a line between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup

from dashboards.public.axes import Scale, days, hours, scale
from dashboards.public.chart import Canvas, Frame, Picture, element, grid, path_of, pixels, time_axis
from dashboards.public.outlook import Expected, Outlook
from dashboards.public.quantities import Drawing
from dashboards.public.series import Series
from dashboards.wording import LocalTime


@dataclass(frozen=True, slots=True)
class Words:
    """What stands around the curve; all texts are plain and get escaped. ``limit`` is drawn as a line."""

    title: str
    sentence: str
    axis: str
    decimals: int
    limit: float | None = None
    limit_name: str = ""


def draw_outlook(
    measured: Series, outlook: Outlook, words: Words, frame: Frame, time: LocalTime, *, name: str,
    alone: bool = False,
) -> Markup:  # fmt: skip
    """The SVG element; `name` makes its ids unique in the page, `alone` makes it a file of its own."""
    start, end = measured.start, outlook.expected[-1].at
    canvas = _Field(frame, start, end, _scale(measured, outlook, words))
    parts = [
        grid(canvas, words.axis), canvas.time_axis(time), canvas.now(outlook.issued_at),
        canvas.bands(outlook), canvas.measured(measured), canvas.middle(outlook), canvas.limit(words),
    ]  # fmt: skip
    about = Picture(words.title, words.sentence, words.axis, Drawing.LINE, words.decimals)
    return element(Markup().join(parts), about, frame, name=name, alone=alone)


def _scale(measured: Series, outlook: Outlook, words: Words) -> Scale:
    if words.limit is not None:
        return Scale(0, 100, (0, 25, 50, 75, 100), 0)
    values = [value for sample in measured.samples for value in (sample.low, sample.high)]
    values += [value for one in outlook.expected for value in one.outer]
    return scale(min(values), max(values), smallest=5 * 10.0**-words.decimals)


@dataclass(frozen=True, slots=True)
class _Field(Canvas):
    """The marks drawn on it; what lies beyond the scale is drawn at its edge."""

    def y(self, value: float) -> float:
        return Canvas.y(self, min(max(value, self.scale.low), self.scale.high))

    def time_axis(self, time: LocalTime) -> Markup:
        long = (self.end - self.start).total_seconds() > 2.5 * 86_400
        ticks = (
            days(self.start, self.end, time, dated=self.frame.dated)
            if long
            else hours(self.start, self.end, time, self.frame.hour_step * 2)
        )
        return time_axis(self, ticks)

    def now(self, moment: datetime) -> Markup:
        x, bottom = self.x(moment), self.frame.height - self.frame.bottom
        return Markup(
            '<path class="axis" d="M{0} {1}V{2}"/><text class="label" x="{3}" y="{4}">Prognose</text>'
        ).format(pixels(x), self.frame.top, bottom, pixels(x + 4), self.frame.top + 10)

    def bands(self, outlook: Outlook) -> Markup:
        parts = [self._band(outlook.expected, style) for style in ("outer", "inner")]
        return Markup("".join(parts))  # noqa: S704  (numbers only)

    def _band(self, expected: Sequence[Expected], which: str) -> str:
        spans = [(self.x(one.at), getattr(one, which)) for one in expected]
        there = [(x, self.y(high)) for x, (_, high) in spans]
        back = [(x, self.y(low)) for x, (low, _) in reversed(spans)]
        return f'<path class="span" d="{path_of(there + back)}Z"/>'

    def measured(self, series: Series) -> Markup:
        parts = []
        for run in series.runs():
            points = [(self.x(sample.at), self.y(sample.value)) for sample in run]
            if len(points) == 1:
                ((x, y),) = points
                parts.append(f'<circle class="dot" cx="{pixels(x)}" cy="{pixels(y)}" r="3"/>')
            else:
                parts.append(f'<path class="line" d="{path_of(points)}"/>')
        return Markup("".join(parts))  # noqa: S704  (numbers only)

    def middle(self, outlook: Outlook) -> Markup:
        points = [(self.x(one.at), self.y(one.middle)) for one in outlook.expected]
        # Dashes tell expected from measured also without colour.
        return Markup(f'<path class="line" stroke-dasharray="5 4" d="{path_of(points)}"/>')  # noqa: S704

    def limit(self, words: Words) -> Markup:
        if words.limit is None:
            return Markup()
        y = self.y(words.limit)
        return Markup(
            '<path class="axis" stroke-dasharray="2 3" d="M{} {}H{}"/>'
            '<text class="label" x="{}" y="{}">{}</text>'
        ).format(
            self.frame.left, pixels(y), self.frame.width - self.frame.right,
            self.frame.left + 4, pixels(y - 4), words.limit_name,
        )  # fmt: skip
