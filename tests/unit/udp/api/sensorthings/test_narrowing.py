"""Conditions on results that the store sifts: rows, counts and orders are those of the reference."""
# ruff: noqa: E501 - tables of questions are read line by line

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_queries import COMPARE, O_EXPAND, O_PLAIN, conjunction, infix, literal, prop, when

from udp.api.sensorthings import narrowing

EXAMPLES = settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
FIGURES = st.one_of(st.integers(-60, 60).map(float), st.floats(-60, 60).map(lambda one: round(one, 1)))
LIMIT = st.builds(
    lambda name, value, turned: infix(
        name,
        COMPARE[name],
        *((literal(repr(value), value), prop("result")) if turned else (prop("result"), literal(repr(value), value))),
    ),
    st.sampled_from(sorted(COMPARE)),
    FIGURES,
    st.booleans(),
)  # fmt: skip
CONDITIONS = st.one_of(
    LIMIT,
    st.builds(lambda a, b: infix("and", conjunction, a, b), LIMIT, LIMIT),
    st.builds(lambda a, b: infix("and", conjunction, a, b), LIMIT, O_PLAIN),
)


@pytest.fixture(autouse=True)
def sifting_always(monkeypatch):
    monkeypatch.setattr(narrowing, "_FEW", 0)


@pytest.fixture
def known(ask):
    return ask("Observations", top=10000, expand=O_EXPAND)["value"]


def identity(one):
    parts = [int(part) for part in one["@iot.id"].split("-")]
    return (*parts, 0)[:3]


@EXAMPLES
@given(
    condition=st.one_of(st.none(), CONDITIONS),
    order=st.sampled_from(["", "result asc", "result desc", "phenomenonTime desc", "result desc,phenomenonTime"]),
    top=st.integers(20, 90),
    skip=st.integers(0, 40),
)  # fmt: skip
def test_pages_counts_and_orders(ask, known, filled, condition, order, top, skip):  # noqa: PLR0917 - drawn by name
    expected = sorted(
        (one for one in known if condition is None or condition.value(one) is True), key=identity
    )
    for part in reversed(order.split(",") if order else []):
        name, _, direction = part.partition(" ")
        value = (
            (lambda one: when(one["phenomenonTime"]))
            if name == "phenomenonTime"
            else (lambda one: one["result"])
        )
        expected.sort(key=value, reverse=direction == "desc")
    options = {"top": top, "skip": skip, "count": "true"}
    if condition is not None:
        options["filter"] = condition.text
    if order:
        options["orderby"] = order
    answer = ask("Observations", **options)
    assert answer["@iot.count"] == len(expected)
    found = [one["@iot.id"] for one in answer["value"]]
    while "@iot.nextLink" in answer:
        answer = filled.client.get(answer["@iot.nextLink"]).json()
        found += [one["@iot.id"] for one in answer["value"]]
    assert found == [one["@iot.id"] for one in expected][skip:]
