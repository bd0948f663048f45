"""Refusals are documents, in the language of whoever asks, and tell nothing of our insides."""

import pytest


@pytest.mark.parametrize(
    ("language", "title"),
    [
        ("de", "Das gibt es hier nicht"),
        ("de-DE,de;q=0.9,en;q=0.8", "Das gibt es hier nicht"),
        ("en", "There is no such thing here"),
        ("tr", "There is no such thing here"),
    ],
)
def test_titles_follow_the_language(city, language, title):
    answer = city.client.get("/api/v1/things/nichts", headers={"Accept-Language": language})
    assert answer.json()["title"] == title
    assert answer.headers["vary"].startswith("Accept-Language")


def test_details_name_the_thing_and_where_to_look(city):
    problem = city.client.get("/api/v1/things/nichts").json()
    assert problem["detail"] == "thing 'nichts' is not known; see /api/v1/things for all of them"
    assert problem["instance"] == "/api/v1/things/nichts"


@pytest.mark.parametrize("path", ["/api/v1/datastreams/x", "/api/v1/datastreams/1.5/observations"])
def test_a_datastream_is_a_number(city, path):
    answer = city.client.get(path)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == "number"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("path", ["/api/v1/things", "/api/v1/latest", "/health"])
def test_nothing_can_be_written_here(city, method, path):
    answer = city.client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"


def test_every_kind_of_refusal_is_explained_on_the_list(city):
    text = city.client.get("/api").text
    for path in ("/api/v1/things/nichts", "/api/v1/operations", "/api/v1/things?format=x"):
        slug = city.client.get(path).json()["type"].removeprefix("/api#")
        assert f'id="{slug}"' in text


def test_a_mistake_of_ours_is_a_document_without_our_insides(city, monkeypatch):
    def broken(*_arguments):
        raise ZeroDivisionError("secret inside")

    monkeypatch.setattr("udp.api.representations.thing", broken)
    city.registry.version()
    city.measure("wetter-1/air_temperature", [city.clock[0]], [1.0])
    answer = city.client.get("/api/v1/things/wetter-1")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


def test_every_answer_is_guarded_and_open_to_other_sites(measured):
    for path in ("/api/v1/latest", "/api/v1/things/nichts", "/health", "/metrics"):
        headers = measured.client.get(path, headers={"Origin": "https://app.example"}).headers
        assert headers["access-control-allow-origin"] == "*"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["content-security-policy"].startswith("default-src 'none'")


def test_a_browser_may_ask_with_a_key_and_an_etag(measured):
    answer = measured.client.options(
        "/api/v1/latest",
        headers={
            "Origin": "https://app.example",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": "authorization, if-none-match",
        },
    )
    assert answer.status_code == 200
    assert "access-control-allow-credentials" not in answer.headers
