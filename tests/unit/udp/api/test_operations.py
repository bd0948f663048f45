"""The operators' report tells signs of life of gateways and of wired modules."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from edge.wire.identifiers import GatewayEUI
from udp.api import columns_json
from udp.api.current import read_snapshot
from udp.api.operations import content
from udp.ledger.port import GatewayFreshness
from udp.registry.port import Channel, Inventory, WiredSensor

EUI = "0016C001F1500801"


def inventory_of(city: Any, **properties: str) -> Inventory:
    """The small city; its open stream stands for a module's, its internal one for statistics."""
    found: Inventory = city.registry.inventory()
    place = found.things["intern-1"]
    wired = {
        ("gw-rathaus", "gateway"): WiredSensor(
            "gw-rathaus", "gateway", "intern-1", (Channel(city.ids["intern-1/fill_level"], "packets"),)
        ),
        ("pole-1", "air"): WiredSensor(
            "pole-1", "air", "wetter-1", (Channel(city.ids["wetter-1/air_temperature"], "t"),)
        ),
    }
    things = dict(found.things) | {"intern-1": replace(place, properties=properties)}
    return replace(found, wired=wired, things=things)


def body(city: Any, inventory: Inventory, *gateways: GatewayFreshness) -> dict[str, Any]:
    report = replace(city.ledger.report(), gateways=gateways)
    snapshot = read_snapshot(city.store, None)
    return content(report, [], inventory, snapshot, city.clock[0], hearing=city.ledger.hearing())


def test_a_gateway_has_its_things_name_and_its_last_statistics(city: Any) -> None:
    at = city.clock[0] - timedelta(minutes=16)
    city.measure("intern-1/fill_level", [at], [1.0])
    heard = GatewayFreshness(EUI, at - timedelta(hours=1), 9)
    (row,) = body(city, inventory_of(city, gateway_eui=EUI.lower()), heard)["gateways"]
    assert (row["gateway"], row["thing_name"], row["agent"]) == (EUI, "Gateway Rathaus", "gw-rathaus")
    assert (row["last_stat_at"], row["stat_interval_s"]) == (columns_json.time(at), 3600.0)
    assert str(GatewayEUI.parse(row["gateway"])) == EUI


def test_a_gateway_nobody_was_heard_by_stands_there_once(city: Any) -> None:
    (row,) = body(city, inventory_of(city, gateway_eui=EUI.lower()))["gateways"]
    assert (row["gateway"], row["last_received_at"], row["receptions"]) == (EUI, None, 0)
    stranger = GatewayFreshness("ff" * 8, city.clock[0], 1)
    rows = body(city, inventory_of(city), stranger)["gateways"]
    assert [one["gateway"] for one in rows] == ["ff" * 8]


def test_a_modules_stream_is_stale_until_it_measures_again(city: Any) -> None:
    inventory = inventory_of(city)
    for age, stale in ((timedelta(hours=5), True), (timedelta(minutes=1), False)):
        city.measure("wetter-1/air_temperature", [city.clock[0] - age], [8.0])
        (module,) = body(city, inventory)["modules"]
        (stream,) = module["streams"]
        assert (module["agent"], module["sensor"], module["thing_name"]) == ("pole-1", "air", "Wetter")
        assert (stream["key"], stream["age_s"], stream["stale"]) == (
            "air_temperature", age.total_seconds(), stale,
        )  # fmt: skip
