"""Draw shares as bars that carry their own words, so that no colour needs a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

_WIDTH, _LEFT, _FULL = 720, 105, 290
_NARROW = 340
_BAR, _GAP, _SPACE = 16, 4, 14


@dataclass(frozen=True, slots=True)
class Bar:
    """``share`` 0 to 1 is drawn, ``told`` is written behind it; ``hollow`` bars are only outlined."""

    share: float
    told: str
    hollow: bool = False


@dataclass(frozen=True, slots=True)
class BarGroup:
    """Bars of one case."""

    label: str
    bars: Sequence[Bar]


@dataclass(frozen=True, slots=True)
class BarChart:
    """One picture; ``sentence`` says what it shows."""

    title: str
    sentence: str
    groups: Sequence[BarGroup]


def draw_bars(chart: BarChart, name: str, *, narrow: bool = False) -> Markup:
    """The SVG element; ``name`` makes its ids unique in the page. ``narrow``: words stand above bars."""
    width, left, full, line = (_NARROW, 0, _NARROW, 14) if narrow else (_WIDTH, _LEFT, _FULL, 0)
    parts, y = [], 0
    for group in chart.groups:
        middle = y + 11 if narrow else y + len(group.bars) * (_BAR + _GAP) / 2 + 2
        parts.append(f'<text class="label" x="0" y="{middle:.0f}">{escape(group.label)}</text>')
        y += line
        for bar in group.bars:
            wide = max(1.0, full * min(max(bar.share, 0.0), 1.0))
            kind = "bar hollow" if bar.hollow else "bar"
            x, words = 0.0 if narrow else left + wide + 6, y + 12
            y += line
            parts.append(
                f'<rect class="{kind}" x="{left}" y="{y + 1}" width="{wide:.1f}" height="{_BAR - 2}"/>'
                f'<text class="label" x="{x:.1f}" y="{words}">{escape(bar.told)}</text>'
            )
            y += _BAR + _GAP
        y += _SPACE
    opening = Markup('<svg viewBox="0 0 {} {}" role="img" aria-labelledby="{}-t {}-d">').format(
        width, max(y - _SPACE // 2, _BAR), name, name
    )
    head = Markup('<title id="{0}-t">{1}</title><desc id="{0}-d">{2}</desc>').format(
        name, chart.title, chart.sentence
    )
    # Numbers of ours and texts escaped above.
    return opening + head + Markup("".join(parts)) + Markup("</svg>")  # noqa: S704
