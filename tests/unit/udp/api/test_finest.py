"""A parking bay has no history finer than fifteen minutes: one negative test per exit."""

import asyncio
import csv
import io
import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from udp.api.current import coarsened, read_snapshot
from udp.api.view import Filter, Views, view_of
from udp.datasets.reading import read_policy
from udp.policy import OPERATOR, PUBLIC, Caller, Gate, Role
from udp.sensorthings import ObservedProperty, Unit

STEP = timedelta(minutes=15)
ODD = timedelta(minutes=7, seconds=13, microseconds=250_000)


@pytest.fixture
def bay(measured):
    """A bay that is taken and left at odd moments; the newest one 7 min 13.25 s ago."""
    before = measured.description
    stream = replace(
        before.datastreams[0], id=6, thing="bucht-1", key="parking_occupied", name="Stellplatz",
        unit=Unit("1", ""), expected_interval_s=300.0,
        observed_property=ObservedProperty("parking_occupied", "Stellplatz belegt", "tag:x"),
    )  # fmt: skip
    thing = replace(
        before.things[0], key="bucht-1", kind="parking_bay", theme="parken-und-laden", name="Bucht"
    )
    measured.registry.import_city(
        replace(before, things=(*before.things, thing), datastreams=(*before.datastreams, stream))
    )
    for number, one in measured.registry.inventory().datastreams.items():
        measured.ids[f"{one.thing}/{one.key}"] = number
    times = [measured.clock[0] - ODD - timedelta(minutes=20 * count) for count in range(30, -1, -1)]
    measured.measure("bucht-1/parking_occupied", times, [float(count % 2) for count in range(31)])
    return measured


def address(city, query=""):
    return f"/api/v1/datastreams/{city.ids['bucht-1/parking_occupied']}/observations{query}"


def whole(text):
    return datetime.fromisoformat(text).timestamp() % STEP.total_seconds() == 0


@pytest.mark.parametrize("role", [Role.PUBLIC, Role.METRICS])
def test_the_gate_knows_the_finest_step(bay, role):
    inventory = bay.registry.inventory()
    parking = bay.ids["bucht-1/parking_occupied"]
    gate = Gate(read_policy())
    limits = gate.admit(inventory, Caller(role)).limits
    assert list(limits) == [parking]
    assert limits[parking].time_step == STEP
    assert gate.admit(inventory, OPERATOR).limits == {}


@pytest.mark.parametrize("form", ["json", "csv"])
@pytest.mark.parametrize("every", ["", "&every=1s", "&every=5m", "&every=14m", "&every=16m", "&every=PT20M"])
def test_history_is_refused_where_it_is_finer_and_says_what_to_ask(bay, form, every):
    answer = bay.client.get(address(bay, f"?format={form}{every}"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert "every=15m" in answer.json()["detail"]


@pytest.mark.parametrize("every", ["15m", "30m", "45m", "1h", "P1D"])
def test_history_in_whole_steps_is_served(bay, every):
    answer = bay.client.get(address(bay, f"?every={every}")).json()
    assert answer["observations"]
    assert all(whole(one["start"]) for one in answer["observations"])
    rows = list(csv.DictReader(io.StringIO(bay.client.get(address(bay, f"?every={every}&format=csv")).text)))
    assert [row["start"] for row in rows] == [one["start"] for one in answer["observations"]]
    assert "phenomenon_time" not in rows[0]


def test_other_ends_do_not_cut_a_step_in_two(bay):
    """Else whoever asks with ever closer ends finds the very second."""
    found = set()
    for seconds in range(0, 900, 60):
        end = (bay.clock[0] - timedelta(hours=1) + timedelta(seconds=seconds + 1)).isoformat()[:-6]
        answer = bay.client.get(address(bay, f"?every=15m&from=2026-11-21T10:00:01Z&to={end}Z")).json()
        assert (whole(answer["from"]), whole(answer["to"])) == (True, True)
        found.add(json.dumps(answer["observations"]))
    assert len(found) == 1


def test_the_step_that_is_running_is_no_history_yet(bay):
    bay.clock[0] += timedelta(minutes=8)
    bay.measure("bucht-1/parking_occupied", [bay.clock[0] - timedelta(minutes=1)], [1.0])
    answer = bay.client.get(address(bay, "?every=15m&to=9999-12-31T23:59:59Z")).json()
    assert answer["to"] == "2026-11-21T12:00:00Z"
    bay.clock[0] += timedelta(minutes=7)
    after = bay.client.get(address(bay, "?every=15m")).json()
    assert after["observations"][-1]["start"] == "2026-11-21T12:00:00Z"


def test_current_values_tell_the_state_with_a_rounded_time(bay):
    (value,) = bay.client.get("/api/v1/latest?theme=parken-und-laden").json()["values"]
    assert (value["value"], value["phenomenon_time"], value["result_time"]) == (
        0.0, "2026-11-21T11:45:00Z", "2026-11-21T11:45:00Z",
    )  # fmt: skip
    assert (value["age_s"], value["stale"]) == (900, False)


def test_a_bay_turns_stale_on_a_step_and_never_too_early(bay):
    """The very second of it would tell the very second of the last value."""
    seen = []
    start = bay.clock[0]
    for minute in range(40):
        bay.clock[0] = start + timedelta(minutes=minute)
        (value,) = bay.client.get("/api/v1/latest?theme=parken-und-laden").json()["values"]
        seen.append(value["stale"])
    # Rounded to 11:45, and good for 10 min + one step: stale once 12:10 is over.
    assert seen == [minute > 10 for minute in range(40)]


def test_live_tells_no_odd_time_and_no_value_twice_in_a_step(bay):
    inventory = bay.registry.inventory()
    before = read_snapshot(bay.store, None)
    bay.measure("bucht-1/parking_occupied", [bay.clock[0] - timedelta(minutes=5)], [0.0])
    again = read_snapshot(bay.store, None)
    gate = Gate(read_policy())
    public = view_of(inventory, gate, PUBLIC)
    feed = bay.client.app.state.feed
    number = bay.ids["bucht-1/parking_occupied"]

    async def told(who, old, new):
        listener = await feed.join(who, Filter(thing="bucht-1"))
        first = listener.queue.get_nowait().decode()
        feed._tell(Views(inventory, gate, {}), old, new)
        rest = [] if listener.queue.empty() else [listener.queue.get_nowait().decode()]
        feed.close()
        return first, rest

    first, rest = asyncio.run(told(PUBLIC, before, again))
    assert '"phenomenon_time":"2026-11-21T11:45:00Z"' in first
    assert "11:55" not in first
    assert rest == []
    _, rest = asyncio.run(told(OPERATOR, before, again))
    assert '"phenomenon_time":"2026-11-21T11:55:00Z"' in rest[0]
    held = coarsened(public, again.observations)
    assert held.phenomenon_time[held.datastream == number].astype(str).tolist() == [
        "2026-11-21T11:45:00.000000"
    ]


def test_operators_see_what_was_measured(bay):
    answer = bay.client.get(address(bay), headers=bay.operator)
    assert len(answer.json()["observations"]) == 31
    assert answer.json()["datastream"]["finest_s"] is None
    assert bay.client.get(address(bay, "?every=5m&limit=1000"), headers=bay.operator).status_code == 200


def test_the_description_says_how_fine_it_is(bay):
    listed = bay.client.get("/api/v1/datastreams").json()["datastreams"]
    assert {one["observed_property"]["key"]: one["finest_s"] for one in listed} == {
        "parking_occupied": 900.0, "fill_level": None, "air_temperature": None,
    }  # fmt: skip
