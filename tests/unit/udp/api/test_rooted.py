"""Where a city is served: what lies beside it is not its own, every address that leaves begins with it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.testclient import TestClient

from udp.api.headers import Outermost
from udp.api.metrics import RequestMetrics
from udp.api.rooted import below, cookie, enter, inside, link, rooted

PATHS = st.text("abc/.-%é ", max_size=20).map(lambda text: f"/{text}")


async def told(scope, receive, send):
    request = Request(scope)
    await JSONResponse({"inside": inside(scope), "link": link(request, "/x"), "base": str(request.base_url)})(
        scope, receive, send
    )


def client(root):
    return TestClient(Outermost(told, RequestMetrics(), time.monotonic, root), raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("path", "within"),
    [("/herne", "/"), ("/herne/", "/"), ("/herne/v1.1/Things", "/v1.1/Things"), ("/herne/herne/", "/herne/")],
)
def test_within_the_city_addresses_are_those_of_its_routes(path, within):
    found = client("/herne").get(path).json()
    assert found["inside"].rstrip("/") == within.rstrip("/")
    assert (found["link"], found["base"]) == ("/herne/x", "http://testserver/herne/")


@pytest.mark.parametrize("path", ["/", "/api/v1/things", "/hernesued/", "/Herne/", "/x/herne/"])
def test_what_lies_beside_the_city_is_refused_with_its_address(path):
    answer = client("/herne").get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "below /herne/" in answer.json()["detail"]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_only_city_has_all_addresses():
    assert client("").get("/herne/x").json() == {
        "inside": "/herne/x",
        "link": "/x",
        "base": "http://testserver/",
    }


@given(PATHS)
def test_no_target_leads_out_of_the_city(path):
    found = below("/herne", path)
    assert found == "/herne" or found.startswith("/herne/")
    assert below("/herne", found) == found
    assert below("", path) == path


def connection(root, scheme="http"):
    scope = {"type": "http", "scheme": scheme, "path": f"{root}/", "headers": [], "server": ("h", 80)}
    assert enter(scope, root)
    return HTTPConnection(scope)


def test_words_name_the_addresses_callers_must_write():
    here = connection("/herne")
    assert rooted(here, "see /api/v1/things, /v1.1 or /opendata/.") == (
        "see /herne/api/v1/things, /herne/v1.1 or /herne/opendata/."
    )
    once = rooted(here, "/herne/api/v1/x is no address; a path like x/api or http://h/api stays")
    assert once == "/herne/api/v1/x is no address; a path like x/api or http://h/api stays"
    assert rooted(connection(""), "see /api") == "see /api"


@pytest.mark.parametrize(
    ("root", "scheme", "name"),
    [
        ("", "http", "udp_session"), ("", "https", "__Host-udp_session"),
        ("/herne", "http", "udp-herne_session"),
        ("/herne", "https", "__Secure-udp-herne_session"),
    ],
)  # fmt: skip
def test_each_city_names_its_cookies(root, scheme, name):
    assert cookie(connection(root, scheme), "session", anywhere=True) == name
    short = name.removeprefix("__Host-").removeprefix("__Secure-").replace("session", "betrieb")
    assert cookie(connection(root, scheme), "betrieb") == short
