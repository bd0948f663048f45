"""Staff of two cities at one host and one provider: who is signed in at one is a stranger at the other."""

from urllib.parse import parse_qs, urlsplit


def take(house, address, cookies):
    """As a browser that holds these cookies, and nothing else."""
    house.client.cookies.clear()
    line = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return house.client.get(address, headers={"Cookie": line} if line else {}, follow_redirects=False)


def given(answer):
    """Name, value and path of the cookies of an answer."""
    found = []
    for line in answer.headers.get_list("set-cookie"):
        pair, *rest = line.split("; ")
        name, _, value = pair.partition("=")
        path = next(one.removeprefix("Path=") for one in rest if one.startswith("Path="))
        if value.strip('"'):
            found.append((name, value, path))
    return found


def whole_way(house, target):
    """The session's cookie, and where the way ended."""
    house.client.cookies.clear()
    begun = house.client.get("/anmelden", params={"weiter": target}, follow_redirects=False)
    ((way, note, path),) = given(begun)
    done = take(house, "http://localhost:8080" + house.consent(begun.headers["location"]), {way: note})
    return (way, note, path), given(done)[0], done.headers["location"], begun.headers["location"]


def test_every_step_stays_in_the_city(house_in_herne):
    (way, _, way_path), (name, value, path), end, asked = whole_way(house_in_herne, "/betrieb/")
    assert (way, way_path) == ("udp-herne_anmeldung", "/herne/anmelden")
    assert (name, path) == ("udp-herne_session", "/herne/")
    assert end == "/herne/betrieb/"
    assert parse_qs(urlsplit(asked).query)["redirect_uri"] == ["http://localhost:8080/herne/anmelden/zurueck"]
    signed_in = {name: value}
    konto = take(house_in_herne, "/konto", signed_in).text
    assert "Anna Amsel" in konto
    for address in ("/betrieb/", "/klima/", "/", "/abmelden"):
        assert f'"/herne{address}"' in konto
        assert f'"{address}"' not in konto
    assert take(house_in_herne, "/betrieb/", signed_in).status_code == 200
    stranger = take(house_in_herne, "/konto", {})
    assert (stranger.status_code, stranger.headers["location"]) == (303, "/herne/anmelden")
    closed = house_in_herne.client.get("/betrieb/", headers={"Accept": "text/html"}, follow_redirects=False)
    assert closed.headers["location"] == "/herne/anmelden?weiter=%2Fherne%2Fbetrieb%2F"


def test_nobody_is_led_out_of_the_city(house_in_herne):
    for target in ("/", "/betrieb/", "//evil.example/", "/hernesued/", "/herne/betrieb/"):
        _, _, end, _ = whole_way(house_in_herne, target)
        assert end.startswith("/herne/"), (target, end)


def test_by_tls_the_cookie_of_a_path_says_so(house_in_herne, house):
    for one, wanted in ((house_in_herne, "__Secure-udp-herne_session"), (house, "__Host-udp_session")):
        one.client.cookies.clear()
        root = "/herne" if one is house_in_herne else ""
        begun = one.client.get(f"https://localhost:8080{root}/anmelden", follow_redirects=False)
        ((way, note, _),) = given(begun)
        address = "https://localhost:8080" + one.consent(begun.headers["location"])
        ((name, _, path),) = [
            cookie for cookie in given(take(one, address, {way: note})) if "session" in cookie[0]
        ]
        assert (name, path) == (wanted, f"{root}/")


def test_the_session_of_one_city_opens_nothing_at_the_other(house, house_in_herne):
    _, (name, value, _), _, _ = whole_way(house, "/betrieb/")
    _, (other_name, other_value, _), _, _ = whole_way(house_in_herne, "/betrieb/")
    for one, own, own_value, foreign, foreign_value in (
        (house, name, value, other_name, other_value),
        (house_in_herne, other_name, other_value, name, value),
    ):
        assert take(one, "/api/v1/operations", {own: own_value}).status_code == 200
        for cookies in ({foreign: foreign_value}, {own: foreign_value}):
            assert take(one, "/api/v1/operations", cookies).status_code == 401
            assert take(one, "/konto", cookies).status_code == 303


def test_a_way_begun_at_one_city_does_not_end_at_the_other(house, house_in_herne):
    """The provider knows both; state, nonce and the note in the cookie are of one."""
    house.client.cookies.clear()
    begun = house.client.get("/anmelden", params={"weiter": "/betrieb/"}, follow_redirects=False)
    ((_, note, _),) = given(begun)
    back = house.consent(begun.headers["location"])
    answer = take(house_in_herne, f"http://localhost:8080/herne{back}", {"udp-herne_anmeldung": note})
    assert answer.status_code == 403
    assert not [one for one in given(answer) if "session" in one[0]]


def test_who_leaves_one_city_is_still_signed_in_at_the_other(house, house_in_herne):
    _, (name, value, _), _, _ = whole_way(house, "/betrieb/")
    _, (other_name, other_value, _), _, _ = whole_way(house_in_herne, "/betrieb/")
    page = take(house_in_herne, "/konto", {other_name: other_value}).text
    token = page.split('name="csrf_token" value="')[1].split('"')[0]
    headers = {"Cookie": f"{other_name}={other_value}"}
    foreign = house.client.post(
        "/abmelden", data={"csrf_token": token}, headers={"Cookie": f"{name}={value}"}
    )
    assert foreign.status_code == 403, "the token of the other city's form"
    left = house_in_herne.client.post("/abmelden", data={"csrf_token": token}, headers=headers)
    assert left.status_code == 200
    assert take(house_in_herne, "/konto", {other_name: other_value}).status_code == 303
    assert take(house, "/konto", {name: value}).status_code == 200
