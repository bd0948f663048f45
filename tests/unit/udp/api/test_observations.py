"""History: the same numbers in JSON and CSV, by pages or in buckets, and refusals that help."""

import csv
import io
from datetime import timedelta

import numpy as np
import pytest

from udp.api import columns_json, schemas
from udp.sensorthings import Quality


@pytest.fixture
def ask(measured):
    number = measured.ids["behaelter-1/fill_level"]

    def get(query=""):
        return measured.client.get(f"/api/v1/datastreams/{number}/observations{query}")

    return get


def numbers(answer):
    return [one["value"] for one in answer.json()["observations"]]


def test_without_wishes_it_is_the_last_day(ask):
    answer = ask()
    schemas.ObservationsAnswer.model_validate_json(answer.content)
    assert numbers(answer) == [float(count) for count in range(24, 48)]


def test_the_start_is_included_and_the_end_is_not(ask):
    answer = ask("?from=2026-11-20T12:00:00Z&to=2026-11-20T14:00:00Z")
    assert [one["phenomenon_time"] for one in answer.json()["observations"]] == [
        "2026-11-20T12:00:00Z",
        "2026-11-20T13:00:00Z",
    ]


@pytest.mark.parametrize(
    "start", ["2026-11-20T13:00:00%2B01:00", "2026-11-20T13:00:00+01:00", "2026-11-20T12:00Z"]
)
def test_offsets_are_understood_even_with_a_lost_plus(ask, start):
    assert ask(f"?from={start}&to=2026-11-20T14:00:00Z").json()["from"] == "2026-11-20T12:00:00Z"


def test_csv_holds_the_same_numbers_with_unit_licence_and_origin(ask):
    rows = list(csv.DictReader(io.StringIO(ask("?format=csv").text)))
    assert [float(row["value"]) for row in rows] == numbers(ask())
    assert {(row["unit"], row["licence"], row["simulated"], row["quality"]) for row in rows} == {
        ("%", "dl-de/zero-2-0", "true", "good")
    }
    assert rows[0]["retrieved_at"] == "2026-11-21T12:00:00Z"


def test_csv_runs_no_formula_in_a_spreadsheet(ask):
    assert {row["thing_name"] for row in csv.DictReader(io.StringIO(ask("?format=csv").text))} == {"'=1+1"}


def test_csv_says_what_it_is(ask):
    headers = ask("?format=csv").headers
    assert headers["content-type"].startswith("text/csv; charset=utf-8")
    assert headers["content-disposition"] == 'attachment; filename="behaelter-1-fill_level.csv"'


def test_pages_lead_through_everything_once(measured, ask):
    answer = ask("?from=2026-11-01T00:00:00Z&limit=7")
    found = numbers(answer)
    for _ in range(20):
        if answer.json()["next"] is None:
            break
        assert answer.headers["link"] == f'<{answer.json()["next"]}>; rel="next"'
        answer = measured.client.get(answer.json()["next"])
        found += numbers(answer)
    assert found == [float(count) for count in range(48)]


def test_csv_pages_lead_on_too(measured, ask):
    answer = ask("?format=csv&limit=20")
    target = answer.headers["link"].partition("<")[2].partition(">")[0]
    rest = list(csv.DictReader(io.StringIO(measured.client.get(target).text)))
    assert [float(row["value"]) for row in rest] == [44.0, 45.0, 46.0, 47.0]


def test_long_silence_is_crossed(measured, ask):
    """The page reader grows its window over silence instead of reading minute by minute."""
    measured.measure("behaelter-1/fill_level", [measured.clock[0] - timedelta(days=300)], [5.0])
    assert numbers(ask("?from=2025-12-01T00:00:00Z&limit=3")) == [5.0, 0.0, 1.0]


@pytest.mark.parametrize("every", ["6h", "PT6H", "360m", "21600s"])
def test_buckets_hold_mean_least_greatest_and_count(ask, every):
    answer = ask(f"?every={every}")
    schemas.ObservationsAnswer.model_validate_json(answer.content)
    first = answer.json()["observations"][0]
    assert first == {"start": "2026-11-20T12:00:00Z", "mean": 26.5, "min": 24.0, "max": 29.0, "count": 6}
    assert answer.json()["every"] == "PT6H"


def test_functions_can_be_chosen(ask):
    assert set(ask("?every=1d&functions=max,count").json()["observations"][0]) == {"start", "max", "count"}


def test_buckets_leave_bad_values_out(measured, ask):
    measured.measure(
        "behaelter-1/fill_level", [measured.clock[0] - timedelta(minutes=90)], [9e9], Quality.BAD
    )
    assert max(one["max"] for one in ask("?every=1h").json()["observations"]) == 47.0
    assert 9e9 in numbers(ask())


def test_buckets_come_as_csv_as_well(ask):
    rows = list(csv.DictReader(io.StringIO(ask("?every=6h&format=csv").text)))
    assert [float(row["mean"]) for row in rows] == [
        one["mean"] for one in ask("?every=6h").json()["observations"]
    ]
    assert rows[0]["count"] == "6"


@pytest.mark.parametrize(
    ("query", "status", "words"),
    [
        ("?from=gestern", 422, ("from", "gestern", "2026-11-21T08:00:00Z")),
        ("?from=2026-11-20T12:00:00", 422, ("from", "offset")),
        ("?from=2026-11-21T00:00:00Z&to=2026-11-20T00:00:00Z", 422, ("from", "to", "exchange")),
        ("?every=banana", 422, ("every", "banana", "PT1H")),
        ("?every=P1M", 422, ("every",)),
        ("?every=0s", 422, ("every",)),
        ("?every=400d", 422, ("366 days",)),
        ("?every=1h&functions=median", 422, ("median", "mean, min, max, count")),
        ("?functions=mean", 422, ("every",)),
        ("?format=xml", 422, ("format", "xml", "json, csv")),
        ("?limit=0", 422, ("limit", "1000")),
        ("?limit=1001", 422, ("limit", "1000")),
        ("?limit=viele", 422, ("limit",)),
        ("?from=2024-01-01T00:00:00Z", 413, ("366 days", "every")),
        ("?from=2026-01-01T00:00:00Z&every=1m", 413, ("buckets", "longer every")),
        ("?to=0001-01-01", 422, ("to",)),
    ],
)
def test_refusals_name_the_parameter_and_the_remedy(ask, query, status, words):
    answer = ask(query)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    problem = schemas.ProblemAnswer.model_validate_json(answer.content)
    assert problem.status == status
    assert [word for word in words if word not in problem.detail] == []


def test_results_that_are_no_numbers_become_null():
    """A store may hold what JSON cannot say."""
    assert columns_json.numbers(np.array([1.0, np.nan, np.inf, 0.1])) == ["1.0", "null", "null", "0.1"]


def test_fractions_of_a_second_survive(measured):
    at = measured.clock[0].replace(microsecond=250_000)
    measured.measure("wetter-1/air_temperature", [at], [1.0])
    number = measured.ids["wetter-1/air_temperature"]
    answer = measured.client.get(f"/api/v1/datastreams/{number}/observations?to=2026-11-22")
    assert [one["phenomenon_time"] for one in answer.json()["observations"]] == [
        "2026-11-21T11:55:00Z",
        "2026-11-21T12:00:00.250000Z",
    ]
