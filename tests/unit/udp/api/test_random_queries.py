"""Whatever stands in a query, the answer is an answer or a refusal, never our mistake."""

from urllib.parse import quote

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

TIMES = st.one_of(
    st.text(max_size=40),
    st.datetimes().map(lambda one: one.isoformat()),
    st.datetimes().map(lambda one: one.isoformat() + "Z"),
    st.sampled_from(
        ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "1969-12-31T23:00:00Z", "2262-05-01"]
    ),
)
DURATIONS = st.one_of(
    st.text(max_size=12),
    st.from_regex(r"\A[0-9]{0,9}(s|m|h|d|w)\Z"),
    st.from_regex(r"\AP([0-9]{1,6}D)?(T([0-9]{1,6}H)?([0-9]{1,6}M)?)?\Z"),
)
QUERIES = st.fixed_dictionaries(
    {},
    optional={
        "from": TIMES,
        "to": TIMES,
        "every": DURATIONS,
        "functions": st.one_of(st.text(max_size=20), st.just("mean,min")),
        "limit": st.one_of(st.integers(), st.text(max_size=5), st.integers(1, 1000)),
        "format": st.sampled_from(["json", "csv", "geojson", "", "xml"]),
        "theme": st.text(max_size=80),
        "district": st.text(max_size=80),
        "kind": st.text(max_size=80),
        "thing": st.text(max_size=80),
        "observed_property": st.text(max_size=80),
        "quarantine": st.integers(),
    },
)
PATHS = st.one_of(
    st.sampled_from(["things", "datastreams", "latest", "datastreams/1/observations", "operations"]),
    st.integers().map(lambda number: f"datastreams/{number}"),
    st.integers().map(lambda number: f"datastreams/{number}/observations"),
)
EXAMPLES = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


READ_BY = {
    "things": {"theme", "district", "kind", "format"},
    "datastreams": {"theme", "district", "thing", "observed_property"},
    "latest": {"theme", "district"},
    "operations": {"quarantine"},
    "observations": {"from", "to", "every", "functions", "limit", "format"},
}


@EXAMPLES
@given(path=PATHS, query=QUERIES, operator=st.booleans(), foreign=st.integers(0, 4))
def test_no_query_breaks_the_interface(measured, path, query, operator, foreign):
    if foreign:  # else what the route does not read is refused before anything else is tried
        read = READ_BY.get(path.rpartition("/")[2], set())
        query = {name: value for name, value in query.items() if name in read}
    headers = measured.operator if operator else {}
    answer = measured.client.get(f"/api/v1/{path}", params=query, headers=headers)
    assert answer.status_code < 500, answer.text
    if answer.status_code >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]


@EXAMPLES
@given(query=QUERIES)
def test_no_history_query_breaks_the_interface(measured, query):
    number = measured.ids["behaelter-1/fill_level"]
    answer = measured.client.get(f"/api/v1/datastreams/{number}/observations", params=query)
    assert answer.status_code in (200, 413, 422), answer.text


@EXAMPLES
@given(
    tail=st.text(max_size=60), key=st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=60)
)
def test_no_path_and_no_key_breaks_the_interface(measured, tail, key):
    headers = {"X-Api-Key": key, "If-None-Match": key}
    assert measured.client.get("/api/v1/things/" + quote(tail.lstrip("/"))).status_code < 500
    assert measured.client.get("/api/v1/latest", headers=headers).status_code in (200, 304, 401)
