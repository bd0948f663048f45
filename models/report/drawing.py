"""Draw what a report shows as SVG: form before colour, gaps left open, every picture told in words too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import floor, log10

import numpy as np
from markupsafe import Markup

from models.report.wording import ahead_of_utc, clock, day, number
from models.series import DAY, HOUR, Floats, Instant, Times

SMALL = 300
# On a telephone the past is shown three times as long as what is ahead, which is looked for there.
_PAST_SHARE = 3


@dataclass(frozen=True, slots=True)
class Frame:
    """Size of a drawing and of the margins around its plot; ``days``: as many labels as there is room for."""

    width: int
    height: int
    left: int
    right: int = 12
    top: int = 30
    bottom: int = 30
    days: int = 7

    @property
    def base(self) -> int:
        """Where the plot ends below."""
        return self.height - self.bottom


# Drawn twice: what is readable on a desk is too small, or cut off, on a telephone.
WIDE, NARROW = Frame(720, 260, 52), Frame(340, 240, 40, top=44, days=4)


@dataclass(frozen=True, slots=True)
class Line:
    """Values over time, (n,) each; NaN leaves a gap. ``style``: measured, expected or raw (dots)."""

    name: str
    times: Times
    values: Floats
    style: str = "measured"


@dataclass(frozen=True, slots=True)
class Band:
    """From ``low`` to ``high`` over time, (n,) each."""

    name: str
    times: Times
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Expected:
    """Bars that may come, (n,) each: ``middle`` is drawn full, up to ``high`` dashed."""

    times: Times
    middle: Floats
    high: Floats


@dataclass(frozen=True, slots=True)
class Chart:
    """One picture over time. ``bars`` hang from the top (rain), ``bars_ahead`` beside them on the same scale;
    ``now`` is drawn as a line; ``limit`` too."""

    title: str
    sentence: str
    axis: str
    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    bars: Line | None = None
    now: Instant | None = None
    limit: tuple[float, str] | None = None
    lowest: float | None = None
    bars_ahead: Expected | None = None


@dataclass(frozen=True, slots=True)
class _Plane:
    frame: Frame
    start: Instant
    end: Instant
    low: float
    high: float

    def x(self, times: Times) -> Floats:
        share = (times - self.start) / (self.end - self.start)
        return np.asarray(
            self.frame.left + share * (self.frame.width - self.frame.left - self.frame.right),
            dtype=np.float64,
        )

    def y(self, values: Floats) -> Floats:
        share = (values - self.low) / (self.high - self.low)
        return np.asarray(self.frame.base - share * (self.frame.base - self.frame.top), dtype=np.float64)


def draw(chart: Chart, name: str, frame: Frame = WIDE) -> Markup:
    """The SVG element; ``name`` makes its ids unique in the page."""
    plane = _plane(chart, frame)
    if plane is None:
        return Markup("<p>Keine Werte zu zeichnen.</p>")
    parts = [_grid(plane, chart.axis), _days(plane)]
    if chart.bars is not None:
        parts.append(_hanging(plane, chart.bars, chart.bars_ahead))
    parts += [_band(plane, one) for one in chart.bands]
    parts += [_line(plane, one) for one in chart.lines]
    if chart.limit is not None:
        parts.append(_level(plane, *chart.limit))
    if chart.now is not None:
        parts.append(_now(plane, chart.now, chart))
    return _framed("".join(parts), chart.title, chart.sentence, name=name, size=(frame.width, frame.height))


def reliability(levels: Sequence[float], shares: Sequence[float], title: str, name: str) -> Markup:
    """How often the truth lay below each quantile, beside how often it should have: the diagonal."""
    size, edge = SMALL, 40
    room = size - 2 * edge

    def at(share: float, level: float) -> str:
        return f"{_n(edge + level * room)} {_n(size - edge - share * room)}"

    parts = [f'<path class="axis" stroke-dasharray="3 3" d="M{at(0, 0)}L{at(1, 1)}"/>']
    for tick in (0.0, 0.5, 1.0):
        x, y = edge + tick * room, size - edge - tick * room
        label = f"{100 * tick:.0f} %"
        parts.append(f'<path class="grid" d="M{_n(x)} {edge}V{size - edge}M{edge} {_n(y)}H{size - edge}"/>')
        parts.append(
            f'<text class="label" x="{_n(x)}" y="{size - edge + 16}" text-anchor="middle">{label}</text>'
        )
        parts.append(f'<text class="label" x="{edge - 4}" y="{_n(y + 4)}" text-anchor="end">{label}</text>')
    parts.append('<text class="label" x="0" y="14">so oft eingetreten</text>')
    parts.append(
        f'<text class="label" x="{size}" y="{size - 4}" text-anchor="end">gesagte Wahrscheinlichkeit</text>'
    )
    points = [at(share, level) for level, share in zip(levels, shares, strict=True)]
    parts.append(f'<path class="line" d="M{"L".join(points)}"/>')
    parts += [f'<circle class="dot" cx="{p.split()[0]}" cy="{p.split()[1]}" r="4"/>' for p in points]
    told = ", ".join(
        f"{number(100 * level, 0)} % gesagt, {number(100 * share, 0)} % gekommen"
        for level, share in zip(levels, shares, strict=True)
    )
    return _framed("".join(parts), title, told, name=name, size=(size, size))


def _framed(content: str, title: str, sentence: str, *, name: str, size: tuple[int, int]) -> Markup:
    head = Markup('<title id="{0}-t">{1}</title><desc id="{0}-d">{2}</desc>').format(name, title, sentence)
    opening = Markup('<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{}-t {}-d">').format(
        *size, name, name
    )
    # What is drawn is made of numbers and of texts that were escaped where they came in.
    return opening + head + Markup(content) + Markup("</svg>")  # noqa: S704


def shortened(chart: Chart) -> Chart:
    """With as much of the past as a narrow picture has room for beside what is ahead."""
    ends = [one.times[-1] for one in chart.lines if len(one.times)]
    if chart.now is None or not ends or max(ends) <= chart.now:
        return chart
    start = chart.now - _PAST_SHARE * (max(ends) - chart.now)
    return replace(
        chart,
        lines=[replace(one, times=one.times[k], values=one.values[k])
               for one in chart.lines for k in [one.times >= start]],
    )  # fmt: skip


def _plane(chart: Chart, frame: Frame) -> _Plane | None:
    drawn = [(one.times, one.values) for one in chart.lines]
    drawn += [(one.times, edge) for one in chart.bands for edge in (one.low, one.high)]
    drawn = [(times, values) for times, values in drawn if len(times) and np.isfinite(values).any()]
    if not drawn:
        return None
    start, end = min(times[0] for times, _ in drawn), max(times[-1] for times, _ in drawn)
    low = min(float(np.nanmin(values)) for _, values in drawn)
    high = max(float(np.nanmax(values)) for _, values in drawn)
    if chart.limit is not None:
        high = max(high, chart.limit[0])
    low = low if chart.lowest is None else min(low, chart.lowest)
    step = _round_step(max(high - low, 1e-6) / 4)
    low, high = floor(low / step + 1e-9) * step, -floor(-high / step + 1e-9) * step
    return _Plane(frame, start, max(end, start + HOUR), low, high if high > low else low + step)


def _round_step(raw: float) -> float:
    magnitude = 10.0 ** floor(log10(raw))
    return float(next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * 0.999))


def _grid(plane: _Plane, axis: str) -> str:
    step, right = _round_step((plane.high - plane.low) / 5), plane.frame.width - plane.frame.right
    decimals = max(0, -floor(log10(step) + 1e-9))
    parts = [str(Markup('<text class="label" x="0" y="14">{}</text>').format(axis))]
    for tick in np.arange(plane.low, plane.high + step / 2, step):
        y, label = float(plane.y(np.array([tick]))[0]), number(float(tick), decimals)
        parts.append(
            f'<path class="grid" d="M{plane.frame.left} {_n(y)}H{right}"/>'
            f'<text class="label" x="{plane.frame.left - 6}" y="{_n(y + 4)}" text-anchor="end">{label}</text>'
        )
    return "".join(parts)


def _days(plane: _Plane) -> str:
    frame, bottom = plane.frame, plane.frame.base
    parts = [f'<path class="axis" d="M{frame.left} {bottom}H{frame.width - frame.right}"/>']
    long = plane.end - plane.start > 3 * DAY
    every = DAY if long else 6 * HOUR
    first = plane.start.astype("datetime64[D]").astype("datetime64[us]")
    # Days and hours begin on the city's clock: nobody here lives by UTC.
    ticks = np.array([one - ahead_of_utc(one) for one in np.arange(first, plane.end + 2 * every, every)])
    ticks = ticks[(ticks >= plane.start) & (ticks <= plane.end)]
    thin = max(1, -(-len(ticks) // frame.days))
    for tick in ticks[::thin]:
        x = float(plane.x(np.array([tick]))[0])
        label = day(tick) if long else clock(tick)
        parts.append(
            f'<path class="axis" d="M{_n(x)} {bottom}v5"/>'
            f'<text class="label" x="{_n(x)}" y="{frame.height - 10}" text-anchor="middle">{label}</text>'
        )
    return "".join(parts)


def _line(plane: _Plane, line: Line) -> str:
    if line.style == "raw":
        keep = np.isfinite(line.values)
        dots = zip(plane.x(line.times[keep]), plane.y(line.values[keep]), strict=True)
        return "".join(f'<circle class="raw" cx="{_n(x)}" cy="{_n(y)}" r="1.5"/>' for x, y in dots)
    dash = ' stroke-dasharray="5 4"' if line.style == "expected" else ""
    runs = _runs(np.isfinite(line.values))
    drawn = "".join(f"M{_joined(plane, line.times[a:b], line.values[a:b])}" for a, b in runs)
    return f'<path class="line"{dash} d="{drawn}"/>' if drawn else ""


def _band(plane: _Plane, band: Band) -> str:
    there = _joined(plane, band.times, band.high)
    back = _joined(plane, band.times[::-1], band.low[::-1])
    return f'<path class="span" d="M{there}L{back}Z"/>'


def _hanging(plane: _Plane, bars: Line, ahead: Expected | None) -> str:
    """Rain falls from the top, on a scale of its own whose largest bar is told. What is expected is thinner,
    and dashed where it may or may not come."""
    drawn = [("rain", bars.times, np.zeros(len(bars.times)), bars.values)]
    if ahead is not None:
        drawn += [("rain due", ahead.times, np.zeros(len(ahead.times)), ahead.middle)]
        drawn += [("rain maybe", ahead.times, ahead.middle, ahead.high)]
    shown = [(times >= plane.start) & (times <= plane.end) & (high > low) for _, times, low, high in drawn]
    top = max(
        (float(high[keep].max()) for (*_, high), keep in zip(drawn, shown, strict=True) if keep.any()),
        default=0.0,
    )
    if top <= 0:
        return ""
    frame = plane.frame
    room, parts = (frame.base - frame.top) / 3 / top, []
    for (kind, times, low, high), keep in zip(drawn, shown, strict=True):
        parts += [
            f'<path class="{kind}" d="M{_n(x)} {_n(frame.top + room * a)}v{_n(room * (b - a))}"/>'
            for x, a, b in zip(plane.x(times[keep]), low[keep], high[keep], strict=True)
        ]
    # In a narrow picture it stands on a line of its own, below the name of the axis.
    told = Markup('<text class="label" x="{}" y="{}" text-anchor="end">{}</text>').format(
        frame.width - frame.right, frame.top - 16, f"{bars.name}: höchster Balken {number(top, 1)}"
    )
    return "".join(parts) + str(told)


def _level(plane: _Plane, value: float, name: str) -> str:
    y, left = float(plane.y(np.array([value]))[0]), plane.frame.left
    return str(
        Markup(
            '<path class="axis" stroke-dasharray="2 3" d="M{0} {1}H{2}"/>'
            '<text class="label" x="{3}" y="{4}">{5}</text>'
        ).format(left, _n(y), plane.frame.width - plane.frame.right, left + 4, _n(y - 4), name)
    )


def _now(plane: _Plane, moment: Instant, chart: Chart) -> str:
    """The word stands where the last line is not, and below the rain."""
    frame, last = plane.frame, chart.lines[-1].values
    last = last[np.isfinite(last)]
    middle = (frame.top + frame.base) / 2
    high = len(last) > 0 and float(plane.y(last).mean()) < middle
    above = frame.top + 12 + (0 if chart.bars is None else (frame.base - frame.top) / 3)
    x, y = float(plane.x(np.array([moment]))[0]), frame.base - 6 if high else above
    return (
        f'<path class="axis" d="M{_n(x)} {frame.top}V{frame.base}"/>'
        f'<text class="label" x="{_n(min(x + 4, frame.width - 54))}" y="{_n(y)}">Prognose</text>'
    )


def _runs(solid: np.ndarray) -> list[tuple[int, int]]:  # type: ignore[type-arg, unused-ignore]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], solid, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _joined(plane: _Plane, times: Times, values: Floats) -> str:
    return "L".join(f"{_n(x)} {_n(y)}" for x, y in zip(plane.x(times), plane.y(values), strict=True))


def _n(pixels: float) -> str:
    return f"{pixels:.1f}".removesuffix(".0")
