"""What was answered with 201 stands at the place its id names, whoever else writes that moment meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from starlette.testclient import TestClient

from udp.api.app import create_app
from udp.api.desk import Ports, Writable
from udp.datasets.source import PolicyFile
from udp.errors import StoreUnavailable
from udp.registry.sql import SqlRegistry
from udp.sensorthings import QualityRule
from udp.store.columns import Ints, Observations, Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

MOMENT = "2026-11-20T10:00:00Z"
AT = datetime.fromisoformat(MOMENT)
EVER = Period(AT - timedelta(days=1), AT + timedelta(days=1))


class Overtaken:
    """A store in which others write between a writer's look and its append, once per `others`."""

    def __init__(self, store: EmbeddedStore, *others: Callable[[Observations], Observations]) -> None:
        self._store = store
        self.others = list(others)
        self.down_after: int | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, batch: Observations) -> Ints:
        if self.others:
            self._store.append(self.others.pop(0)(batch))
        if self.down_after is not None:
            self.down_after -= 1
            if self.down_after < 0:
                raise StoreUnavailable("store: no room on the disk")
        return self._store.append(batch)


def another(result: float, revision: int = 0) -> Callable[[Observations], Observations]:
    """Of the first row's moment, as somebody else measured or corrected it."""

    def made(batch: Observations) -> Observations:
        return Observations.build(
            int(batch.datastream[0]), batch.phenomenon_time[:1], result,
            result_time=batch.phenomenon_time[:1], lead=batch.lead[:1], revision=revision,
        )  # fmt: skip

    return made


@pytest.fixture
def overtake(city):
    writer = city.client.app.state.sensorthings.writer

    def by(*others):
        writer.to = Writable(writer.to.database, Overtaken(city.store, *others))
        return writer.to.store

    return by


def send(city, method, path, body=None, *, status=201):
    url = path if path.startswith("http") else f"/v1.1/{path}"
    answer = city.client.request(method, url, json=body, headers=city.operator)
    assert answer.status_code == status, answer.text
    return answer


def get(city, path):
    return send(city, "GET", path, status=200).json()


def stream_of(city):
    number = city.ids["behaelter-1/fill_level"]
    return number, f"Datastreams({number})/Observations"


def said(result, **more):
    return {"phenomenonTime": MOMENT, "result": result, **more}


def results(city, path):
    found = get(city, f"{path}?$filter=phenomenonTime eq {MOMENT}&$orderby=id")
    return sorted(str(one["result"]) for one in found["value"])


@pytest.mark.parametrize("result", [4.5, "viel"])
def test_a_value_that_was_overtaken_stands_beside_the_quicker_one(city, overtake, result):
    number, path = stream_of(city)
    overtake(another(1.0), another(2.0))
    place = send(city, "POST", path, said(result)).headers["location"]
    assert get(city, place)["result"] == result
    assert get(city, place)["phenomenonTime"] == MOMENT
    assert city.store.read([number], EVER).result.tolist()[:2] == [1.0, 2.0]
    first = get(city, f"Observations('{number}-{round(AT.timestamp() * 1e6)}')")
    assert first["result"] == 1.0, "what was said of the overtaken one must not be told of the quicker one"


def test_the_same_observation_said_by_two_at_once_is_one(city, overtake):
    number, path = stream_of(city)
    overtake(another(4.5))
    body = said(4.5, resultTime=MOMENT)
    place = send(city, "POST", path, body).headers["location"]
    assert get(city, place)["result"] == 4.5
    assert city.store.read([number], EVER).result.tolist() == [4.5]


def test_in_a_list_only_the_overtaken_one_moves(city, overtake):
    number, _ = stream_of(city)
    overtake(another(1.0))
    group = {
        "Datastream": {"@iot.id": number}, "components": ["phenomenonTime", "result"],
        "dataArray": [[MOMENT, 4.5], ["2026-11-20T10:10:00Z", 5.5], [MOMENT, 6.5]],
    }  # fmt: skip
    places = send(city, "POST", "CreateObservations", [group]).json()
    assert [get(city, one)["result"] for one in places] == [4.5, 5.5, 6.5]
    assert sorted(city.store.read([number], EVER).result.tolist()) == [1.0, 4.5, 5.5, 6.5]


def test_a_change_that_was_overtaken_is_made_of_what_stands_then(city, overtake):
    """The replay's correction came between: what the change does not name stays as that says."""
    _, path = stream_of(city)
    place = send(city, "POST", path, said(4.5)).headers["location"]
    overtake(another(9.0, revision=1))
    send(city, "PATCH", place, {"resultTime": "2026-11-20T10:05:00Z"}, status=200)
    found = get(city, place)
    assert (found["result"], found["resultTime"]) == (9.0, "2026-11-20T10:05:00Z")


def test_a_result_corrected_by_two_at_once_is_what_was_answered_last(city, overtake):
    _, path = stream_of(city)
    place = send(city, "POST", path, said(4.5)).headers["location"]
    overtake(another(9.0, revision=1), another(10.0, revision=2))
    send(city, "PATCH", place, {"result": 7.5}, status=200)
    assert get(city, place)["result"] == 7.5


def test_what_is_deleted_while_it_is_corrected_is_gone(city, overtake):
    number, path = stream_of(city)
    place = send(city, "POST", path, said(4.5)).headers["location"]
    overtake(another(9.0, revision=1))
    send(city, "DELETE", place, status=200)
    send(city, "GET", place, status=404)
    assert city.store.read([number], EVER).rule.tolist() == [QualityRule.WITHDRAWN]


@pytest.mark.parametrize("after", [0, 1])
def test_what_was_refused_leaves_nothing(city, overtake, after):
    number, path = stream_of(city)
    store = overtake(*[another(1.0)] * after)
    store.down_after = after
    send(city, "POST", path, said("viel", parameters={"Trübung": "hoch"}), status=503)
    assert city.store.read([number], EVER).result.tolist() == [1.0] * after
    overtake()
    assert results(city, path) == ["1"] * after


def test_a_refused_change_leaves_what_was_said_before(city, overtake):
    _, path = stream_of(city)
    place = send(city, "POST", path, said("viel", parameters={"Trübung": "hoch"})).headers["location"]
    before = get(city, place)
    for method, body in (("PATCH", {"result": 7.5, "parameters": {}}), ("DELETE", None)):
        overtake().down_after = 0
        send(city, method, place, body, status=503)
        overtake()
        assert get(city, place) == before


def test_days_whose_values_were_deleted_by_retention_take_no_new_ones(city):
    number, path = stream_of(city)
    send(city, "POST", path, said(4.5))
    city.store.prune([number], AT + timedelta(days=1))
    refused = send(city, "POST", path, said(5.5), status=409).json()
    assert "2026-11-21" in refused["detail"]
    send(city, "POST", path, {"phenomenonTime": "2026-11-21T10:00:00Z", "result": 5.5})


def test_two_processes_that_write_the_same_moments_lose_nothing(city, tmp_path):
    """Two applications with their own connections on one register and one store."""
    number, path = stream_of(city)
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite", lambda: city.clock[0])
    store = EmbeddedStore(EmbeddedSettings(tmp_path / "store"), lambda: city.clock[0])
    ports = Ports(
        registry, store, city.ledger, city.keys, policy=PolicyFile(city.policy),
        now=lambda: city.clock[0], writing=Writable(registry.database, store),
    )  # fmt: skip
    with TestClient(create_app(ports)) as client:

        def write(one: int) -> tuple[str, Any]:
            by = client if one % 2 else city.client
            result = f"Wort {one}" if one % 3 == 0 else float(one)
            answer = by.post(f"/v1.1/{path}", json=said(result), headers=city.operator)
            assert answer.status_code == 201, answer.text
            return answer.headers["location"], result

        with ThreadPoolExecutor(6) as pool:
            written = list(pool.map(write, range(24)))
        assert len({place for place, _ in written}) == len(written)
        for place, result in written:
            assert get(city, place)["result"] == result
    assert len(city.store.read([number], EVER)) == len(written)
    store.close()
    registry.close()
