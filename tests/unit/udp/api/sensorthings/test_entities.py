"""What stands in entities, where it comes from, and what stays the same."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from udp.api.late_store import LateStore
from udp.store.columns import Observations


def test_ids_survive_a_new_import_and_are_the_same_for_every_caller(ask, filled):
    before = {one["name"]: one["@iot.id"] for one in ask("Things", operator=True)["value"]}
    city = filled.description
    renamed = tuple(replace(one, name=one.name + "!") for one in reversed(city.things))
    filled.registry.import_city(replace(city, things=renamed))
    after = {one["name"].rstrip("!"): one["@iot.id"] for one in ask("Things", operator=True)["value"]}
    assert after == before
    public = {one["name"].rstrip("!"): one["@iot.id"] for one in ask("Things")["value"]}
    assert public.items() <= before.items()
    assert all(0 <= number < 2**53 for number in before.values())


def test_a_change_of_the_register_is_seen_at_once(ask, filled):
    city = filled.description
    filled.registry.import_city(replace(city, things=tuple(replace(one, name="neu") for one in city.things)))
    assert {one["name"] for one in ask("Things")["value"]} == {"neu"}


def test_forecasts_have_ids_of_their_own(ask, filled):
    number = filled.open_ids[0]
    ahead = np.datetime64((filled.clock[0] + timedelta(days=2)).replace(tzinfo=None), "us")
    filled.store.append(Observations.build(number, [ahead] * 3, [1.0, 2.0, 3.0], lead=[0, 3600, 7200]))
    found = ask(f"Datastreams({number})/Observations", filter="phenomenonTime eq 2026-11-23T12:00:00Z")[
        "value"
    ]
    assert [(one["result"], one.get("parameters")) for one in found] == [
        (1.0, None), (2.0, {"lead_s": 3600}), (3.0, {"lead_s": 7200})
    ]  # fmt: skip
    for one in found:
        assert ask(f"Observations('{one['@iot.id']}')") == one
        assert ask("Observations", filter=f"id eq '{one['@iot.id']}'")["value"] == [one]
    [newest] = ask(f"Datastreams({number})/Observations", orderby="phenomenonTime desc", top=1)["value"]
    assert newest == found[0]


def test_the_newest_of_an_expansion_may_be_a_forecast(ask):
    """The store's latest knows measurements only; the answer must be that of the plain question."""
    for stream in ask("Datastreams", expand="Observations($orderby=phenomenonTime desc;$top=1)")["value"]:
        [newest] = stream["Observations"]
        assert newest["parameters"] == {"lead_s": 3600}
        plain = ask(f"Datastreams({stream['@iot.id']})/Observations", orderby="phenomenonTime desc", top=1)
        assert plain["value"] == [newest]


def test_the_time_of_a_datastream_moves_with_its_observations_and_can_be_asked_for(ask, filled):
    number = filled.open_ids[0]
    before = ask(f"Datastreams({number})")["phenomenonTime"].split("/")
    late = filled.clock[0] + timedelta(days=9)
    filled.store.append(Observations.build(number, [np.datetime64(late.replace(tzinfo=None), "us")], [1.0]))
    assert ask(f"Datastreams({number})")["phenomenonTime"] == f"{before[0]}/2026-11-30T12:00:00Z"
    for path, condition, count in (
        ("Datastreams", "phenomenonTime ge 2026-11-01T00:00:00Z", 7),
        ("Datastreams", "phenomenonTime gt 2026-11-30T12:00:00Z", 0),
        ("Datastreams", "phenomenonTime lt 2026-11-30T12:00:00Z", 7),
        ("Things", "Datastreams/phenomenonTime le 2026-11-29T00:00:00Z", 4),
        ("Observations", "Datastream/phenomenonTime le 2026-11-29T00:00:00Z", 6 * 43),
        ("Observations", "phenomenonTime gt 2026-11-29T00:00:00Z/2026-11-29T12:00:00Z", 1),
        ("Observations", "phenomenonTime lt 2026-11-30T00:00:00Z/2026-11-30T12:00:00Z", 7 * 43),
    ):
        assert ask(path, filter=condition, count="true", top=0)["@iot.count"] == count, condition
    assert ask("Datastreams", orderby="phenomenonTime desc")["value"][0]["@iot.id"] != number
    ends = [one["phenomenonTime"] for one in ask("Datastreams", orderby="phenomenonTime")["value"]]
    assert ends == sorted(ends)


def test_a_correction_replaces_the_value_under_the_same_id(ask, filled):
    number = filled.open_ids[0]
    old = ask(f"Datastreams({number})/Observations", top=1)["value"][0]
    moment = np.datetime64(old["phenomenonTime"].rstrip("Z"), "us")
    filled.store.append(Observations.build(number, [moment], [77.5], revision=1, quality=1))
    new = ask(f"Observations('{old['@iot.id']}')")
    assert (new["@iot.id"], new["result"]) == (old["@iot.id"], 77.5)
    assert ask(f"Datastreams({number})/Observations", count="true", top=0)["@iot.count"] == 43


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        ("unitOfMeasurement/symbol", {"symbol": "%"}),
        ("unitOfMeasurement/symbol/$value", "%"),
        ("properties/lizenz", {"lizenz": "dl-de/zero-2-0"}),
    ],
)
def test_parts_of_properties(filled, tail, expected):
    number = filled.open_ids[0]
    answer = filled.client.get(f"/v1.1/Datastreams({number})/{tail}")
    assert answer.status_code == 200
    if isinstance(expected, str):
        assert answer.text == expected
        assert answer.headers["content-type"].startswith("text/plain")
    else:
        assert answer.json() == expected
    assert filled.client.get(f"/v1.1/Datastreams({number})/id").json() == {"id": number}


def test_a_property_without_a_value_has_no_content(filled):
    number = filled.open_ids[0]
    assert filled.client.get(f"/v1.1/Datastreams({number})/resultTime").status_code == 204
    assert filled.client.get(f"/v1.1/Datastreams({number})/properties/nothing").status_code == 404


def test_scripts_of_other_sites_may_read_and_nothing_is_executed(filled):
    answer = filled.client.get("/v1.1/Things", headers={"Origin": "https://geoportal.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert answer.headers["content-type"] == "application/json"


class Plain:
    """An engine with nothing but the port's five methods."""

    def __init__(self, store):
        self.append, self.read, self.latest, self.aggregate = (
            store.append,
            store.read,
            store.latest,
            store.aggregate,
        )


def test_an_engine_that_cannot_count_answers_for_few_and_refuses_for_many(filled, monkeypatch):
    desk = filled.client.app.state.desk
    number = filled.open_ids[0]
    address = f"/v1.1/Datastreams({number})/Observations?$count=true&$orderby=phenomenonTime desc&$top=5"
    known = filled.client.get(address).json()
    desk.ports = replace(desk.ports, store=LateStore(lambda: Plain(filled.store)))
    assert filled.client.get(address).json() == known
    assert filled.client.get("/v1.1/Observations?$count=true").status_code == 200
    assert "phenomenonTime" not in filled.client.get(f"/v1.1/Datastreams({number})").json()
    monkeypatch.setattr("udp.api.sensorthings.counting._MOST_READ_DAYS", 1000)
    refused = filled.client.get("/v1.1/Observations?$count=true")
    assert (refused.status_code, "one Datastream" in refused.text) == (413, True)
    assert filled.client.get(address).json() == known
    desk.ports = replace(desk.ports, store=LateStore(lambda: filled.store))
    assert "phenomenonTime" in filled.client.get(f"/v1.1/Datastreams({number})").json()
