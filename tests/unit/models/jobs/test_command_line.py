"""`udp-models` as a person meets it: verbs, German answers, a report that stands alone."""

import re
from html.parser import HTMLParser

import pytest
from small_city import NOW, fill_bins, fill_stream

from models.__main__ import main

AT = NOW.isoformat()


class Strict(HTMLParser):
    """Every element closed in order, ids unique, nothing from elsewhere."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.references, self.addresses = [], [], [], []
        self.feed(text)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.ids += [found["id"]] if "id" in found else []
        self.references += (found.get("aria-labelledby") or "").split()
        self.addresses += [found[name] for name in ("href", "src") if found.get(name)]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open[-3:])
        self.open.pop()


@pytest.fixture
def command(city, capsys):
    fill_bins(city, days=25)
    fill_stream(city, days=8)
    config = city.folder / "models.toml"
    config.write_text(
        f'registry = "sqlite:///{city.folder}/registry.sqlite"\n'
        f'forecasts = "sqlite:///{city.folder}/forecasts.sqlite"\nartefacts = "{city.folder}/artefacts"\n'
        f'[store.embedded]\nfolder = "{city.folder}/store"\n[parallel]\nbackend = "sequential"\n'
    )

    def run(verb, *more, code=0):
        assert main([verb, "--config", str(config), *more]) == code
        said = capsys.readouterr()
        return said.out + said.err

    return run


def test_learn_forecast_score_and_report(command, city):
    assert "fuellstand" in command("fit", "--at", AT, "--product", "fuellstand", "abfluss")
    assert "Nicht kalibriert" in command("fit", "--at", AT, "--product", "abfluss")
    assert "Nichts neu zu lernen" in command("fit", "--at", AT, "--product", "fuellstand", "abfluss")
    assert "9 neu vorhergesagt" in command("forecast", "--at", AT, "--product", "fuellstand", "abfluss")
    assert "9 unverändert" in command("forecast", "--at", AT, "--product", "fuellstand", "abfluss")
    assert "noch keine Vorhersage gereift" in command("score", "--at", AT)
    assert "Keine offenen Fälle." in command("faelle")
    assert "geprüft bis" in command("backtest", "--at", AT, "--product", "fuellstand")
    out = command("report", "--at", AT, "--out", str(city.folder / "bericht")).strip()
    text = (city.folder / "bericht" / "index.html").read_text(encoding="utf-8")
    assert out.endswith("index.html") and '<html lang="de">' in text
    page = Strict(text)
    assert len(page.ids) == len(set(page.ids)) and set(page.references) <= set(page.ids)
    assert all(address.startswith("#") for address in page.addresses), "stands alone"
    assert "<script" not in text and "http" not in re.sub(r'xmlns="[^"]*"', "", text)
    for words in ("Simulierte Daten.", "Pilotbericht: feste Tour gegen Bedarf", "Anfahrten", "Modellkarten",
                  "Korb-3", "Pegel", "Kalibrierung", "KOSTRA-DWD-2010R"):  # fmt: skip
        assert words in text, words
    assert text.count("<svg") >= 7


def test_matured_forecasts_are_scored_beside_persistence(command, city):
    command("fit", "--at", "2026-06-26T12:00Z", "--product", "fuellstand")
    for day in (26, 27, 28):
        command("forecast", "--at", f"2026-06-{day}T12:00Z", "--product", "fuellstand")
    table = command("score", "--at", AT, "--days", "6")
    rows = [line.split() for line in table.splitlines() if line.startswith("fuellstand")]
    assert {row[1] for row in rows} >= {"6", "24", "48", "72"}
    long = next(row for row in rows if row[1] == "72")
    assert float(long[3]) < float(long[4]), "better than as it was"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("cycle = 5", "at least 60 seconds"),
        ("takt = 600", "unknown key 'takt'"),
        ('[parallel]\nbackend = "ray"', "known are loky"),
        ("[fill]\ncritical_percent = 1.0", "between 10 and 100"),
    ],
)
def test_what_cannot_be_meant_is_named(tmp_path, capsys, content, words):
    path = tmp_path / "models.toml"
    path.write_text(content)
    assert main(["check-config", "--config", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_an_unknown_case_is_refused(command):
    assert "Fall 7 gibt es nicht; udp-models faelle --alle" in command("faelle", "in-ordnung", "7", code=1)
