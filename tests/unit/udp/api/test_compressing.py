"""Packed answers unpack to the plain ones, are told apart by caches, and hold no secret."""

import gzip
import zlib
from datetime import timedelta

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as some

from udp.api.compressing import chosen, packable

SECRET_PAGES = (
    "/anmelden",
    "/konto",
    "/abmelden",
    "/buerger/anmelden",
    "/buerger/mein/x",
    "/betrieb/buerger",
)


@pytest.fixture
def measured(city):
    hours = [city.clock[0] - timedelta(hours=one) for one in range(1, 60)]
    city.measure("behaelter-1/fill_level", hours, [40.0 + one for one in range(59)])
    return city


def raw(city, path, accepted, **headers):
    with city.client.stream("GET", path, headers={"Accept-Encoding": accepted, **headers}) as answer:
        return answer, b"".join(answer.iter_raw())


PATHS = (
    "/app/v1/bins", "/api/v1/things", "/api/v1/latest", "/api/openapi.json", "/api",
    "/api/v1/datastreams/{id}/observations?format=csv", "/ngsi-ld/v1/entities?attrs=temperature,fillingLevel",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_every_coding_says_the_same(measured, path):
    path = path.replace("{id}", str(measured.ids["behaelter-1/fill_level"]))
    plain, body = raw(measured, path, "identity")
    assert "content-encoding" not in plain.headers
    for accepted, unpack in (("br", brotli.decompress), ("gzip", gzip.decompress)):
        packed, octets = raw(measured, path, accepted)
        assert packed.headers["vary"].lower().count("accept-encoding") == 1
        if packed.headers.get("content-encoding") is None:
            assert len(body) < 1000
            continue
        assert packed.headers["content-encoding"] == accepted
        assert unpack(octets) == body
        assert packed.headers.get("etag", "W/").startswith("W/")
        assert len(octets) < len(body)


def test_apps_get_brotli_by_a_browsers_wish_and_304_for_what_it_has(measured):
    packed, _ = raw(measured, "/api/v1/things", "gzip, deflate, br, zstd")
    assert packed.headers["content-encoding"] == "br"
    again, body = raw(measured, "/api/v1/things", "br", **{"If-None-Match": packed.headers["etag"]})
    assert (again.status_code, body) == (304, b"")
    assert "accept-encoding" in again.headers["vary"].lower()


def test_a_finished_page_is_packed_and_its_strong_tag_becomes_weak(measured):
    measured.pages.mkdir(exist_ok=True)
    (measured.pages / "index.html").write_text("<p>Wie warm ist es?</p>" * 200)
    plain, _ = raw(measured, "/", "identity")
    assert not plain.headers["etag"].startswith("W/")
    packed, octets = raw(measured, "/", "br")
    assert packed.headers["etag"] == f"W/{plain.headers['etag']}"
    assert brotli.decompress(octets).startswith(b"<p>Wie")
    again, _ = raw(measured, "/", "br", **{"If-None-Match": packed.headers["etag"]})
    assert again.status_code == 304
    part, octets = raw(measured, "/", "br", Range="bytes=0-9")
    assert (part.status_code, octets) == (206, b"<p>Wie war")


@pytest.mark.parametrize("path", SECRET_PAGES)
def test_pages_with_secrets_leave_as_they_are(measured, path):
    answer, _ = raw(measured, path, "br, gzip")
    assert "content-encoding" not in answer.headers, path


@pytest.mark.parametrize(
    ("kept", "kind", "packed"),
    [("public, max-age=5", "text/html; charset=utf-8", True), ("no-store", "text/html", False),
     ("private, no-store", "text/html", False), ("private, no-store", "application/json", True),
     ("no-store", "application/json", False), ("public", "text/event-stream", False),
     ("public", "application/vnd.apache.parquet", False), ("public", "application/geo+json", True),
     ("public", "application/problem+json", True), ("public", "image/png", False)],
)  # fmt: skip
def test_what_may_be_packed(kept, kind, packed):
    assert packable(200, {"cache-control": kept, "content-type": kind}) is packed
    assert not packable(200, {"cache-control": kept, "content-type": kind, "set-cookie": "a=b"})
    assert not packable(206, {"cache-control": kept, "content-type": kind})


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("", None), ("br", "br"), ("gzip", "gzip"), ("gzip, br", "br"), ("br;q=0, gzip", "gzip"),
     ("br;q=0.1, gzip;q=0.9", "gzip"),
     ("*", "br"), ("*;q=0", None), ("identity", None), ("br;q=x", None), ("BR ; Q=1", "br")],
)  # fmt: skip
def test_the_best_coding_the_client_takes(accepted, coding):
    assert chosen(accepted) == coding


@given(some.text(max_size=60))
def test_no_header_breaks_it(accepted):
    assert chosen(accepted) in (None, "br", "gzip")


def test_a_secret_of_a_form_cannot_be_guessed_by_length():
    """What the rule above is for: with packing, a right guess beside the secret makes the answer shorter."""
    page = "csrf_token=7f3a9c2e4b5d6f70 {}"
    right, wrong = (
        len(zlib.compress(page.format(f"csrf_token={one}").encode())) for one in ("7f3a9c2e", "x1y8q4wz")
    )
    assert right < wrong
