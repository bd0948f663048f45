"""Callers without a key by address, and pages of other sites: what they may, and how a refusal looks."""

import pytest
from starlette.testclient import TestClient

from udp.access.crowd import Crowd
from udp.api.cross_origin import CrossOrigin
from udp.api.settings import ApiSettings
from udp.auth import KeyWish
from udp.config import ServerSettings
from udp.policy import Role

EDITOR = "https://editor.example.de"


@pytest.fixture
def crowded(measured):
    """Five requests a minute for strangers, on a clock that stands."""
    measured.client.app.state.desk.crowd = Crowd(5, 2, lambda: 1000.0)
    return measured


def stranger(city, address="203.0.113.7"):
    return TestClient(city.client.app, client=(address, 5000))


def test_the_sixth_request_is_a_polite_problem_and_others_are_not_touched(crowded):
    client = stranger(crowded)
    for _ in range(5):
        assert client.get("/api/v1/latest").status_code == 200
    answer = client.get(
        "/api/v1/latest", headers={"Origin": "https://app.example.de", "Accept-Language": "de"}
    )
    assert answer.status_code == 429
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["retry-after"] == "12"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "retry-after" in answer.headers["access-control-expose-headers"].lower()
    problem = answer.json()
    assert problem["type"] == "/api#too-often"
    assert problem["title"] == "Zu viele Abrufe"
    assert "12 seconds" in problem["detail"] and "key" in problem["detail"]
    assert client.get("/v1.1/Things").status_code == 429
    assert client.get("/app/v1/bins").status_code == 429
    assert stranger(crowded, "203.0.113.8").get("/api/v1/latest").status_code == 200


def test_a_key_is_not_counted_with_the_crowd_of_its_address(crowded):
    client = stranger(crowded)
    key = {"X-Api-Key": crowded.keys.make(KeyWish(Role.APP))}
    for _ in range(8):
        assert client.get("/api/v1/latest", headers=key).status_code == 200
    for _ in range(5):
        client.get("/api/v1/latest")
    assert client.get("/api/v1/latest").status_code == 429
    assert client.get("/api/v1/latest", headers=key).status_code == 200


def test_every_answer_gives_its_place_back(crowded):
    crowd = crowded.client.app.state.desk.crowd = Crowd(500, 2, lambda: 1000.0)
    client = stranger(crowded)
    for path in (
        "/api/v1/latest",
        "/api/v1/things/none",
        "/api/v1/things?x=1",
        "/v1.1/Things?$filter=(",
        "/metrics",
    ):
        client.get(path)
        client.head(path)
    assert [one.working for one in crowd._guests.values()] == [0]


@pytest.mark.parametrize("proxy", ["*", "everybody", "10.0.0.1/8", "127.0.0.1, proxy.local"])
def test_only_addresses_can_be_believed(proxy):
    with pytest.raises(ValueError, match="proxy"):
        ServerSettings(proxy=proxy)


def test_addresses_and_networks_of_proxies():
    assert ServerSettings(proxy="127.0.0.1, 10.0.0.0/24").proxy


def preflight(client, path, origin, method="POST"):
    return client.options(
        path,
        headers={
            "Origin": origin,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "content-type,x-api-key",
        },
    )


def test_no_page_of_another_site_writes_unless_it_is_named(city):
    answer = preflight(city.client, "/v1.1/Things", EDITOR)
    assert answer.status_code == 400
    assert "POST" not in answer.headers.get("access-control-allow-methods", "")
    assert city.client.options(
        "/v1.1/Things", headers={"Origin": EDITOR, "Access-Control-Request-Method": "GET"}
    ).status_code == 200  # fmt: skip


@pytest.mark.parametrize("method", ["POST", "PATCH", "PUT", "DELETE"])
def test_a_named_page_writes_to_sensorthings_with_a_key_and_nowhere_else(city, method):
    client = TestClient(CrossOrigin(city.client.app, [EDITOR]))
    allowed = preflight(client, "/v1.1/Things(1)", EDITOR, method)
    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == EDITOR
    assert method in allowed.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in allowed.headers
    for path, origin in (
        ("/v1.1/Things", "https://editor.example.de.evil.example"),
        ("/v1.1/Things", "null"),
        ("/v1.10", EDITOR),
        ("/api/v1/cases/1/verdict", EDITOR),
    ):
        assert preflight(client, path, origin, method).status_code == 400, (path, origin)


def test_what_is_made_says_where_it_is_to_the_page_that_made_it(city):
    client = TestClient(CrossOrigin(city.client.app, [EDITOR]))
    made = client.post(
        "/v1.1/Sensors",
        json={"name": "S", "description": "S", "encodingType": "text/html", "metadata": "m"},
        headers={"Origin": EDITOR, **city.operator},
    )
    assert made.status_code == 201
    assert "Location" in made.headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin", ["*", "editor.example.de", "https://editor.example.de/", "https://a/b", "null"]
)
def test_what_is_no_origin_cannot_be_named(origin):
    with pytest.raises(ValueError, match="write_origins"):
        ApiSettings(write_origins=(origin,))
