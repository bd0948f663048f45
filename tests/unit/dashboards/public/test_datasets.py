# ruff: noqa: E501 - what the interface tells is read line by line
"""The page about the policy says for every dataset what it is for, and why it is not open."""

from datetime import timedelta

from dashboards.public.history import day, week
from dashboards.public.open_data import _stream
from dashboards.reading import Entry


def told(key, access="open", **more):
    return {
        "key": key, "title": f"Titel {key}", "description": "Was & wie", "owner": "Stadt", "purpose": "Wofür",
        "legal_basis": "§ 3", "access": access, "exemption": None, "licence": "dl-de/zero-2-0", "visible_to": [],
        "outside": {"time_step_s": None, "current": "now", "place_m": 0, "minimum_users": 1},
        "retention": {"raw_days": 365, "values_days": 730, "aggregates_days": None}, "open_datastreams": 3,
    } | more  # fmt: skip


def page(tmp_path):
    return (tmp_path / "pages/daten/index.html").read_text(encoding="utf-8")


def test_open_and_closed_datasets_stand_with_reason_resolution_and_time(city, public, tmp_path):
    city.stream(city.place("a"))
    fine = {"time_step_s": 900.0, "current": "now", "place_m": 100, "minimum_users": 10}
    city.datasets += [
        told("parken", outside=fine),
        told(
            "zaehler", "internal", exemption="personal", licence="", visible_to=["crew"], open_datastreams=0
        ),
    ]
    assert public.round().reachable
    text = page(tmp_path)
    opened, closed = text.split('id="nicht-offen"')
    assert "Titel parken" in opened
    assert "Titel zaehler" in closed
    assert "Mittelwerte über 15" in opened
    assert "Orte auf 100 m gerundet" in opened
    assert "erst ab 10 Menschen" in opened
    assert "einzelne Messwerte: 2" in opened
    assert "Informationelle Selbstbestimmung" in closed
    assert "Einsatzkräfte" in closed
    assert "Was &amp; wie" in text
    assert 'href="/daten/"' in (tmp_path / "pages/index.html").read_text(encoding="utf-8")


def test_who_paid_stands_at_the_dataset_and_at_each_of_its_values_as_soon_as_the_policy_says_so(
    city, public, tmp_path
):
    funded, other = city.stream(city.place("a")), city.stream(city.place("b"))
    city.datastreams[0]["datasets"] = ["wetter"]
    city.datasets += [told("wetter"), told("luft")]
    public.round()
    values = [tmp_path / f"pages/messwert/{number}/index.html" for number in (funded, other)]
    assert "Förderung" not in page(tmp_path) + "".join(one.read_text(encoding="utf-8") for one in values)
    city.datasets[0]["funding"] = {
        "text": "Gefördert vom <Land>", "link": "https://land.example/f", "logo": "/foerderung/land.svg",
    }  # fmt: skip
    public.round()
    first, second = (one.read_text(encoding="utf-8") for one in values)
    for text in (page(tmp_path), first):
        assert text.count("Gefördert vom &lt;Land&gt;</a>") == 1
        assert 'href="https://land.example/f"' in text
        assert 'src="/foerderung/land.svg" alt=""' in text
    assert "Förderung" not in second
    city.datasets[0]["funding"] = {"text": "Land", "link": "", "logo": "//fremd.example/l.svg"}
    public.round()
    assert "fremd.example" not in page(tmp_path)
    assert "Gefördert" not in values[0].read_text(encoding="utf-8")


def test_a_changed_policy_changes_the_page_and_an_unreadable_one_leaves_it(city, public, tmp_path):
    city.stream(city.place("a"))
    city.datasets.append(told("wetter"))
    public.round()
    city.datasets[0]["access"], city.datasets[0]["exemption"] = "restricted", "state"
    public.round()
    assert "Staatswohl" in page(tmp_path)
    city.datasets[0].pop("title")
    city.datasets.append(told("luft"))
    public.round()
    assert "Titel luft" in page(tmp_path)


def test_charts_ask_in_the_steps_that_are_open(clock):
    told = {
        "id": 1, "name": "x", "thing": "t", "observed_property": {"key": "sound_level", "name": "Pegel"},
        "unit": {"symbol": "dB"}, "expected_interval_s": 60.0, "finest_s": 7200.0,
    }  # fmt: skip
    stream = _stream(Entry(told, "stream"))
    assert week(stream, clock.now).every == day(stream, clock.now).every == timedelta(hours=2)
    plain = _stream(Entry(told | {"finest_s": None}, "stream"))
    assert week(plain, clock.now).every == timedelta(hours=1)


def test_the_page_on_open_data_leads_to_the_files_and_to_what_is_closed(city, public, tmp_path):
    city.stream(city.place("a"))
    public.round()
    text = (tmp_path / "pages/offene-daten/index.html").read_text(encoding="utf-8")
    body = text.split("<main")[1].split("</main>")[0]
    assert 'href="/opendata/"' in body
    assert 'href="/daten/"' in body
