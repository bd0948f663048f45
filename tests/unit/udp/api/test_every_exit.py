# ruff: noqa: E501 - tables of exits are read line by line
"""Every exit there is, asked by everybody, about everything that is closed: nothing may come out.

Whoever adds a route adds it to EXITS (or, with a reason, to NO_DATA); the first tests see to it.
"""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from fastapi.routing import APIRoute
from listening import Ear
from starlette.routing import Mount, Route, WebSocketRoute

from dashboards.grafana.boards import all_boards
from udp.api import desk
from udp.api.view import Filter
from udp.auth import KeyWish
from udp.policy import PUBLIC, Caller, Role
from udp.registry.port import CityDescription
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit

ZERO = "dl-de/zero-2-0"
SECRET = 4711.25

# Why it is closed -> kind, theme, observed property, access by the city file, properties of the Thing.
CLOSED = {
    "zaehler": ("meter", "energie", "energy", Access.OPEN, {}),
    "zaehler-im-verzeichnis": ("meter", "energie", "volume", Access.INTERNAL, {}),
    "klassenraum": ("school_room", "schulen", "co2", Access.OPEN, {}),
    "pumpwerk": ("pump_station", "regen-und-baeche", "sewer_level", Access.OPEN, {}),
    "gateway": ("gateway", "netz", "packets_lost", Access.OPEN, {}),
    "batterie": ("pole", "luft", "battery_voltage", Access.OPEN, {}),
    "gesperrt": ("pole", "luft", "no2", Access.RESTRICTED, {}),
    "ohne-eintrag": ("sonde", "kein-thema", "radiation", Access.OPEN, {}),
    "wohnung": ("flat", "wohnen", "heat", Access.OPEN, {"users": 3.0}),
}
SMALL = """
[[dataset]]
key = "wohnen"
title = "Wohnen"
description = "Verbrauch je Gebäude"
select = [{ theme = "wohnen" }]
owner = "o"
purpose = "p"
legal_basis = "l"
access = "open"
licence = "dl-de/zero-2-0"
outside = { time_step = "1d", current = "step", minimum_users = 10 }
retention = { raw = "unlimited", values = "unlimited", aggregates = "unlimited" }
"""

# Route -> what to ask of it; {id}, {thing} and {property} are those of a closed series.
EXITS = {
    "/api/v1/things": ["/api/v1/things", "/api/v1/things?format=geojson", "/api/v1/things?kind={kind}"],
    "/api/v1/things/{key}": ["/api/v1/things/{thing}", "/api/v1/things/offen-luft"],
    "/api/v1/datastreams": ["/api/v1/datastreams", "/api/v1/datastreams?observed_property={property}", "/api/v1/datastreams?thing={thing}"],
    "/api/v1/datastreams/{number}": ["/api/v1/datastreams/{id}"],
    "/api/v1/datastreams/{number}/observations": [
        "/api/v1/datastreams/{id}/observations", "/api/v1/datastreams/{id}/observations?format=csv",
        "/api/v1/datastreams/{id}/observations?every=1d", "/api/v1/datastreams/{id}/observations?every=1d&format=csv&functions=count",
    ],
    "/api/v1/history": [
        "/api/v1/history", "/api/v1/history?across=all&observed_property={property}", "/api/v1/history?thing={thing}&value=max&every=1d",
        "/api/v1/history?observed_property={property}&across=district&points=10", "/api/v1/history?theme={theme}&kind=*&value=rise",
    ],
    "/api/v1/load-profiles": [
        "/api/v1/load-profiles", "/api/v1/load-profiles?thing={thing}&every=1h", "/api/v1/load-profiles?every=readings",
        "/api/v1/load-profiles?thing={thing}&every=readings&from=2026-11-01",
    ],
    "/api/v1/latest": ["/api/v1/latest", "/api/v1/latest?theme={theme}"],
    "/api/v1/live": ["SSE"],
    "/api/v1/operations": ["/api/v1/operations"],
    "/api/v1/policy": ["/api/v1/policy"],
    "/api/v1/events": ["/api/v1/events", "/api/v1/events?state=all"],
    "/api/v1/events/live": ["/api/v1/events/live"],
    "/api/v1/forecasts": ["/api/v1/forecasts", "/api/v1/forecasts?thing={thing}"],
    "/api/v1/datastreams/{number}/forecast": ["/api/v1/datastreams/{id}/forecast"],
    "/api/v1/models": ["/api/v1/models"],
    "/api/v1/cases": ["/api/v1/cases", "/api/v1/cases?all=true"],
    "/api/v1/weather-forecast": ["/api/v1/weather-forecast"],
    "/api/v1/cases/{number}/verdict": ["POST /api/v1/cases/{id}/verdict"],
    "/api/v1/devices": ["/api/v1/devices"],
    "/api/v1/devices/{dev_eui}": ["/api/v1/devices/0000000000000001"],
    "/v1.1": ["/v1.1"],
    "/v1.1/{path:path}": [
        "/v1.1/Things?$count=true", "/v1.1/Datastreams?$count=true&$top=1000", "/v1.1/Sensors?$count=true", "/v1.1/ObservedProperties?$count=true",
        "/v1.1/Locations?$expand=Things/Datastreams/Observations", "/v1.1/FeaturesOfInterest?$expand=Observations/Datastream",
        "/v1.1/Observations?$filter=result gt 4000&$count=true", "/v1.1/Observations?$orderby=result desc&$top=3",
        "/v1.1/Observations?$filter=Datastream/Thing/name ne 'x'&$orderby=Datastream/name&$expand=Datastream/Thing",
        "/v1.1/Things?$filter=Datastreams/Observations/result gt 4000", "/v1.1/Things?$expand=Datastreams($expand=Observations($filter=result gt 4000;$count=true))",
        "/v1.1/Datastreams({id})", "/v1.1/Datastreams({id})/Observations", "/v1.1/Datastreams({id})/Thing/name/$value",
        "/v1.1/Datastreams({id})/Observations/$ref", "/v1.1/Observations?$resultFormat=dataArray&$top=1000",
        "/v1.1/ObservedProperties?$filter=name eq '{property}'&$count=true", "/v1.1/Things?$select=name&$orderby=name desc",
        "/v1.1/Datastreams?$filter=id eq {id}&$count=true", "/v1.1/Datastreams?$orderby=Thing/properties/users desc&$expand=Thing",
    ],
    "/mqtt": [
        "#", "v1.1/#", "v1.1/+", "v1.1/+/Observations", "v1.1/Things/#", "+/Datastreams", "v1.1/+/name", "v1.1/Observations", "v1.1/Things",
        "v1.1/Locations", "v1.1/Datastreams", "v1.1/Sensors", "v1.1/ObservedProperties", "v1.1/FeaturesOfInterest", "v1.1/HistoricalLocations",
        "v1.1/Observations?$select=result,phenomenonTime", "v1.1/Observations?$expand=Datastream", "v1.1/Things?$filter=name ne 'x'",
        "v1.1/Datastreams?$orderby=name&$expand=Thing", "$SYS/#", "$SYS/broker/clients/connected", "$share/all/v1.1/Observations", "udp/v1/+/up",
        "application/+/device/+/event/+", "v1.1/Datastreams({id})", "v1.1/Datastreams({id})/Observations", "v1.1/Datastreams({id})/#",
        "v1.1/Datastreams({id})/+", "v1.1/Datastreams({id})/Thing/name", "v1.1/Datastreams({id})/Observations?$select=result",
        "v1.1/Observations('{id}-{time}')/result",
    ],
    "/app/v1/near": ["/app/v1/near?near=51.1,7.1", "/app/v1/near?near=51.1,7.1&limit=500"],
    "/app/v1/bins": ["/app/v1/bins", "/app/v1/bins?near=51.1,7.1"],
    "/app/v1/containers": ["/app/v1/containers", "/app/v1/containers?near=51.1,7.1"],
    "/app/v1/parking": ["/app/v1/parking"],
    "/app/v1/charging": ["/app/v1/charging"],
    "/app/v1/climate/now": ["/app/v1/climate/now", "/app/v1/climate/now?near=51.1,7.1"],
    "/app/v1/warnings": ["/app/v1/warnings"],
    "/app/v1/trees": ["/app/v1/trees"],
    "/ngsi-ld/v1/entities": [
        "/ngsi-ld/v1/entities?type=Thing&limit=1000", "/ngsi-ld/v1/entities?type=AirQualityObserved,WeatherObserved,IndoorEnvironmentObserved",
        "/ngsi-ld/v1/entities?attrs={property}&count=true", "/ngsi-ld/v1/entities?id=urn:ngsi-ld:Thing:{thing}&options=keyValues",
        "/ngsi-ld/v1/entities?attrs=pm10,no2,co2,energy,heat",
    ],
    "/ngsi-ld/v1/entities/{identifier}": ["/ngsi-ld/v1/entities/urn:ngsi-ld:Thing:{thing}", "/ngsi-ld/v1/entities/urn:ngsi-ld:AirQualityObserved:{thing}"],
    "/ngsi-ld/v1/temporal/entities/{identifier}": ["/ngsi-ld/v1/temporal/entities/urn:ngsi-ld:Thing:{thing}", "/ngsi-ld/v1/temporal/entities/urn:ngsi-ld:AirQualityObserved:{thing}"],
    "/ngsi-ld/v1/types": ["/ngsi-ld/v1/types"],
    "/ngsi-ld/v1/context.jsonld": ["/ngsi-ld/v1/context.jsonld"],
    "/opendata": ["/opendata"],
    "/opendata/": ["/opendata/"],
    "/opendata/catalog": ["/opendata/catalog"],
    "/opendata/catalog.{syntax}": ["/opendata/catalog.ttl", "/opendata/catalog.rdf", "/opendata/catalog.jsonld"],
    "/opendata/{dataset}": ["/opendata/luft", "/opendata/wohnen"],
    "/opendata/{dataset}/": ["/opendata/luft/", "/opendata/regen-und-baeche/", "/opendata/wohnen/"],
    "/opendata/{dataset}/{file}": ["/opendata/luft/2026-11.parquet", "/opendata/wohnen/2026-11.csv.gz.sha256"],
    "/health": ["/health"],
    "/metrics": ["/metrics"],
}  # fmt: skip
# Routes that tell nothing of the city's data, and why they need not ask.
NO_DATA = {
    "/api": "the list of addresses and refusals",
    "/api/openapi.json": "the description of the interface",
    "/anmelden": "the way to the sign-in provider",
    "/anmelden/zurueck": "the way back from it",
    "/anmelden/einmal": "a one-time link",
    "/konto": "who one is oneself",
    "/abmelden": "the way out",
    "/": "finished pages: drawn from the public's answers, the operators' behind their lock (test_pages.py)",
}


def routes(app):
    found = {}
    for one in flat(app.routes):
        assert isinstance(one, APIRoute | Mount | Route | WebSocketRoute), one
        found.setdefault(one.path or "/", []).append(one)
    return found


def flat(listed):
    """FastAPI keeps included routers as they are."""
    for one in listed:
        yield from flat(one.original_router.routes) if hasattr(one, "original_router") else [one]


def asks_the_gate(dependant):
    return dependant.call is desk.caller or any(asks_the_gate(one) for one in dependant.dependencies)


def test_every_route_stands_in_one_of_the_tables(city):
    assert set(routes(city.client.app)) == EXITS.keys() | NO_DATA.keys()
    assert not EXITS.keys() & NO_DATA.keys()


def test_grafana_is_no_exit_of_its_own(city):
    """Its boards ask addresses of this table with a key of the climate team, and nothing reaches the store."""
    asked = set()
    for board in all_boards():
        asked |= {
            one.question.path for one in (*board.panels, *board.variables, *board.annotations) if one.question
        }
    assert len(asked) > 5
    assert {one.replace("${messreihe}", "{number}") for one in asked} <= EXITS.keys()


def test_every_exit_asks_who_is_there(city):
    for path, found in routes(city.client.app).items():
        for one in found:
            # Who speaks MQTT says who he is within it, and is heard below. OPTIONS tells methods by the
            # wording of the path alone (RFC 9110, 9.3.7).
            if path in EXITS and path != "/mqtt" and one.methods != {"OPTIONS"}:
                assert isinstance(one, APIRoute), path
                assert asks_the_gate(one.dependant), f"{path} never asks the gate"


@pytest.fixture
def town(city):
    """One open Thing, and one for each reason to be closed; all with the same telling value."""
    things, streams = [], []

    def add(key, told):
        kind, theme, measures, access, properties = told
        name = f"Geheim {key}" if key in CLOSED else f"Offen {key}"
        place = Location(51.1, 7.1, "xanten" if key in CLOSED else "castrop", "X")
        things.append(Thing(key, name, kind, theme, place, simulated=True, properties=properties))
        streams.append(
            Datastream(len(streams), measures, f"Reihe {key}", key, f"Fühler {key}",
                       ObservedProperty(measures, f"Größe {measures}", ""), Unit("1", "1"), access,
                       None if access is Access.OPEN else "personal", ZERO if access is Access.OPEN else "", 600.0)
        )  # fmt: skip

    add("offen-luft", ("pole", "luft", "pm10", Access.OPEN, {}))
    for key, told in CLOSED.items():
        add(key, told)
    city.registry.import_city(CityDescription("Stadt", True, tuple(things), tuple(streams), (), ()))
    with city.policy.open("a", encoding="utf-8") as file:
        file.write(SMALL)
    city.ids = {one.thing: number for number, one in city.registry.inventory().datastreams.items()}
    for key, number in tuple(city.ids.items()):
        city.ids[f"{key}/x"] = number
        times = [city.clock[0] - timedelta(hours=count, minutes=3) for count in range(5)]
        city.measure(f"{key}/x", times, [SECRET if key in CLOSED else 1.5] * 5)
        city.measure(f"{key}/x", [city.clock[0]], [SECRET if key in CLOSED else 1.5])
    return city


def everybody(town):
    """All who must see no more than the public of what CLOSED holds."""

    def key(**wish):
        return {"X-Api-Key": town.keys.make(KeyWish(**wish))}

    return {
        "nobody": ({}, PUBLIC),
        "an app": (key(role=Role.APP), Caller(Role.APP)),
        "a hobbyist": (key(role=Role.HOBBYIST), Caller(Role.HOBBYIST)),
        "the climate team": (key(role=Role.CLIMATE), Caller(Role.CLIMATE)),
        "a scraper": (key(role=Role.METRICS), Caller(Role.METRICS)),
        "an operator's key for the weather": (key(role=Role.OPERATOR, datasets=("wetter",)), Caller(Role.OPERATOR, frozenset({"wetter"}))),
    }  # fmt: skip


def telling(key, number):
    """What must not come out: its value, names, ids."""
    measures = CLOSED[key][2]
    return ["4711", f"Geheim {key}", f"Reihe {key}", f"Fühler {key}", f"Größe {measures}", f"Datastreams({number})",
            f"datastreams/{number}\"", "xanten", f'"thing":"{key}"']  # fmt: skip


def listen(town, caller):
    async def first():
        feed = town.client.app.state.feed
        listener = await feed.join(caller, Filter())
        text = listener.queue.get_nowait().decode()
        feed.close()
        return text

    return asyncio.run(first())


def test_nothing_that_is_closed_comes_out_by_mqtt(town):
    listeners = {who: headers.get("X-Api-Key") for who, (headers, _) in everybody(town).items()}
    listeners["the operator"] = town.operator["Authorization"].partition(" ")[2]
    time_us = int(town.clock[0].timestamp()) * 1_000_000
    wanted = sorted(
        {
            template.replace("{id}", str(town.ids[key])).replace("{time}", str(time_us))
            for template in EXITS["/mqtt"]
            for key in CLOSED
        }
    )
    ears = {who: Ear(town.mqtt_port(), key) for who, key in listeners.items()}
    granted = {who: dict(zip(wanted, one.subscribe(*wanted), strict=True)) for who, one in ears.items()}
    for who, codes in granted.items():
        refused = {topic for topic, code in codes.items() if code == 0x80}
        closed = {one for one in wanted if "(" in one and "#" not in one and "+" not in one}
        never = {
            one
            for one in wanted
            if one[:4] in ("$SYS", "$sha", "udp/", "appl") or ("=" in one and "select" not in one)
        }
        assert refused == (never if who == "the operator" else never | closed), (
            who,
            refused ^ (never | closed),
        )
    things = tuple(
        replace(
            one,
            name=f"{one.name} umbenannt",
            properties={**one.properties, "neu": "4711" if one.key in CLOSED else "ja"},
        )
        for one in town.registry.inventory().things.values()
    )
    streams = tuple(town.registry.inventory().datastreams.values())
    town.registry.import_city(CityDescription("Stadt", True, things, streams, (), ()))
    town.clock[0] += timedelta(minutes=1)
    for key in CLOSED:
        town.measure(f"{key}/x", [town.clock[0], town.clock[0] - timedelta(minutes=1)], [SECRET, SECRET])
    town.measure("offen-luft/x", [town.clock[0]], [1.625])
    for who, one in ears.items():
        heard = []
        while (
            not heard
            or heard[-1] != ("v1.1/Observations?$select=result,phenomenonTime", heard[-1][1])
            or heard[-1][1]["result"] != 1.625
        ):
            heard.append(one.next())
        text = "\n".join(f"{topic} {json.dumps(told, ensure_ascii=False)}" for topic, told in heard)
        assert "Offen offen-luft umbenannt" in text, "what is open is told, else this proves nothing"
        for key in CLOSED:
            found = [word for word in telling(key, town.ids[key]) if word in text]
            assert not found or who == "the operator", (who, key, found)
            assert who != "the operator" or {"4711", f"Geheim {key}", f"Datastreams({town.ids[key]})"} <= {
                *found
            }, key
        one.close()


@pytest.mark.parametrize("path", [one for one in EXITS if one != "/mqtt"])
def test_nothing_that_is_closed_comes_out(town, path):
    asked = 0
    for who, (headers, caller) in everybody(town).items():
        for key, (kind, theme, measures, _, _) in CLOSED.items():
            number = town.ids[key]
            for template in EXITS[path]:
                if template == "SSE":
                    text = listen(town, caller)
                else:
                    address = template
                    for name, value in {
                        "id": number,
                        "thing": key,
                        "kind": kind,
                        "theme": theme,
                        "property": measures,
                    }.items():
                        address = address.replace(f"{{{name}}}", str(value))
                    method, _, address = (
                        address.rpartition(" ") if address.startswith("POST ") else ("GET", "", address)
                    )
                    answer = town.client.request(
                        method,
                        address,
                        headers=headers,
                        json={"verdict": "fine"} if method == "POST" else None,
                    )
                    assert answer.status_code < 500 or answer.status_code == 501, (who, address, answer.text)
                    text = answer.text
                    if answer.status_code >= 400:
                        assert answer.json()["status"] == answer.status_code
                        # A refusal repeats what was asked for, and nothing else.
                        text = text.replace(f"Datastreams({number})", "").replace(
                            f'datastreams/{number}"', ""
                        )
                    if "$count" in address and answer.status_code == 200 and "@iot.count" in text:
                        assert answer.json().get("@iot.count", 0) in (0, 1, 6), (who, address)
                found = [word for word in telling(key, number) if word in text]
                assert not found, (who, template, found)
                asked += 1
    assert asked == len(EXITS[path]) * len(CLOSED) * 6


def test_operators_see_all_of_it_else_the_table_proves_nothing(town):
    texts = {
        path: "".join(
            listen(town, Caller(Role.OPERATOR))
            if template == "SSE"
            else town.client.get(
                template.replace("{id}", str(town.ids["zaehler"])).replace("{thing}", "zaehler"),
                headers=town.operator,
            ).text
            for template in addresses
        )
        for path, addresses in EXITS.items()
        # The first never ends for whoever may listen; the second was heard above.
        if path not in ("/api/v1/events/live", "/mqtt")
    }
    for path in ("/api/v1/things", "/api/v1/things/{key}", "/api/v1/datastreams", "/api/v1/datastreams/{number}",
                 "/api/v1/latest", "/api/v1/live", "/v1.1/{path:path}", "/ngsi-ld/v1/entities/{identifier}"):  # fmt: skip
        assert "zaehler" in texts[path], path
    for path in (
        "/api/v1/datastreams/{number}/observations",
        "/api/v1/history",
        "/api/v1/load-profiles",
        "/api/v1/latest",
        "/api/v1/live",
        "/v1.1/{path:path}",
    ):
        assert "4711" in texts[path], path
