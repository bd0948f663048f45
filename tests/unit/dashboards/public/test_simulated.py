"""What is simulated is called so where it is shown, and what is measured is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dashboards.public.refresh import PublicRefresh


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return tmp_path / "pages"


def test_simulated_data_say_so_on_every_page(city: Any, public: PublicRefresh, pages: Path) -> None:
    for number, key in enumerate(("rathaus", "bach")):
        city.value(city.stream(city.place(key)), 12.4 + number)
    city.expect_weather(simulated=True)
    public.round()
    for path in pages.rglob("*.html"):
        assert "Simulierte Daten." in path.read_text(encoding="utf-8"), path


def test_real_data_do_not(city: Any, public: PublicRefresh, pages: Path) -> None:
    city.value(city.stream(city.place("echt", simulated=False)), 12.4)
    public.round()
    for path in pages.rglob("*.html"):
        assert "imulierte Daten" not in path.read_text(encoding="utf-8"), path


def test_one_simulated_point_does_not_make_what_is_measured_simulated(
    city: Any, public: PublicRefresh, pages: Path
) -> None:
    """A demonstrator in a real city: each page speaks of what it shows."""
    numbers = [
        city.stream(city.place(key, simulated=key == "muster", district=district))
        for key, district in (("muster", "rauxel"), ("echt", "ickern"))
    ]
    for number in numbers:
        city.value(number, 12.4)
    city.expect_weather()
    public.round()

    def said(page: str) -> str | None:
        text = (pages / page).read_text(encoding="utf-8")
        words = ("Zum Teil simulierte Daten.", "Simulierte Daten.")
        return next((one for one in words if one in text), None)

    made, real = numbers
    assert said("index.html") == said("offene-daten/index.html") == "Zum Teil simulierte Daten."
    assert said(f"messwert/{made}/index.html") == "Simulierte Daten."
    assert said("ortsteil/rauxel/index.html") == "Simulierte Daten."
    for page in (f"messwert/{real}/index.html", "ortsteil/ickern/index.html", "vorhersage/index.html"):
        assert said(page) is None, page
