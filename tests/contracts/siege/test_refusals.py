"""What must be refused, item by item, against the running product: a clear problem, nothing told, still alive."""
# ruff: noqa: E501 - tables of attacks are read line by line

import csv
import gzip
import io
import json
import re
import statistics
import time
from datetime import timedelta

import pytest
from fortress import SECRET, fortress, leaks

from udp.policy import Role


def refused(answer, *statuses):
    """A problem document with a detail, and nothing else."""
    assert answer.status_code in statuses, f"{answer.status_code}: {answer.text[:300]}"
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["detail"] and problem["title"]
    assert leaks(answer, str(answer.request.url)) == []
    return problem


@pytest.fixture(autouse=True)
def still_alive(held):
    yield
    held.alive(within_s=20)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/latest",
        "/api/v1/operations",
        "/api/v1/devices",
        "/app/v1/near?near=51.5,7.3",
        "/metrics",
        "/opendata/",
    ],
)
def test_a_key_without_scope(held, path):
    key = held.key(role=Role.OPERATOR, paths=("/v1.1",))
    problem = refused(held.client.get(path, headers=key), 403)
    assert problem["type"] == "/api#out-of-scope"
    assert "/v1.1" in problem["detail"]
    assert held.client.get("/v1.1/Things", headers=key).status_code == 200


@pytest.mark.parametrize(
    "path", ["/api/v1/latest", "/api/v1/live", "/v1.1/Things", "/app/v1/bins", "/api/v1/operations"]
)
def test_an_expired_a_revoked_and_an_invented_key(held, path):
    old = held.key(role=Role.OPERATOR, lasting=timedelta(microseconds=1))
    gone = held.key(role=Role.OPERATOR)
    held.keys.revoke(gone["X-Api-Key"].split("_")[1])
    invented = {"X-Api-Key": old["X-Api-Key"][:-4] + "AAAA"}
    for key in (old, gone, invented, {"Authorization": "Bearer x"}):
        answer = held.client.get(path, headers=key)
        assert refused(answer, 401)["type"] == "/api#key-refused"
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert next(iter(key.values())) not in answer.text


def test_a_key_for_one_dataset_opens_no_other(held):
    key = held.key(role=Role.OPERATOR, datasets=("wetter",))
    for path in (
        "/api/v1/latest",
        "/api/v1/things",
        "/v1.1/Things?$expand=Datastreams/Observations",
        "/v1.1/Observations?$filter=result gt 4000",
    ):
        answer = held.client.get(path, headers=key)
        assert answer.status_code == 200
        assert leaks(answer) == []


def test_a_forged_session_is_nobody(held):
    for cookie in (b"x", b"." * 500, b"udp.x.y", b"\xc3\xbf\xff"):
        answer = held.client.get("/api/v1/latest", headers={b"Cookie": b"udp_session=" + cookie})
        assert answer.status_code == 200
        assert leaks(answer) == []
        assert (
            held.client.get("/api/v1/operations", headers={b"Cookie": b"udp_session=" + cookie}).status_code
            == 401
        )


PLACES = (
    "/api/v1/datastreams/{}",
    "/api/v1/datastreams/{}/observations",
    "/api/v1/datastreams/{}/forecast",
    "/v1.1/Datastreams({})",
    "/v1.1/Datastreams({})/Thing",
    "/v1.1/Datastreams({})/Observations",
)


@pytest.mark.parametrize("place", PLACES)
def test_guessed_ids_are_alike_whether_hidden_or_invented(held, place):
    told = {}
    hidden = {held.ids[name] for name in held.hidden}
    for number in [*range(1, 25), *range(9000, 9010)]:
        answer = held.client.get(place.format(number))
        if answer.status_code != 200 and (number in hidden or number >= 9000):
            refused(answer, 404)
            headers = {
                name: value
                for name, value in answer.headers.items()
                if name not in ("date", "content-length")
            }
            told[number] = (re.sub(rf"\b{number}\b", "N", answer.text), json.dumps(headers, sort_keys=True))
    assert hidden <= told.keys()
    assert len(set(told.values())) == 1


def test_how_long_a_refusal_takes_does_not_tell_hidden_from_invented(held):
    """Nothing of a hidden series is read before the refusal: both are the same look into a table."""
    hidden = held.ids["kanarie-zaehler/energy"]
    taken = {hidden: [], 9999: []}
    for _ in range(25):
        for number, times in taken.items():
            began = time.perf_counter()
            held.client.get(f"/v1.1/Datastreams({number})/Observations?$count=true")
            times.append(time.perf_counter() - began)
    (a, b) = (statistics.median(times) for times in taken.values())
    assert abs(a - b) < max(0.02, 0.5 * min(a, b))


SIDE_CHANNELS = [
    "Things?$expand=Datastreams($expand=Observations($filter=result gt 4000;$count=true);$count=true)",
    "Things?$expand=Datastreams($filter=Sensor/name eq 'Kanarienfühler';$count=true)",
    "Sensors?$expand=Datastreams/Observations",
    "ObservedProperties?$expand=Datastreams($expand=Thing/Locations;$count=true)",
    "Locations?$expand=Things/Datastreams/Observations",
    "FeaturesOfInterest?$expand=Observations($top=1;$orderby=result desc)",
    "Observations?$orderby=result desc&$top=3",
    "Observations?$orderby=Datastream/Sensor/name desc&$top=3&$expand=Datastream/Sensor",
    "Datastreams?$orderby=Thing/properties/kanarie desc&$expand=Thing&$top=100",
    "Things?$orderby=Locations/location desc",
    "Observations?$resultFormat=dataArray&$orderby=resultTime desc&$top=1000",
    "Observations?$skiptoken=1.1.0",
    "Datastreams?$expand=Thing/Datastreams/Thing/Datastreams",
]


@pytest.mark.parametrize("address", SIDE_CHANNELS)
def test_expansions_orders_and_pages_lead_into_nothing_restricted(held, address):
    answer = held.client.get(f"/v1.1/{address}")
    assert answer.status_code in (200, 400), answer.text[:300]
    assert leaks(answer, address) == []
    seen = {int(one) for one in re.findall(r"Datastreams\((\d+)\)", answer.text)}
    assert not seen & {held.ids[name] for name in held.hidden}


CONDITIONS = [
    (f"result eq {SECRET}", "Observations"),
    ("result gt 4000", "Observations"),
    ("Datastream/Sensor/name eq 'Kanarienfühler'", "Observations"),
    ("startswith(Datastream/Thing/name,'Kanarie')", "Observations"),
    ("Datastream/ObservedProperty/Datastreams/Sensor/name eq 'Kanarienfühler'", "Observations"),
    ("Datastreams/Sensor/name eq 'Kanarienfühler'", "Things"),
    ("properties/kanarie eq 'ja'", "Things"),
    ("geo.distance(location,geography'POINT(7.43219 51.98765)') lt 0.0001", "Locations"),
    (
        "Datastreams/phenomenonTime gt 2000-01-01T00:00:00Z and startswith(Datastreams/name,'Kanarienreihe')",
        "Things",
    ),
]


@pytest.mark.parametrize(("condition", "name"), CONDITIONS)
def test_no_filter_tells_by_a_count_an_etag_or_a_length(held, condition, name):
    """Asked and turned around: the answers are those of a city in which the hidden things never were."""
    ask = {"$filter": condition, "$count": "true", "$top": "0"}
    public = held.client.get(f"/v1.1/{name}", params=ask)
    assert public.json() == {"@iot.count": 0, "value": []}
    assert held.client.get(f"/v1.1/{name}", params=ask, headers=held.staff).json()["@iot.count"] > 0
    whole = held.client.get(f"/v1.1/{name}", params={"$count": "true", "$top": "0"})
    turned = held.client.get(f"/v1.1/{name}", params={**ask, "$filter": f"not ({condition})"})
    assert turned.json() == whole.json()
    assert turned.headers["etag"] == whole.headers["etag"]
    never = held.client.get(f"/v1.1/{name}", params={**ask, "$filter": "1 eq 2"})
    assert (never.headers["etag"], len(never.content)) == (public.headers["etag"], len(public.content))


def test_single_values_of_what_leaves_in_steps_leave_nowhere(held):
    """The bay's readings carry a fraction of a second that occurs nowhere else."""
    number = held.ids["stellplatz-1/parking_occupied"]
    for path in ("/api/v1/latest", f"/api/v1/datastreams/{number}/observations?every=15m", f"/api/v1/datastreams/{number}/observations?every=15m&format=csv",
                 "/app/v1/parking", f"/v1.1/Datastreams({number})/Observations", "/v1.1/Observations?$top=10000", "/opendata/parken/"):  # fmt: skip
        answer = held.client.get(path)
        assert answer.status_code in (200, 404)
        assert leaks(answer) == [], path
    refused(held.client.get(f"/api/v1/datastreams/{number}/observations"), 422)


def test_no_cell_of_a_csv_is_a_formula(held):
    """One Thing is called =1+1."""
    number = held.ids["behaelter-1/fill_level"]
    texts = [held.client.get(f"/api/v1/datastreams/{number}/observations?format=csv").text]
    page = held.client.get("/opendata/papier-und-abfall/").text
    for address in sorted(set(re.findall(r"/opendata/papier-und-abfall/[\d-]+\.csv\.gz", page))):
        texts.append(gzip.decompress(held.client.get(address).content).decode())
    assert len(texts) > 1
    for text in texts:
        cells = [
            cell
            for row in csv.reader(io.StringIO(text), delimiter="," if "," in text else ";")
            for cell in row
        ]
        assert any("1+1" in cell for cell in cells)
        assert not [
            cell for cell in cells if cell[:1] in ("=", "@", "+", "\t", "\r") or re.match(r"-\D", cell)
        ]


@pytest.mark.parametrize("target", [
    "/../../etc/passwd", "/..%2f..%2f..%2fetc%2fpasswd", "/%2e%2e/registry.sqlite", "/betrieb/../../registry.sqlite", "//etc/passwd",
    "/opendata/../registry.sqlite", "/opendata/wetter/../../registry.sqlite", "/opendata/wetter/..%2f..%2fregistry.sqlite",
    "/opendata/%2e%2e/policy.toml", "/opendata/wetter/2026-11.parquet%00.txt", "/opendata/..%5c..%5cudp.toml/x", "/opendata/wetter/2026-11.parquet/../../../udp.toml",
    "/api/v1/things/..%2f..%2fregistry.sqlite", "/v1.1/../registry.sqlite", "/.udp.log", "/%00", "/betrieb/%2e%2e/betrieb/index.html", "/BETRIEB/index.html",
    "/betrieb//index.html", "//betrieb/index.html", "/./betrieb/index.html", "/x/../betrieb/index.html", "/betrieb%2findex.html",
])  # fmt: skip
def test_no_path_leads_out_of_the_house_or_past_its_lock(held, target):
    answer = held.raw(f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    assert re.match(rb"HTTP/1\.1 (303|400|401|404|422) ", answer), answer[:200]
    for word in (b"kanarie", b"root:x", b"SQLite format", b"[registry]", b"[[dataset]]"):
        assert word not in answer


@pytest.mark.parametrize(
    "host",
    [
        "<script>alert(1)</script>",
        'a"<b',
        "a> <b",
        "evil.example/x",
        "x@evil.example",
        "a b",
        "evil.example:99999999",
    ],
)
def test_what_is_no_host_is_put_into_no_answer(held, host):
    for path in ("/opendata/wetter/", "/v1.1/Things?$top=1", "/opendata/catalog.ttl"):
        answer = held.client.get(path, headers={"Host": host})
        assert answer.status_code == 400
        assert host not in answer.text


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/things/x%0d%0aSet-Cookie:%20a=b",
        "/opendata/x%0d%0aSet-Cookie:%20a=b",
        "/anmelden?weiter=%0d%0aSet-Cookie:%20a=b",
        "/betrieb/?x=%0d%0aSet-Cookie:%20a=b",
        "/v1.1/Things?$filter=%0d%0aSet-Cookie:%20a=b",
    ],
)
def test_no_line_break_becomes_a_header(held, path):
    answer = held.client.get(path)
    assert answer.status_code in (303, 400, 401, 404)
    assert "set-cookie" not in answer.headers


def test_strangers_behind_a_named_proxy_are_limited_each_by_itself(tmp_path):
    """The address comes from the proxy's header; who writes one itself gains nothing."""
    with fortress(
        tmp_path / "small", server={"proxy": "127.0.0.1"}, api={"anonymous_per_minute": 60}
    ) as small:

        def ask(chain):
            return small.client.get("/api/v1/policy", headers={"X-Forwarded-For": chain})

        told = [ask("198.51.100.7") for _ in range(90)]
        assert {one.status_code for one in told} == {200, 429}
        answer = next(one for one in told if one.status_code == 429)
        assert int(answer.headers["retry-after"]) >= 1
        assert answer.json()["type"] == "/api#too-often"
        # Invented hops in front of the one the proxy appended.
        spoofed = [ask(f"203.0.113.{number}, 198.51.100.7").status_code for number in range(30)]
        assert spoofed.count(429) >= 15
        assert ask("198.51.100.8").status_code == 200
        assert (
            small.client.get(
                "/api/v1/policy", headers={"X-Forwarded-For": "198.51.100.7", **small.staff}
            ).status_code
            == 200
        )
