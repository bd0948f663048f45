"""One series as SVG: mean and span, gaps left open, every number also in table and CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from markupsafe import Markup, escape

from dashboards.public.axes import Scale, days, hours, scale
from dashboards.public.quantities import Drawing
from dashboards.public.series import Sample, Series
from dashboards.wording import LocalTime
from udp.sensorthings import Quality


@dataclass(frozen=True, slots=True)
class Frame:
    """Size of a drawing and of the margins around its plot, in pixels of the view box."""

    width: int
    height: int
    left: int = 46
    right: int = 12
    top: int = 28
    bottom: int = 28
    hour_step: int = 6
    dated: bool = False


# Drawn twice: text that is readable on a telephone is clumsy on a desk and the other way round.
NARROW = Frame(width=340, height=230)
WIDE = Frame(width=760, height=280, hour_step=3, dated=True)


@dataclass(frozen=True, slots=True)
class Picture:
    """What stands around the curve; all texts are plain and get escaped."""

    title: str
    sentence: str
    axis: str
    drawing: Drawing
    decimals: int


# A picture taken away from its page brings its colours along; the page's style sheet has the same.
_OWN_STYLE = Markup(
    "<style>svg{background:#fff;color:#1a1f24;font:12px system-ui,sans-serif}"
    ".grid{stroke:#d5dadf}.axis{stroke:#59636e}.label{fill:#3d4650}.span{fill:#0072b2;opacity:.22}"
    ".gap{fill:#59636e;opacity:.25}"
    ".line{fill:none;stroke:#005a8f;stroke-width:2;stroke-linejoin:round}.dot,.bar{fill:#005a8f}"
    ".doubt{fill:#fff;stroke:#a34700;stroke-width:2}"
    "@media(prefers-color-scheme:dark){svg{background:#14181c;color:#e8ecef}.grid{stroke:#343c44}"
    ".axis{stroke:#a3adb8}.label{fill:#c6ced6}.line{stroke:#7cc4f0}.dot,.bar{fill:#7cc4f0}"
    ".span{fill:#56b4e9}.doubt{fill:#14181c;stroke:#ffb070}}</style>"
)


@dataclass(frozen=True, slots=True)
class Canvas:
    """From time and value to pixels."""

    frame: Frame
    start: datetime
    end: datetime
    scale: Scale

    def x(self, moment: datetime) -> float:
        """Pixels from the left."""
        share = (moment - self.start) / (self.end - self.start)
        return self.frame.left + share * (self.frame.width - self.frame.left - self.frame.right)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        share = (value - self.scale.low) / (self.scale.high - self.scale.low)
        return (
            self.frame.height
            - self.frame.bottom
            - share * (self.frame.height - self.frame.top - self.frame.bottom)
        )


def draw(
    series: Series, picture: Picture, frame: Frame, time: LocalTime, *, name: str, alone: bool = False
) -> Markup:
    """The SVG element; `name` makes its ids unique in the page, `alone` makes it a file of its own."""
    return element(plot(series, picture, frame, time), picture, frame, name=name, alone=alone)


def element(plotted: Markup, picture: Picture, frame: Frame, *, name: str, alone: bool = False) -> Markup:
    """The SVG element around what `plot` drew in the same frame."""
    head = Markup('<title id="{0}-t">{1}</title><desc id="{0}-d">{2}</desc>').format(
        name, picture.title, picture.sentence
    )
    # In a page the style sheet sizes the drawing; a file needs a size of its own.
    # The declaration is markup too: as bare text it would be escaped, and no viewer opened the file.
    declared = Markup('<?xml version="1.0" encoding="UTF-8"?>\n') if alone else Markup()
    opening = declared + Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0} {1}"{2} role="img" '
        'aria-labelledby="{3}-t {3}-d">'
    ).format(
        frame.width,
        frame.height,
        Markup(' width="{}" height="{}"').format(frame.width, frame.height) if alone else "",
        name,
    )
    style = _OWN_STYLE if alone else Markup()
    return opening + head + style + plotted + Markup("</svg>")


def plot(series: Series, picture: Picture, frame: Frame, time: LocalTime) -> Markup:
    """Axes and curve, without the element: the same for the page and for a file of its own."""
    canvas = Canvas(frame, series.start, series.end, value_scale(series, picture))
    parts = [grid(canvas, picture.axis), _time_axis(frame, series.start, series.end, time)]
    parts += [_FORMS[picture.drawing](canvas, series), _doubts(canvas, series.samples)]
    if not series.samples:
        middle = (frame.left + frame.width - frame.right) / 2
        parts.append(
            Markup('<text class="label" x="{}" y="{}" text-anchor="middle">keine Werte</text>').format(
                pixels(middle), frame.height // 2
            )
        )
    return Markup().join(parts)


def value_scale(series: Series, picture: Picture) -> Scale:
    """The value axis: bars and shares begin at 0, lines where the values are."""
    if picture.drawing is Drawing.SHARE:
        return Scale(0, 100, (0, 25, 50, 75, 100), 0)
    smallest = 5 * 10.0**-picture.decimals
    if not series.samples:
        return scale(0, 1, smallest=smallest)
    high = max(sample.high for sample in series.samples)
    if picture.drawing is Drawing.BARS:
        return scale(0, max(high, smallest), smallest=smallest)
    return scale(min(sample.low for sample in series.samples), high, smallest=smallest)


# Hundreds of charts are drawn in a row: axes by f-string and escape() cost a third of Markup.format.
def grid(canvas: Canvas, axis: str) -> Markup:
    """The value axis: its name, a line and a number for each round value."""
    frame = canvas.frame
    parts = [f'<text class="label" x="0" y="14">{escape(axis)}</text>']
    for tick in canvas.scale.ticks:
        y = canvas.y(tick)
        parts.append(
            f'<path class="grid" d="M{frame.left} {pixels(y)}H{frame.width - frame.right}"/>'
            f'<text class="label" x="{frame.left - 6}" y="{pixels(y + 4)}" text-anchor="end">'
            f"{escape(canvas.scale.label(tick))}</text>"
        )
    return Markup("".join(parts))  # noqa: S704  (numbers and escaped texts only)


@lru_cache(maxsize=32)  # all charts of a round share a few periods
def _time_axis(frame: Frame, start: datetime, end: datetime, time: LocalTime) -> Markup:
    canvas = Canvas(frame, start, end, Scale(0, 1, (), 0))
    # A day's name stands in the middle of its day, an hour's below its tick.
    if end - start > timedelta(days=2):
        return time_axis(canvas, days(start, end, time, dated=frame.dated), timedelta(hours=12))
    return time_axis(canvas, hours(start, end, time, frame.hour_step))


def time_axis(
    canvas: Canvas, ticks: Sequence[tuple[datetime, str]], behind: timedelta = timedelta(0)
) -> Markup:
    """The line below with its ticks; each label stands `behind` its tick, and only where it has room."""
    frame = canvas.frame
    bottom = frame.height - frame.bottom
    parts = [f'<path class="axis" d="M{frame.left} {bottom}H{frame.width - frame.right}"/>']
    for moment, label in ticks:
        parts.append(f'<path class="axis" d="M{pixels(canvas.x(moment))} {bottom}v5"/>')
        at = canvas.x(moment + behind)
        if frame.left <= at - 16 and at + 16 <= frame.width:
            parts.append(
                f'<text class="label" x="{pixels(at)}" y="{frame.height - 8}" text-anchor="middle">'
                f"{escape(label)}</text>"
            )
    return Markup("".join(parts))  # noqa: S704  (numbers and escaped texts only)


def _line(canvas: Canvas, series: Series) -> Markup:
    parts: list[str] = []
    for run in series.runs():
        points = [(canvas.x(sample.at), canvas.y(sample.value)) for sample in run]
        if len(run) == 1:
            sample, (x, y) = run[0], points[0]
            if sample.high > sample.low:
                low, high = canvas.y(sample.low), canvas.y(sample.high)
                parts.append(f'<path class="axis" d="M{pixels(x)} {pixels(low)}V{pixels(high)}"/>')
            parts.append(f'<circle class="dot" cx="{pixels(x)}" cy="{pixels(y)}" r="3"/>')
            continue
        if any(sample.high > sample.low for sample in run):
            there = [(canvas.x(sample.at), canvas.y(sample.high)) for sample in run]
            back = [(canvas.x(sample.at), canvas.y(sample.low)) for sample in reversed(run)]
            parts.append(f'<path class="span" d="{path_of(there + back)}Z"/>')
        parts.append(f'<path class="line" d="{path_of(points)}"/>')
    # Only numbers and our own names stand in here.
    return Markup("".join(parts))  # noqa: S704


def _bars(canvas: Canvas, series: Series) -> Markup:
    parts = []
    base = canvas.y(0)
    # No bar means no rain; where nobody measured, that must not be claimed.
    for start, end in series.gaps():
        left, right = canvas.x(start), canvas.x(end)
        parts.append(
            f'<rect class="gap" x="{pixels(left)}" y="{canvas.frame.top}" '
            f'width="{pixels(right - left)}" height="{pixels(base - canvas.frame.top)}"/>'
        )
    for sample in series.samples:
        half = (series.bucket or timedelta(minutes=10)) / 2
        left, right = canvas.x(sample.at - half), canvas.x(sample.at + half)
        top = canvas.y(sample.value)
        if top < base:
            width = max(right - left - 0.5, 1.0)
            parts.append(
                f'<rect class="bar" x="{pixels(left)}" y="{pixels(top)}" '
                f'width="{pixels(width)}" height="{pixels(base - top)}"/>'
            )
    return Markup("".join(parts))  # noqa: S704  (numbers only)


def _doubts(canvas: Canvas, samples: Sequence[Sample]) -> Markup:
    """Suspect values get a hollow triangle on top of the curve: form before colour."""
    parts = []
    for sample in samples:
        if sample.quality is Quality.SUSPECT:
            x, y = canvas.x(sample.at), canvas.y(sample.value)
            parts.append(f'<path class="doubt" d="M{pixels(x)} {pixels(y - 5)}l5 9h-10Z"/>')
    return Markup("".join(parts))  # noqa: S704  (numbers only)


_FORMS: dict[Drawing, Callable[[Canvas, Series], Markup]] = {
    Drawing.LINE: _line,
    Drawing.BARS: _bars,
    Drawing.SHARE: _line,
}


def path_of(points: Sequence[tuple[float, float]]) -> str:
    """The data of an SVG path through these points."""
    return "M" + "L".join(f"{pixels(x)} {pixels(y)}" for x, y in points)


def pixels(number: float) -> str:
    """A tenth of a pixel is finer than any screen and keeps a week below 3 kB."""
    return f"{number:.1f}".removesuffix(".0")
