"""Random filters, orders and pages against a slow evaluator that knows only the JSON and the standard.

The reference reads every entity once without a filter, and judges each by itself in plain Python.
"""
# ruff: noqa: E501 - tables of questions are read line by line

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_queries import (
    COMPARE,
    D_EXPAND,
    DATASTREAMS,
    O_EXPAND,
    OBSERVATIONS,
    infix,
    literal,
    prop,
    when,
)  # fmt: skip

EXAMPLES = settings(
    max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)  # fmt: skip


@pytest.fixture
def known(ask):
    """Everything, per caller, read once without any filter."""
    return {
        (name, operator): ask(name, operator=operator, top=10000, expand=expand)["value"]
        for name, expand in (("Observations", O_EXPAND), ("Datastreams", D_EXPAND))
        for operator in (False, True)
    }


def wanted(entities, condition):
    return [one["@iot.id"] for one in entities if condition.value(one) is True]


def ids(answer):
    return [one["@iot.id"] for one in answer["value"]]


@EXAMPLES
@given(condition=OBSERVATIONS, operator=st.booleans())
def test_observations(ask, known, condition, operator):
    answer = ask("Observations", operator=operator, filter=condition.text, top=10000, count="true")
    expected = wanted(known["Observations", operator], condition)
    assert ids(answer) == expected
    assert answer["@iot.count"] == len(expected)


@pytest.mark.parametrize("name", sorted(COMPARE))
@pytest.mark.parametrize("own", ["phenomenonTime", "resultTime"])
def test_edges_of_time(ask, known, name, own):
    """At the very times that occur, from both sides: what the store is asked for is half open."""
    entities = known["Observations", False]
    for moment in sorted({one[own] for one in entities})[::40]:
        edge = literal(moment, when(moment))
        for left, right in ((prop(own, when), edge), (edge, prop(own, when))):
            condition = infix(name, COMPARE[name], left, right)
            answer = ask("Observations", filter=f"{condition.text} and result lt 1000", top=10000)
            assert ids(answer) == wanted(entities, condition), condition.text


@EXAMPLES
@given(condition=DATASTREAMS, operator=st.booleans())
def test_datastreams(ask, known, condition, operator):
    answer = ask("Datastreams", operator=operator, filter=condition.text, count="true")
    expected = wanted(known["Datastreams", operator], condition)
    assert ids(answer) == expected
    assert answer["@iot.count"] == len(expected)


@EXAMPLES
@given(condition=DATASTREAMS)
def test_things_by_one_of_their_datastreams(ask, known, condition):
    """The condition on Datastreams, written from the Thing: one Datastream must fulfil all of it."""
    streams = known["Datastreams", False]
    text = condition.text
    for path in (
        "unitOfMeasurement/",
        "ObservedProperty/",
        "Sensor/",
        "properties/exp",
        "id",
        "name",
        "description",
    ):
        if path.rstrip("/") in ("id", "name", "description"):
            continue
        text = text.replace(path, "Datastreams/" + path)
    if any(
        word in condition.text for word in ("Thing/", " name", "(name", "description", " id", "(id", ",name")
    ):
        return
    answer = ask("Things", filter=text)
    expected = {one["Thing"]["@iot.id"] for one in streams if condition.value(one) is True}
    assert set(ids(answer)) == expected


KEYS = {
    "phenomenonTime": lambda one: when(one["phenomenonTime"]),
    "resultTime": lambda one: when(one["resultTime"]),
    "result": lambda one: one["result"],
    "resultQuality/quality": lambda one: one["resultQuality"]["quality"],
    "Datastream/name": lambda one: one["Datastream"]["name"],
    "Datastream/Thing/id": lambda one: one["Datastream"]["Thing"]["@iot.id"],
}


def identity(one):
    parts = [int(part) for part in one["@iot.id"].split("-")]
    return (*parts, 0)[:3]


@settings(EXAMPLES, max_examples=120)
@given(
    condition=st.one_of(st.none(), OBSERVATIONS),
    keys=st.lists(
        st.tuples(st.sampled_from(sorted(KEYS)), st.booleans()), max_size=2, unique_by=lambda one: one[0]
    ),
    top=st.integers(1, 60),
    skip=st.integers(0, 30),
    stream=st.booleans(),
)
def test_orders_and_pages(ask, known, filled, condition, keys, top, skip, stream):  # noqa: PLR0917 - drawn by name
    """Following the links gives every Observation once, in the order of the keys and then of identity."""
    entities = known["Observations", False]
    number = filled.open_ids[0]
    if stream:
        entities = [one for one in entities if one["Datastream"]["@iot.id"] == number]
    if condition is not None:
        entities = [one for one in entities if condition.value(one) is True]
    expected = sorted(entities, key=identity)
    for name, descending in reversed(keys):
        expected.sort(key=KEYS[name], reverse=descending)
    options = {"top": top, "skip": skip}
    if keys:
        options["orderby"] = ",".join(
            f"{name} {'desc' if descending else 'asc'}" for name, descending in keys
        )
    if condition is not None:
        options["filter"] = condition.text
    path = f"Datastreams({number})/Observations" if stream else "Observations"
    answer = ask(path, **options)
    found = ids(answer)
    for _ in range(400):
        assert len(answer["value"]) <= top
        if "@iot.nextLink" not in answer:
            break
        response = filled.client.get(answer["@iot.nextLink"])
        assert response.status_code == 200, response.text
        answer = response.json()
        found += ids(answer)
    assert found == [one["@iot.id"] for one in expected][skip:]
