"""Conditions on results that the store sifts: rows, counts and orders are those of the reference."""
# ruff: noqa: E501 - tables of questions are read line by line

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_queries import COMPARE, O_EXPAND, O_PLAIN, conjunction, infix, literal, prop, when

from udp.api.sensorthings import harvest, narrowing
from udp.store.columns import Observations
from udp.store.embedded.store import EmbeddedStore

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


@pytest.mark.parametrize("direction", ["desc", "asc"])
def test_what_lies_between_rare_results_is_not_read(ask, filled, monkeypatch, direction):
    stream, now = filled.open_ids[0], np.datetime64(filled.clock[0].replace(tzinfo=None), "us")
    times = now - (np.arange(7000) * 15).astype("timedelta64[s]")
    rare = now - np.array([3, 22, 29], "timedelta64[h]") - np.timedelta64(1, "s")
    filled.store.append(Observations.build(stream, times, 0.0))
    filled.store.append(Observations.build(stream, np.sort(rare), 1e7))
    read, real = [], EmbeddedStore.read

    def noted(self, *given):
        read.append(real(self, *given))
        return read[-1]

    monkeypatch.setattr(EmbeddedStore, "read", noted)
    monkeypatch.setattr(harvest, "_MOST_AT_ONCE", 50)  # a window of some hours
    options = {"filter": "result gt 1000000", "orderby": f"phenomenonTime {direction}", "count": "true"}
    found = ask("Observations", top=2, **options)
    ordered = np.sort(rare) if direction == "asc" else np.sort(rare)[::-1]
    said = [when(one["phenomenonTime"]).replace(tzinfo=None) for one in found["value"]]
    assert found["@iot.count"] == 3 and [np.datetime64(one, "us") for one in said] == ordered[:2].tolist()
    assert sum(map(len, read)) < 2500
