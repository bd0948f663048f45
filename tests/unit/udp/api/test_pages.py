"""Finished pages: right types, nothing from outside their directory, operators' pages behind a key."""

import asyncio
from dataclasses import dataclass
from urllib.parse import unquote

import pytest

from udp.api.pages import SESSION_S, Sessions
from udp.auth import KeyWish
from udp.roles import Role


@pytest.fixture
def site(city):
    for name, content in {
        "index.html": "<!doctype html>Start",
        "luft/index.html": "<!doctype html>Luft",
        "static/style.css": "a{}",
        "bild.svg": "<svg/>",
        "daten.csv": "a,b",
        "betrieb/index.html": "<!doctype html>Betrieb",
        "betrieb/.x.part": "half",
        ".geheim": "hidden",
    }.items():
        path = city.pages / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (city.pages.parent / "registry.txt").write_text("outside", encoding="utf-8")
    return city


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "text/html; charset=utf-8"),
        ("/luft/", "text/html; charset=utf-8"),
        ("/static/style.css", "text/css; charset=utf-8"),
        ("/bild.svg", "image/svg+xml; charset=utf-8"),
        ("/daten.csv", "text/csv; charset=utf-8"),
    ],
)
def test_pages_have_their_types_and_may_be_kept_shortly(site, path, kind):
    answer = site.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == kind
    assert answer.headers["cache-control"] == "public, max-age=20"
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_unchanged_pages_are_not_sent_twice(site):
    etag = site.client.get("/").headers["etag"]
    assert site.client.get("/", headers={"If-None-Match": etag}).status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/../registry.txt",
        "/%2e%2e/registry.txt",
        "/luft/%2e%2e/%2e%2e/registry.txt",
        "/..%2fregistry.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/..%5cregistry.txt",
        "/.geheim",
        "/nichts",
        "/%00",
        "/" + "x" * 5000,
    ],
)
def test_nothing_outside_and_nothing_hidden_is_served(site, path):
    answer = site.client.get(path)
    assert answer.status_code in (400, 404)
    assert "outside" not in answer.text
    assert "root:" not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/betrieb",
        "/betrieb/",
        "/betrieb/index.html",
        "//betrieb/",
        "/./betrieb/",
        "/luft/../betrieb/index.html",
        "/luft/%2e%2e/betrieb/index.html",
        "/%62etrieb/",
    ],
)
def test_no_way_around_the_operators_lock(site, path):
    for answer in (site.client.get(f"http://testserver{path}"), unpolished(site.client.app, path)):
        assert answer.status_code in (401, 404)
        assert "<!doctype" not in answer.text


def test_unpolished_paths_reach_pages_as_they_are(site):
    """Else the test above would prove nothing about `..`."""
    assert unpolished(site.client.app, "/luft/../index.html").text == "<!doctype html>Start"


@dataclass
class Raw:
    status_code: int = 0
    text: str = ""


def unpolished(app, path):
    """Ask as a hostile client does: no library tidies the path on its way."""
    answer = Raw()
    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": unquote(path),
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver")],
        "server": ("testserver", 80),
        "client": ("127.0.0.1", 1),
    }

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        answer.status_code = message.get("status", answer.status_code)
        answer.text += message.get("body", b"").decode()

    asyncio.run(app(scope, receive, send))
    return answer


def test_the_lock_says_how_to_open_it(site):
    assert "udp keys create --role operator" in site.client.get("/betrieb/").text


def test_the_key_in_the_address_becomes_a_session_and_leaves_the_address(site):
    key = site.operator["Authorization"].split()[1]
    answer = site.client.get(f"/betrieb/?schluessel={key}&sicht=alle", follow_redirects=False)
    assert answer.status_code == 303
    assert answer.headers["location"] == "/betrieb/?sicht=alle"
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("udp_betrieb=")
    assert key not in cookie
    for word in ("HttpOnly", "SameSite=strict", "Path=/betrieb"):
        assert word in cookie
    page = site.client.get("/betrieb/")
    assert page.text == "<!doctype html>Betrieb"
    assert page.headers["cache-control"] == "private, no-store"
    assert "frame-ancestors 'none'" in page.headers["content-security-policy"]


def test_a_header_opens_it_too(site):
    assert site.client.get("/betrieb/", headers=site.operator).status_code == 200


@pytest.mark.parametrize("query", ["?schluessel=falsch", "?schluessel="])
def test_a_wrong_key_opens_nothing(site, query):
    answer = site.client.get(f"/betrieb/{query}", follow_redirects=False)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers
    assert site.client.get("/betrieb/", headers={"X-Api-Key": "falsch"}).status_code == 401


def test_half_written_pages_are_nobodys(site):
    assert site.client.get("/betrieb/.x.part", headers=site.operator).status_code == 404


def test_the_redirect_never_leaves_the_house(site):
    key = site.operator["Authorization"].split()[1]
    answer = site.client.get(f"http://testserver//betrieb/?schluessel={key}", follow_redirects=False)
    assert answer.headers.get("location", "/betrieb/") == "/betrieb/"


def test_before_the_first_drawing_it_is_said(city):
    answer = city.client.get("/")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")


def test_pages_drawn_later_are_found(city):
    assert city.client.get("/").status_code == 503
    city.pages.mkdir()
    (city.pages / "index.html").write_text("da", encoding="utf-8")
    assert city.client.get("/").text == "da"


def test_sessions_end_and_do_not_pile_up():
    clock = [0.0]
    sessions = Sessions(lambda: clock[0])
    first = sessions.open()
    assert sessions.holds(first)
    assert not sessions.holds("")
    assert not sessions.holds("ü")
    clock[0] = SESSION_S + 1.0
    assert not sessions.holds(first)
    names = [sessions.open() for _ in range(300)]
    assert sessions.holds(names[-1])
    assert not sessions.holds(names[0])


@pytest.fixture
def climate(site):
    """A key of the climate team, and its report beside the operators' page."""
    (site.pages / "klima").mkdir()
    (site.pages / "klima" / "index.html").write_text("<!doctype html>Bericht", encoding="utf-8")
    return site.keys.create(Role.CLIMATE, "Klimateam")


def test_the_climate_team_reads_its_report_and_not_the_operators_pages(site, climate):
    assert site.client.get("/klima/").status_code == 401
    assert "udp keys create --role climate" in site.client.get("/klima/").text
    assert site.client.get("/klima/", headers={"X-Api-Key": climate}).text == "<!doctype html>Bericht"
    assert site.client.get("/betrieb/", headers={"X-Api-Key": climate}).status_code == 401
    assert site.client.get("/klima/", headers=site.operator).status_code == 200
    crew = site.keys.create(Role.CREW, "Tour")
    assert site.client.get("/klima/", headers={"X-Api-Key": crew}).status_code == 401
    narrow = site.keys.make(KeyWish(Role.CLIMATE, "Forschung", datasets=("wetter",)))
    assert site.client.get("/klima/", headers={"X-Api-Key": narrow}).status_code == 401


def test_a_session_of_one_room_opens_no_other(site, climate):
    answer = site.client.get(f"/klima/?schluessel={climate}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/klima/")
    name = answer.headers["set-cookie"].split(";")[0].split("=")[1]
    assert "Path=/klima" in answer.headers["set-cookie"]
    assert site.client.get("/klima/").headers["cache-control"] == "private, no-store"
    for cookie in (f"udp_betrieb={name}", f"udp_klima={name}"):
        site.client.cookies.clear()
        assert site.client.get("/betrieb/", headers={"Cookie": cookie}).status_code == 401
