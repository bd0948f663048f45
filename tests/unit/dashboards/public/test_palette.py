"""Contrast of every pair of colours that text or drawing uses (WCAG 2.2, 1.4.3 and 1.4.11)."""

from __future__ import annotations

import re

import pytest

from dashboards.public.chart import _OWN_STYLE
from dashboards.templating import assets

CSS = assets()["seite.css"][1].decode()
BLOCKS = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
SCHEMES = {
    name: dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", block))
    for name, block in zip(("light", "dark"), BLOCKS, strict=False)
}
TEXT = [
    ("text", "grund"), ("text", "flaeche"), ("leise", "grund"), ("leise", "flaeche"), ("verweis", "grund"),
    ("verweis", "flaeche"), ("kopftext", "kopf"), ("betont", "grund"), ("betont", "flaeche"),
    ("hinweistext", "hinweis"), ("ausfalltext", "ausfall"), ("gut", "flaeche"), ("gut", "grund"),
    ("zweifel", "flaeche"), ("zweifel", "grund"), ("fehler", "flaeche"), ("fehler", "grund"),
    ("alt", "flaeche"), ("alt", "grund"),
]  # fmt: skip
DRAWN = [
    ("kurve", "flaeche"), ("zweifelpunkt", "flaeche"), ("achse", "flaeche"), ("fokus", "grund"),
    ("fokus", "flaeche"),
]  # fmt: skip


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2, definitions)."""
    parts = [int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_the_measure_is_right() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), TEXT)
def test_text_is_readable(scheme: str, front: str, back: str) -> None:
    assert contrast(SCHEMES[scheme][front], SCHEMES[scheme][back]) >= 4.5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("front", "back"), DRAWN)
def test_drawings_are_visible(scheme: str, front: str, back: str) -> None:
    assert contrast(SCHEMES[scheme][front], SCHEMES[scheme][back]) >= 3


def test_both_schemes_define_the_same_colours() -> None:
    assert SCHEMES["light"].keys() == SCHEMES["dark"].keys()
    assert len(SCHEMES["light"]) > 15


def test_colours_stand_nowhere_else_in_the_style_sheet() -> None:
    rest = re.sub(r":root \{.*?\}", "", CSS, flags=re.DOTALL)
    assert set(re.findall(r"#[0-9a-fA-F]{3,8}\b", rest)) <= {"#000"}  # print


def test_a_picture_of_its_own_has_the_pages_colours() -> None:
    light, dark = SCHEMES["light"], SCHEMES["dark"]
    for scheme in (light, dark):
        assert scheme["kurve"] in _OWN_STYLE
        assert scheme["zweifelpunkt"] in _OWN_STYLE


def test_pages_load_nothing_from_elsewhere() -> None:
    assert not re.search(r"url\(|@import|https?:", CSS)
