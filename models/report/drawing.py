"""Draw what a report shows as SVG: form before colour, gaps left open, every picture told in words too."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, log10

import numpy as np
from markupsafe import Markup

from models.report.wording import clock, day, number
from models.series import DAY, HOUR, Floats, Instant, Times

WIDTH, HEIGHT = 720, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 30
SMALL = 300


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
    start: Instant
    end: Instant
    low: float
    high: float

    def x(self, times: Times) -> Floats:
        share = (times - self.start) / (self.end - self.start)
        return np.asarray(LEFT + share * (WIDTH - LEFT - RIGHT), dtype=np.float64)

    def y(self, values: Floats) -> Floats:
        share = (values - self.low) / (self.high - self.low)
        return np.asarray(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), dtype=np.float64)


def draw(chart: Chart, name: str) -> Markup:
    """The SVG element; ``name`` makes its ids unique in the page."""
    plane = _plane(chart)
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
        parts.append(_now(plane, chart.now, low=chart.bars_ahead is not None))
    return _framed("".join(parts), chart.title, chart.sentence, name=name, size=(WIDTH, HEIGHT))


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


def _plane(chart: Chart) -> _Plane | None:
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
    return _Plane(start, max(end, start + HOUR), low, high if high > low else low + step)


def _round_step(raw: float) -> float:
    magnitude = 10.0 ** floor(log10(raw))
    return float(next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= raw * 0.999))


def _grid(plane: _Plane, axis: str) -> str:
    step = _round_step((plane.high - plane.low) / 5)
    decimals = max(0, -floor(log10(step) + 1e-9))
    parts = [str(Markup('<text class="label" x="0" y="14">{}</text>').format(axis))]
    for tick in np.arange(plane.low, plane.high + step / 2, step):
        y, label = float(plane.y(np.array([tick]))[0]), number(float(tick), decimals)
        parts.append(
            f'<path class="grid" d="M{LEFT} {_n(y)}H{WIDTH - RIGHT}"/>'
            f'<text class="label" x="{LEFT - 6}" y="{_n(y + 4)}" text-anchor="end">{label}</text>'
        )
    return "".join(parts)


def _days(plane: _Plane) -> str:
    bottom = HEIGHT - BOTTOM
    parts = [f'<path class="axis" d="M{LEFT} {bottom}H{WIDTH - RIGHT}"/>']
    long = plane.end - plane.start > 3 * DAY
    every = DAY if long else 6 * HOUR
    first = plane.start.astype("datetime64[D]").astype("datetime64[us]")
    ticks = np.arange(first, plane.end + every, every)
    ticks = ticks[(ticks >= plane.start) & (ticks <= plane.end)]
    thin = max(1, -(-len(ticks) // 7))
    for tick in ticks[::thin]:
        x = float(plane.x(np.array([tick]))[0])
        label = day(tick) if long else clock(tick)
        parts.append(
            f'<path class="axis" d="M{_n(x)} {bottom}v5"/>'
            f'<text class="label" x="{_n(x)}" y="{HEIGHT - 10}" text-anchor="middle">{label}</text>'
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
    room, parts = (HEIGHT - TOP - BOTTOM) / 3 / top, []
    for (kind, times, low, high), keep in zip(drawn, shown, strict=True):
        parts += [
            f'<path class="{kind}" d="M{_n(x)} {_n(TOP + room * a)}v{_n(room * (b - a))}"/>'
            for x, a, b in zip(plane.x(times[keep]), low[keep], high[keep], strict=True)
        ]
    told = Markup('<text class="label" x="{}" y="14" text-anchor="end">{}</text>').format(
        WIDTH - RIGHT, f"{bars.name}: höchster Balken {number(top, 1)}"
    )
    return "".join(parts) + str(told)


def _level(plane: _Plane, value: float, name: str) -> str:
    y = float(plane.y(np.array([value]))[0])
    return str(
        Markup(
            '<path class="axis" stroke-dasharray="2 3" d="M{0} {1}H{2}"/>'
            '<text class="label" x="{3}" y="{4}">{5}</text>'
        ).format(LEFT, _n(y), WIDTH - RIGHT, LEFT + 4, _n(y - 4), name)
    )


def _now(plane: _Plane, moment: Instant, *, low: bool) -> str:
    x, y = float(plane.x(np.array([moment]))[0]), HEIGHT - BOTTOM - 6 if low else TOP + 10
    return (
        f'<path class="axis" d="M{_n(x)} {TOP}V{HEIGHT - BOTTOM}"/>'
        f'<text class="label" x="{_n(x + 4)}" y="{y}">Prognose</text>'
    )


def _runs(solid: np.ndarray) -> list[tuple[int, int]]:  # type: ignore[type-arg, unused-ignore]
    edges = np.flatnonzero(np.diff(np.concatenate([[False], solid, [False]]).astype(np.int8)))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def _joined(plane: _Plane, times: Times, values: Floats) -> str:
    return "L".join(f"{_n(x)} {_n(y)}" for x, y in zip(plane.x(times), plane.y(values), strict=True))


def _n(pixels: float) -> str:
    return f"{pixels:.1f}".removesuffix(".0")
