"""Staff sign in by OpenID Connect at a real provider; whatever does not hold ends without a session."""

import time
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from udp.access.settings import AccessSettings, ProviderSettings, RoleOfGroup


def signed_in(house):
    return house.client.get("/konto", follow_redirects=False).status_code == 200


def last(house, what):
    return [one for one in house.porter.audit.read() if one.what == what]


def test_the_whole_way_ends_where_it_began_with_the_persons_role(house):
    answer = house.sign_in("/betrieb/")
    assert (answer.status_code, answer.headers["location"]) == (303, "/betrieb/")
    assert "Betrieb" in house.client.get("/betrieb/").text
    assert house.client.get("/api/v1/operations").status_code == 200
    assert "Anna Amsel" in house.client.get("/konto").text
    (entry,) = last(house, "sign-in")
    assert entry.subject.startswith("anna-17@http://127.0.0.1:")
    assert entry.detail == "provider; operator"


def test_code_with_pkce_state_and_nonce_is_what_the_provider_saw(house):
    house.provider.mood()
    house.sign_in()
    asked, exchanged = house.provider.mood()
    assert asked["response_type"] == "code"
    assert asked["code_challenge_method"] == "S256"
    assert len(asked["code_challenge"]) == 43
    assert len(asked["state"]) >= 40
    assert len(asked["nonce"]) >= 40
    assert len(exchanged["code_verifier"]) >= 43
    again = parse_qs(urlsplit(house.begin()).query)
    for name in ("state", "nonce", "code_challenge"):
        assert again[name] != [asked[name]]


def test_cookies_are_out_of_reach_of_scripts_and_foreign_forms(house):
    begun = house.client.get("/anmelden", follow_redirects=False)
    done = house.client.get(house.consent(begun.headers["location"]), follow_redirects=False)
    for answer in (begun, done):
        (cookie,) = [one for one in answer.headers.get_list("set-cookie") if "Max-Age=0" not in one]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert answer.headers["cache-control"] == "no-store"
    secure = house.client.get("https://localhost:8080/anmelden", follow_redirects=False)
    assert "Secure" in secure.headers["set-cookie"]
    assert secure.headers["strict-transport-security"].startswith("max-age=")
    assert "strict-transport-security" not in begun.headers


NOW = int(time.time())
LIES = {
    "expired": {"claims": {"exp": NOW - 600}},
    "from the future": {"claims": {"iat": NOW + 7200, "nbf": NOW + 7200}},
    "for another client": {"claims": {"aud": ["other"]}},
    "for us and for another, who asked": {"claims": {"aud": ["udp", "other"], "azp": "other"}},
    "of another provider": {"claims": {"iss": "https://evil.example"}},
    "of another sign-in": {"claims": {"nonce": "x" * 43}},
    "without nonce": {"without": ["nonce"]},
    "without audience": {"without": ["aud"]},
    "without end": {"without": ["exp"]},
    "without time": {"without": ["iat"]},
    "without person": {"without": ["sub"]},
    "unsigned": {"signed": "not"},
    "signed by a stranger": {"signed": "by a stranger"},
    "signed with the public key": {"signed": "by our public key"},
    "signed with a key nobody knows": {"signed": "with an unknown key"},
}


@pytest.mark.parametrize("lie", LIES)
def test_a_token_that_does_not_hold_signs_nobody_in(house, lie):
    house.provider.mood(**LIES[lie])
    answer = house.sign_in()
    assert answer.status_code == 403
    assert "Nicht angemeldet" in answer.text
    assert not signed_in(house)
    assert house.client.get("/api/v1/operations").status_code == 401
    assert len(last(house, "sign-in-refused")) == 1
    assert not last(house, "sign-in")


def test_the_same_forger_who_tells_the_truth_is_believed(house):
    """Else the table above would prove nothing."""
    house.provider.mood(claims={}, signed="well", x=1)
    assert house.sign_in().status_code == 303
    assert signed_in(house)


def test_a_provider_that_speaks_for_another_is_not_used(house):
    house.provider.mood(issuer="https://evil.example")
    assert house.client.get("/anmelden", follow_redirects=False).status_code == 503


def test_new_keys_of_the_provider_are_found(house):
    assert house.sign_in().status_code == 303
    house.provider.mood(rotate=True)
    house.porter.sign_in._provider._monotonic = lambda: time.monotonic() + 60
    assert house.sign_in().status_code == 303


@pytest.mark.parametrize(
    "spoiled", ["state", "code", "no cookie", "other cookie", "late", "error", "iss", "twice"]
)
def test_a_way_back_that_does_not_fit_ends_without_a_session(house, spoiled):
    if spoiled == "error":
        house.provider.mood(denies=True)
    way = house.consent(house.begin())
    if spoiled == "state":
        way = way.replace("state=", "state=x")
    elif spoiled == "code":
        way = way.replace("code=", "code=x")
    elif spoiled == "no cookie":
        house.client.cookies.clear()
    elif spoiled == "other cookie":
        house.begin()
    elif spoiled == "late":
        house.clock[0] += timedelta(minutes=11)
    elif spoiled == "iss":
        way += "&iss=https%3A%2F%2Fevil.example"
    elif spoiled == "twice":
        kept = dict(house.client.cookies)
        assert house.client.get(way, follow_redirects=False).status_code == 303
        house.client.cookies.clear()
        house.client.cookies.update(kept)
    answer = house.client.get(way, follow_redirects=False)
    assert answer.status_code == 403, answer.text
    assert not signed_in(house)


@pytest.mark.parametrize(
    ("groups", "roles"),
    [
        (["it"], "operator"),
        (["grün", "klima", "x"], "climate, crew"),
        (["x"], None),
        ([], None),
        ("it", "operator"),
    ],
)
def test_groups_become_roles_and_no_group_is_no_entry(house, groups, roles):
    house.provider.mood(groups=groups)
    answer = house.sign_in("/konto")
    if roles is None:
        assert answer.status_code == 403
        assert not signed_in(house)
    else:
        assert f"<dd>{roles}</dd>" in house.client.get("/konto").text
    operates = roles == "operator"
    assert (house.client.get("/betrieb/", follow_redirects=False).status_code == 200) is operates
    assert (house.client.get("/api/v1/operations").status_code == 200) is operates


@pytest.mark.parametrize(
    "target", ["//evil.example", "/\\evil.example", "https://evil.example", "\\\\evil.example"]
)
def test_the_way_back_never_leads_elsewhere(house, target):
    location = house.sign_in(target).headers["location"]
    assert location.startswith("/")
    assert not location.startswith(("//", "/\\"))


def test_a_session_ends_by_time_sign_out_and_block_even_if_the_cookie_stays(house):
    house.sign_in()
    kept = dict(house.client.cookies)
    assert signed_in(house)
    house.clock[0] += timedelta(hours=10)
    assert not signed_in(house)
    house.clock[0] -= timedelta(hours=10)
    assert signed_in(house)
    answer = house.client.post("/abmelden", data={"csrf_token": house.csrf()})
    assert "Auch beim Anmeldedienst abmelden" in answer.text
    house.client.cookies.update(kept)
    assert not signed_in(house)
    house.client.cookies.clear()
    house.sign_in()
    assert signed_in(house)
    (person,) = house.porter.people.all()
    house.porter.people.block(person.subject, "cli:test")
    assert not signed_in(house)
    assert house.sign_in().status_code == 403
    house.porter.people.block(person.subject, "cli:test", blocked=False)
    assert house.sign_in().status_code == 303


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1] + "0", lambda c: "x" + c, lambda c: c.split(".")[0], lambda _: "."]
)
def test_a_cookie_somebody_wrote_himself_is_nobody(house, change):
    house.sign_in()
    cookie = house.client.cookies["udp_session"]
    house.client.cookies.clear()
    house.client.cookies.set("udp_session", change(cookie) if change(cookie) != cookie else cookie[:-1] + "1")
    assert not signed_in(house)
    assert house.client.get("/api/v1/latest").status_code == 200


@pytest.mark.parametrize("data", [{}, {"csrf_token": ""}, {"csrf_token": "x" * 43}])
def test_an_unsafe_request_needs_the_token_of_our_own_form(house, data):
    house.sign_in()
    answer = house.client.post("/abmelden", data=data)
    assert answer.status_code == 403
    assert answer.json()["type"] == "/api#form-refused"
    assert signed_in(house)
    assert house.client.post("/abmelden", headers={"X-CSRF-Token": house.csrf()}).status_code == 200
    assert not signed_in(house)


def test_pages_of_the_signed_in_are_not_framed_and_hold_no_script(house):
    house.sign_in()
    for path in ("/konto", "/anmelden/einmal?token=%22%3E%3Cscript%3E", "/betrieb/"):
        answer = house.client.get(path)
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "unsafe-inline" not in answer.headers["content-security-policy"].split("style-src")[0]
        assert "<script" not in answer.text


def test_without_a_session_the_operator_page_leads_to_sign_in(house):
    answer = house.client.get("/betrieb/", headers={"Accept": "text/html"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/anmelden?weiter=%2Fbetrieb%2F")
    assert house.client.get("/betrieb/", headers={"Accept": "*/*"}).status_code == 401


@pytest.mark.parametrize(
    "more",
    [{"issuer": "http://idp.example"}, {"public_url": "http://city.example"}, {"roles": ()},
     {"algorithms": ("none",)}, {"algorithms": ("HS256",)}, {"issuer": "ftp://x"}],
)  # fmt: skip
def test_settings_that_would_open_a_door_are_refused(more):
    good = {"issuer": "https://idp.example", "client_id": "udp", "public_url": "https://city.example",
            "roles": (RoleOfGroup("it", "admin"),)}  # fmt: skip
    ProviderSettings(**good)
    with pytest.raises(ValueError, match=r"https|roles|algorithm"):
        ProviderSettings(**good | more)


def test_settings_of_sessions_are_judged_too():
    with pytest.raises(ValueError, match="role"):
        RoleOfGroup("it", "public")
    with pytest.raises(ValueError, match="session"):
        AccessSettings(session=timedelta(days=400))
