"""What would cost too much is refused with a clear problem, and the next question is answered."""

import time

import pytest

from udp.api.sensorthings.options import Limits
from udp.api.sensorthings.routes import Catalogues, SensorThings

DEEP = "Datastreams/Thing/" * 8
RING = ",".join(f"{7 + n / 10000} 51" for n in range(1500))


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("Things?$filter=" + "name eq 'x' or " * 2_000 + "true", 414),
        ("Things?$filter=name eq '" + "x" * 60_000 + "'", 414),
        ("Things?$filter=name eq '" + "x" * 9_000 + "'", 400),
        ("Things?$filter=" + "(" * 3000 + "true" + ")" * 3000, 200),
        ("Things?$filter=" + "not " * 1500 + "true", 400),
        ("Things?$filter=1" + " add 1" * 900 + " gt 0", 400),
        ("Things?$filter=" + "name eq 'x' or " * 400 + "true", 400),
        ("Things?$expand=" + ",".join(["Datastreams"] * 1000), 400),
        ("Things?$expand=" + "Datastreams($expand=Thing($expand=" * 100 + "Locations" + "))" * 100, 400),
        ("Things?$expand=" + DEEP + "Locations", 400),
        (f"Locations?$filter=st_within(location,geography'LINESTRING({RING})')", 400),
        ("Things?$top=99999999999", 400),
        ("Things?$filter=properties/x eq " + "9" * 500, 400),
        ("Things?$filter=now() gt now() add duration'P9999999D'", 400),
        ("Things/" + "Datastreams(7)/Thing/" * 40, 404),
    ],
)
def test_it_is_refused_at_once(filled, address, status):
    path, _, query = address.partition("?")
    began = time.process_time()  # its own work; what else the machine does is no fault of the question
    answer = filled.client.get(f"/v1.1/{path}?{query}")
    assert answer.status_code == status, answer.text[:300]
    assert time.process_time() - began < 5
    if status >= 400:
        assert len(answer.text) < 2000
        assert answer.json()["detail"]
    assert filled.client.get("/v1.1/Things?$top=1").status_code == 200


@pytest.fixture
def narrow(filled):
    """The same city behind small limits."""
    filled.client.app.state.sensorthings = SensorThings(
        Catalogues(), Limits(top=5, default_top=3, entities=20, work=300, rows=250), None
    )
    return filled.client


def test_top_is_capped_and_the_link_leads_on(narrow):
    answer = narrow.get("/v1.1/Datastreams?$top=1000").json()
    assert len(answer["value"]) == 5
    assert len(narrow.get(answer["@iot.nextLink"]).json()["value"]) == 2


def test_an_answer_holds_so_many_entities(narrow):
    assert narrow.get("/v1.1/Things?$expand=Datastreams").status_code == 200
    answer = narrow.get("/v1.1/Things?$expand=Datastreams/Thing/Datastreams")
    assert answer.status_code == 413
    assert "20 entities" in answer.json()["detail"]


def test_looking_at_too_many_observations_is_refused_before_they_are_read(narrow):
    for query in ("$filter=result gt 0&$count=true", "$orderby=result"):
        answer = narrow.get(f"/v1.1/Observations?{query}")
        assert answer.status_code == 413
        assert "phenomenonTime" in answer.json()["detail"]
    assert narrow.get("/v1.1/Observations?$count=true").json()["@iot.count"] == 7 * 43
    assert narrow.get("/v1.1/Observations?$orderby=phenomenonTime desc").status_code == 200


def test_conditions_over_relatives_have_a_limit(narrow):
    conditions = " and ".join(f"Datastreams/name ne '{n}'" for n in range(40))
    assert narrow.get("/v1.1/Things", params={"$filter": conditions}).status_code == 413


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_nothing_can_be_written(filled, method):
    for path in ("/v1.1/Things", "/v1.1/Things(1)", "/v1.1"):
        answer = filled.client.request(method, path, json={})
        # By nobody without a key; where a method means nothing, by nobody at all.
        assert answer.status_code in (401, 405)
        assert answer.json()["status"] == answer.status_code


def test_head_answers_as_get_without_the_body(filled):
    answer = filled.client.head("/v1.1/Things")
    assert (answer.status_code, answer.text) == (200, "")
    assert answer.headers["etag"]
    assert (
        filled.client.get("/v1.1/Things", headers={"If-None-Match": answer.headers["etag"]}).status_code
        == 304
    )
