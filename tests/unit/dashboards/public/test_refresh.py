"""The public pages as readers meet them: drawn over real HTTP, read back from disk."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dashboards.public.refresh import PublicRefresh

NOW = datetime(2026, 11, 21, 14, 20, tzinfo=UTC)
HOUR = timedelta(hours=1)
_VOID = {"meta", "link", "br", "img", "hr", "input"}


class Checked(HTMLParser):
    """Reads a page strictly: every element closed in order, ids unique; collects what tests ask about."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.headings: list[int] = []
        self.addresses: list[str] = []
        self.landmarks: list[str] = []
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.attributes.setdefault(tag, found)
        if identity := found.get("id"):
            self.ids.append(identity)
        self.references += (found.get("aria-labelledby") or "").split()
        self.addresses += [value for name in ("href", "src") if (value := found.get(name))]
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag in ("header", "main", "footer", "nav"):
            self.landmarks.append(tag)
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("path", "rect", "circle"):
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).replace("\u00a0", " ").split())


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    return tmp_path / "pages"


def read(pages: Path, name: str = "index.html") -> Checked:
    return Checked((pages / name).read_text(encoding="utf-8"))


def filled(city: Any) -> int:
    """A weather station in Rauxel with a week of values; the number of its air temperature."""
    number: int = city.stream(city.place("rathaus"))
    for minute in range(0, 7 * 24 * 60, 10):
        at = NOW - timedelta(minutes=minute)
        city.observe(number, at, 10.0 + (minute % 300) / 100)
    city.value(number, 12.4)
    city.expect_weather()
    return number


def test_the_first_page_says_how_it_is_in_one_sentence(city: Any, public: PublicRefresh, pages: Path) -> None:
    filled(city)
    bin_ = city.stream(
        city.place("korb", theme="papier-und-abfall"), "fill_level", "Füllstand", ("%", "Prozent")
    )
    city.value(bin_, 85)
    public.round()
    text = read(pages).text
    assert "Heute, 21. November, 15:20 Uhr: 12,4 °C in Rauxel." in text
    assert "1 von 1 Behältern ist voll." in text


def test_every_page_is_well_formed_and_in_order(city: Any, public: PublicRefresh, pages: Path) -> None:
    filled(city)
    public.round()
    found = sorted(pages.rglob("*.html"))
    assert (
        len(found) == 1 + 1 + 15 + 1 + 1 + 1 + 1 + 6
    )  # home, theme, districts, value, policy, models, weather, resting
    for path in found:
        page = Checked(path.read_text(encoding="utf-8"))
        assert page.attributes["html"]["lang"] == "de", path
        assert page.headings[0] == 1, path
        assert page.headings.count(1) == 1, path
        assert all(after - before <= 1 for before, after in pairwise(page.headings)), path
        assert len(page.ids) == len(set(page.ids)), path
        assert set(page.references) <= set(page.ids), path
        assert page.landmarks.count("main") == 1, path
        assert page.attributes["a"]["href"] == "#inhalt", path
        assert "inhalt" in page.ids, path
        for word in ("Impressum", "Datenschutz", "Barrierefreiheit", "Offene Daten", "Quellcode"):
            assert word in page.text, path


def test_every_inner_address_leads_somewhere(city: Any, public: PublicRefresh, pages: Path) -> None:
    filled(city)
    public.round()
    for path in sorted(pages.rglob("*.html")):
        page = Checked(path.read_text(encoding="utf-8"))
        for address in page.addresses:
            assert not address.startswith(("http:", "https:", "//")), f"{path}: foreign {address}"
            target, _, anchor = address.partition("#")
            if target.startswith(("/api", "/buerger/", "/opendata/", "mailto:")):  # served live, by the API
                continue
            folder = pages / target.lstrip("/") if target.startswith("/") else path.parent / target
            file = folder / "index.html" if (target.endswith("/") or target == "/") else folder
            file = path if not target else file
            assert file.is_file(), f"{path}: {address}"
            if anchor:
                assert anchor in Checked(file.read_text(encoding="utf-8")).ids, f"{path}: {address}"


@pytest.mark.parametrize(
    ("minutes", "present", "absent"),
    [
        (0, ["12,4 °C", "Stand 15:20 Uhr"], ["vor", "keine aktuellen Daten"]),
        (30, ["12,4 °C", "Stand 14:50 Uhr", "vor 30 Minuten"], ["keine aktuellen Daten"]),
        (70, ["keine aktuellen Daten", "zuletzt 14:10 Uhr", "vor 70 Minuten"], ["12,4"]),
    ],
)
def test_values_age_and_then_disappear(
    city: Any, public: PublicRefresh, pages: Path, *, minutes: int, present: list[str], absent: list[str]
) -> None:
    city.value(city.stream(city.place("rathaus")), 12.4, at=NOW - timedelta(minutes=minutes))
    public.round()
    text = read(pages, "ortsteil/rauxel/index.html").text.split("Was bedeuten")[0]
    for words in present:
        assert words in text
    for words in absent:
        assert words not in text


def test_a_value_page_ages_without_a_new_value(
    city: Any, public: PublicRefresh, pages: Path, clock: Any
) -> None:
    number = filled(city)
    public.round()
    name = f"messwert/{number}/index.html"
    assert "12,4 °C" in read(pages, name).text
    clock.now = NOW + timedelta(minutes=30)
    public.round()
    assert "älter als üblich" in read(pages, name).text
    clock.now = NOW + timedelta(minutes=70)
    public.round()
    text = read(pages, name).text
    assert "keine aktuellen Daten" in text
    assert "zuletzt 21.11.2026, 15:20 Uhr" in text


@pytest.mark.parametrize(
    ("quality", "rule", "words"),
    [
        ("good", "passed", "✓ plausibel"),
        ("unchecked", "none", "○ ungeprüft"),
        ("suspect", "step", "▲ verdächtig : ungewöhnlich großer Sprung"),
        ("good", "citizen", "◇ Bürgersensor, ungeprüft"),
        ("unheard_of", "none", "▲ verdächtig"),
    ],
)
def test_quality_is_a_word_and_a_symbol(
    city: Any, public: PublicRefresh, pages: Path, *, quality: str, rule: str, words: str
) -> None:
    city.value(city.stream(city.place("rathaus")), 12.4, quality=quality, rule=rule)
    public.round()
    text = read(pages, "ortsteil/rauxel/index.html").text.replace(" :", ":")
    assert words.replace(" :", ":") in text
    assert "12,4 °C" in text


def test_a_bad_value_is_not_shown_nor_counted(city: Any, public: PublicRefresh, pages: Path) -> None:
    city.value(city.stream(city.place("gut")), 12.4)
    city.value(city.stream(city.place("kaputt", district="ickern")), 99.9, quality="bad", rule="range")
    public.round()
    text = read(pages, "ortsteil/ickern/index.html").text
    assert "kein gültiger Wert" in text
    assert "✕ fehlerhaft" in text
    for path in pages.rglob("*.html"):
        assert "99,9" not in path.read_text(encoding="utf-8"), path


def test_a_stream_that_never_spoke_has_no_value(city: Any, public: PublicRefresh, pages: Path) -> None:
    number = city.stream(city.place("neu"))
    public.round()
    assert "noch keine Daten" in read(pages, "ortsteil/rauxel/index.html").text
    text = read(pages, f"messwert/{number}/index.html").text
    assert "keine Werte" in text
    assert "Zurzeit liegen keine aktuellen Messwerte vor." in read(pages).text


def test_the_drawn_day_leaves_bad_values_out_and_says_so(
    city: Any, public: PublicRefresh, pages: Path
) -> None:
    number = city.stream(city.place("rathaus"))
    for minute in range(0, 24 * 60, 10):
        bad = minute == 600
        city.observe(
            number, NOW - timedelta(minutes=minute + 1), 999.0 if bad else 10.0, "bad" if bad else "good"
        )
    city.value(number, 10.0)
    public.round()
    folder = pages / f"messwert/{number}"
    rows = list(csv.DictReader(io.StringIO((folder / "tag.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 143
    page = read(pages, f"messwert/{number}/index.html")
    assert "1 fehlerhafter Wert ist nicht gezeichnet." in page.text
    assert "Zahlen als Tabelle (143 Zeilen)" in page.text
    assert "999" not in (folder / "tag.svg").read_text(encoding="utf-8")


def test_table_and_csv_say_the_same(city: Any, public: PublicRefresh, pages: Path) -> None:
    number = filled(city)
    public.round()
    folder = pages / f"messwert/{number}"
    html = (folder / "index.html").read_text(encoding="utf-8")
    for name, column in (("woche", "mean"), ("tag", "value")):
        section = html[html.index(f'aria-labelledby="{name}"') :]
        table = section[: section.index("</table>")]
        cells = [row[0] for row in re.findall(r"</th><td>(.*?)</td>(.*?)</tr>", table)]
        rows = csv.DictReader(io.StringIO((folder / f"{name}.csv").read_text(encoding="utf-8")))
        assert cells == [f"{float(row[column]):.1f}".replace(".", ",") for row in rows]


def test_parking_is_never_finer_than_fifteen_minutes(city: Any, public: PublicRefresh, pages: Path) -> None:
    number = city.stream(city.place("bucht"), "parking_occupied", "Stellplatz belegt", ("1", ""), interval=60)
    for minute in range(24 * 60):
        city.observe(number, NOW - timedelta(minutes=minute), float(minute % 7 == 0))
    city.value(number, 1.0)
    public.round()
    rows = list(
        csv.DictReader(io.StringIO((pages / f"messwert/{number}/tag.csv").read_text(encoding="utf-8")))
    )
    starts = [datetime.fromisoformat(row["start"]) for row in rows]
    assert all(after - before >= timedelta(minutes=15) for before, after in pairwise(starts))
    assert {row["unit"] for row in rows} == {"%"}
    assert "0 von 1 frei" in read(pages).text


def test_hostile_names_stay_text(city: Any, public: PublicRefresh, pages: Path) -> None:
    key = city.place("boese")
    city.things[-1]["name"] = '<script>alert("x")</script>'
    city.things[-1]["location"]["district_name"] = "<b>Rauxel"
    city.value(city.stream(key, name="<i>Luft"), 12.4)
    public.round()
    for path in (*pages.rglob("*.html"), *pages.rglob("*.svg")):
        text = path.read_text(encoding="utf-8")
        assert "<script>alert" not in text, path
        assert "<i>Luft" not in text, path
        assert "<b>Rauxel" not in text, path


def test_a_dead_interface_leaves_the_pages_with_their_time(
    city: Any, public: PublicRefresh, pages: Path, clock: Any
) -> None:
    number = filled(city)
    public.round()
    value_page = (pages / f"messwert/{number}/index.html").read_bytes()
    city.down = True
    clock.now = NOW + timedelta(minutes=5)
    assert not public.round().reachable
    text = read(pages).text
    assert "Stand 21.11.2026, 15:20 Uhr." in text
    assert "antwortet die Datenschnittstelle nicht" in text
    assert "12,4 °C" in text
    assert (pages / f"messwert/{number}/index.html").read_bytes() == value_page
    clock.now = NOW + timedelta(minutes=70)
    public.round()
    assert "12,4" not in read(pages).text
    city.down = False
    public.round()
    assert "antwortet die Datenschnittstelle nicht" not in read(pages).text


def test_before_the_first_answer_there_is_a_page(city: Any, public: PublicRefresh, pages: Path) -> None:
    city.down = True
    assert not public.round().reachable
    assert "Noch keine Daten" in read(pages).text


def test_pages_of_an_earlier_run_survive_a_start_without_interface(
    city: Any, public: PublicRefresh, pages: Path
) -> None:
    pages.mkdir(exist_ok=True)
    (pages / "index.html").write_text("von gestern")
    city.down = True
    public.round()
    assert (pages / "index.html").read_text() == "von gestern"


def test_what_is_no_longer_open_is_taken_away(city: Any, public: PublicRefresh, pages: Path) -> None:
    keep, close = filled(city), city.stream(city.place("intern"))
    public.round()
    assert (pages / f"messwert/{close}").is_dir()
    city.datastreams = [one for one in city.datastreams if one["id"] != close]
    public.round()
    assert not (pages / f"messwert/{close}").exists()
    assert (pages / f"messwert/{keep}").is_dir()


def test_only_what_changed_is_fetched_and_drawn_again(city: Any, public: PublicRefresh) -> None:
    numbers = [city.stream(city.place(f"punkt-{index}")) for index in range(20)]
    for number in numbers:
        city.value(number, 1.0)
    assert public.round().charts == 20
    assert public.round().charts == 0
    city.value(numbers[3], 2.0)
    city.asked.clear()
    assert public.round().charts == 1
    assert [path for path in city.asked if path.endswith("/observations")] == [
        f"/api/v1/datastreams/{numbers[3]}/observations"
    ] * 2


def test_redrawing_is_limited_per_round_and_nobody_is_forgotten(city: Any, public: PublicRefresh) -> None:
    numbers = [city.stream(city.place(f"punkt-{index}")) for index in range(10)]
    for number in numbers:
        city.value(number, 1.0)
    public.round()
    public.charts_per_round = 4
    for number in numbers:
        city.value(number, 2.0)
    rounds = [public.round() for _ in range(3)]
    assert [one.charts for one in rounds] == [4, 4, 2]
    assert [one.waiting for one in rounds] == [6, 2, 0]


def test_a_chart_without_news_is_redrawn_after_hours(city: Any, public: PublicRefresh, clock: Any) -> None:
    city.stream(city.place("stumm"))
    public.round()
    clock.now = NOW + 5 * HOUR
    assert public.round().charts == 0
    clock.now = NOW + 7 * HOUR
    assert public.round().charts == 1


def test_one_refused_chart_does_not_stop_the_others(city: Any, public: PublicRefresh, pages: Path) -> None:
    broken, fine = city.stream(city.place("a")), city.stream(city.place("b"))
    answer = city.answer
    city.answer = lambda path, query, key: (
        (500, {"detail": "no"})
        if path.startswith(f"/api/v1/datastreams/{broken}/")
        else answer(path, query, key)
    )
    assert public.round().charts == 1
    assert (pages / f"messwert/{fine}/index.html").is_file()


def test_an_unreadable_entry_is_left_out_and_the_rest_is_shown(
    city: Any, public: PublicRefresh, pages: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(city)
    city.datastreams.append({"id": 99, "thing": "rathaus"})
    public.round()
    assert "12,4 °C" in read(pages).text
    assert "observed_property" in caplog.text
