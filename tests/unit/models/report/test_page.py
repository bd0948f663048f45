"""The report on a telephone and on a desk: both pictures, the forecast in both, all references, its words."""

import re
from datetime import UTC, datetime
from html.parser import HTMLParser

import numpy as np
import pytest

from models.jobs.report_parts import spoken, visits_told, why_silent
from models.report.bars import Bar, BarChart, BarGroup
from models.report.document import CardEntry, Picture, Report, Section, Table
from models.report.drawing import NARROW, WIDE, Band, Chart, Line, draw, shortened
from models.report.page import render
from models.series import HOUR
from udp.forecasting.port import Statement

NOW = np.datetime64("2026-07-04T10:00", "us")


def hydrograph():
    past = NOW + np.arange(-72, 1) * HOUR
    to_come = NOW + np.arange(0, 13) * HOUR
    level = 30 + 10 * np.sin(np.arange(73) / 9)
    ahead = np.linspace(level[-1], level[-1] + 2, 13)
    return Chart(
        "Pegel", "Es steigt.", "Wasserstand in cm", [Line("gemessen", past, level),
        Line("Prognose", to_come, ahead, "expected")], [Band("90 %", to_come, ahead - 3, ahead + 3)],
        Line("Regen in mm je Stunde", past, np.where(np.arange(73) % 20 == 0, 2.0, 0.0)), NOW,
    )  # fmt: skip


def report():
    bars = BarChart("Warnungen", "So oft.", [BarGroup("ab 50 %", [Bar(0.5, "1 von 2"), Bar(0, "0", True)])])
    pictures = [Picture("Pegel", hydrograph()), Picture("Warnungen", bars)]
    tables = [Table("Was <vorhergesagt> wird", ("Gegenstand", "ohne Aussage"), [("Bäche", "3")])]
    waiting = [CardEntry("Lasten", f"Zähler {n}", "Nicht kalibriert: zu kurz.", None, n) for n in (9, 13)]
    return Report(
        "Probe",
        datetime(2026, 7, 4, 10, tzinfo=UTC),
        True,
        [Section("a", "A", (), pictures, tables)],
        waiting,
    )


class Read(HTMLParser):
    """Ids and what refers to them."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.asked = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.asked += (found.get("aria-labelledby") or "").split()
        if tag == "a" and (found.get("href") or "").startswith("#"):
            self.asked.append(found["href"][1:])


def test_every_picture_stands_there_for_telephone_and_desk_and_speaks_in_both():
    text = render(report())
    assert text.count('<div class="schmal"><svg') == text.count('<div class="breit"><svg') == 2
    found = Read(text)
    assert len(found.ids) == len(set(found.ids)) and set(found.asked) <= set(found.ids)
    assert "<script" not in text and "http" not in text.replace("http-equiv", "")


def test_a_telephone_shows_all_of_the_forecast_and_as_much_past_as_has_room():
    chart = hydrograph()
    short = shortened(chart)
    assert short.lines[0].times[0] == NOW - 36 * HOUR and len(short.lines[1].times) == 13
    for drawn, frame in ((draw(short, "s", NARROW), NARROW), (draw(chart, "b"), WIDE)):
        xs = [float(x) for x in re.findall(r"[ML](-?[\d.]+) ", drawn)]
        assert min(xs) >= 0 and max(xs) <= frame.width - frame.right + 0.1
        assert "Regen in mm je Stunde: höchster Balken 2,0" in drawn and "Wasserstand in cm" in drawn
    only = Chart("x", "y", "z", [chart.lines[0]])
    assert shortened(only) is only


@pytest.mark.parametrize(("other", "below"), [(200.0, False), (0.0, True)])
def test_the_word_forecast_stands_where_the_line_is_not(other, below):
    """Another line pushes the forecast to the bottom or to the top."""
    chart = hydrograph()
    lines = [Line("anderes", chart.lines[0].times, np.full(73, other)), *chart.lines[1:]]
    drawn = draw(Chart("x", "y", "z", lines, bars=chart.bars, now=NOW), "b")
    y = float(re.search(r'y="([\d.]+)">Prognose', drawn)[1])
    assert (y > (WIDE.top + WIDE.base) / 2) is below


def test_days_begin_on_the_clock_of_the_city():
    drawn = draw(hydrograph(), "b")
    (first, *_) = re.findall(
        r'<text class="label" x="([\d.]+)" y="250" text-anchor="middle">Do 02.07.<', drawn
    )
    # Midnight in July is 22 UTC: 36 hours before NOW, of 72 + 12 hours drawn.
    room = WIDE.width - WIDE.left - WIDE.right
    assert float(first) == pytest.approx(WIDE.left + room * (72 - 60) / 84, abs=0.2)


def test_wide_tables_tell_their_heads_in_each_cell_and_equal_verdicts_are_counted_together():
    text = render(report())
    assert 'data-kopf="ohne Aussage">3<' in text and "Was &lt;vorhergesagt&gt; wird" in text
    assert "22 Messreihen" in text and "Nicht kalibriert: zu kurz." in text


def statement(**more):
    said = {
        "of": 1, "product": "fuellstand", "issued_at": datetime(2026, 7, 4, 10, tzinfo=UTC),
        "leads_s": (21600, 86400, 259200), "model": "m", "fallback": False, "reason": "", "remarks": (),
        "summary": {}, "fingerprint": "", "bands": {
            "0.05": (40.0, 50.0, 100.0), "0.5": (45.0, 60.0, 100.0), "0.95": (50.0, 70.0, 100.0)},
    }  # fmt: skip
    return Statement(**(said | more))


def test_forecasts_in_words():
    told = spoken(statement(), "%", (24, 72))
    assert (
        "vom 04.07.2026, 12:00 Uhr: in 24 Stunden etwa 60 % (in 9 von 10 Fällen zwischen 50 und 70 %)" in told
    )
    assert told.endswith("in 72 Stunden etwa 100 % (ziemlich sicher 100 %).")
    assert (
        "in 72 Stunden" in spoken(statement(), "%") and "24" not in spoken(statement(), "%").split(":", 2)[2]
    )
    assert spoken(None, "%") == "Keine Prognose: noch nicht gerechnet."
    assert [visits_told(n) for n in (0, 1, 2)] == ["keine Leerung", "eine Leerung", "2 Leerungen"]
    mute = [statement(reason=why) for why in ("A", "A", "B", "")]
    assert why_silent(mute) == "A (und ein weiterer Grund)"
    assert why_silent(mute[:2]) == "A" and why_silent(mute[3:]) == "–"
