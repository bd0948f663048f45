"""Two cities in one instance with the same keys of everything: what is one's never leaves by the other."""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
import time
import urllib.request
from urllib.parse import quote

import paho.mqtt.client as mqtt
import pytest
from listening import Ear
from paho.mqtt.enums import CallbackAPIVersion
from test_every_exit import EXITS, NO_DATA
from two_in_one import SHARE, WITHIN_S, Instance, Town, ask, opened, pairs

from udp.config import RESERVED

# Endless for whoever may listen: heard below.
_ENDLESS = ("/api/v1/live", "/api/v1/events/live")
_BANK = {"name": "Bank", "description": "Bank", "Locations": [{
    "name": "Markt", "description": "Mitte", "encodingType": "application/geo+json",
    "location": {"type": "Point", "coordinates": [7.31, 51.55]}}]}  # fmt: skip


@pytest.fixture(scope="module")
def towns(instance: Instance) -> tuple[Town, Town]:
    return instance.towns


def exits(town: Town) -> list[tuple[str, str]]:
    """(method, address) of every exit in the table, about the Things both cities have."""
    found = []
    for path, templates in EXITS.items():
        if path == "/mqtt" or path in _ENDLESS:
            continue
        for template in (templates[0].removeprefix("POST ") and one for one in templates):
            for key in ("mast-1/air_temperature", "gw-1/backlog_messages"):
                thing, _, measured = key.partition("/")
                address = template
                for name, value in {
                    "id": str(town.streams[key]), "thing": thing, "kind": "pole", "theme": "luft",
                    "property": measured, "time": "0",
                }.items():  # fmt: skip
                    address = address.replace(f"{{{name}}}", value)
                method, _, address = (
                    address.rpartition(" ") if address.startswith("POST ") else ("GET", "", address)
                )
                found.append((method, quote(address, safe="/?&=$()':;,.-_%")))
    return sorted({*found, *(("GET", one) for one in NO_DATA)})


@pytest.mark.parametrize("with_key", [False, True])
def test_no_exit_of_one_tells_anything_of_the_other(towns, with_key):
    for town, other in pairs(towns):
        everything = ""
        for method, address in exits(town):
            answer = town.ask(address, town.key if with_key else "", method, {} if method == "POST" else None)
            assert answer.status < 500 or answer.status in (501, 503), (address, answer.text)
            everything += answer.text
            found = [word for word in other.telling() if word in answer.text]
            assert not found, (town.name, address, found)
            for name, value in answer.headers.items():
                assert not any(word in value for word in other.telling()), (address, name, value)
        assert f"Mast {town.name}" in everything
        assert f"{town.value:g}" in everything, "what is open is told, else this proves nothing"
        assert (f"Gateway {town.name}" in everything) == with_key


def test_what_is_told_at_once_is_told_to_the_city_s_own(towns):
    for town, other in pairs(towns):
        answer = ""
        with urllib.request.urlopen(f"{town.door}{town.root}/api/v1/live", timeout=30) as live:
            while "data:" not in answer:
                answer += live.readline().decode()
        assert f"Mast {town.name}" in answer
        assert not [word for word in other.telling() if word in answer]


def test_keys_sessions_and_writes_of_one_are_nothing_to_the_other(towns):
    for town, other in pairs(towns):
        assert town.key != other.key
        for path in (
            "/api/v1/things",
            "/v1.1/Things",
            "/ngsi-ld/v1/entities?type=Thing",
            "/app/v1/near?near=51,7",
        ):
            assert town.ask(path, other.key).status == 401, path
        assert town.ask("/v1.1/Things", other.key, "POST", _BANK).status == 401
        assert town.ask("/metrics", town.key).status == 200
        assert town.ask("/metrics", other.key).status == 401
    other = towns[1]
    before = [town.ask("/v1.1/Things?$count=true&$top=0", town.key).json()["@iot.count"] for town in towns]
    made = other.ask("/v1.1/Things", other.key, "POST", _BANK)
    assert made.status == 201
    assert made.headers["Location"].startswith(f"{other.door}/herne/v1.1/Things(")
    after = [town.ask("/v1.1/Things?$count=true&$top=0", town.key).json()["@iot.count"] for town in towns]
    assert after == [before[0], before[1] + 1]
    assert (
        other.ask(made.headers["Location"].removeprefix(other.door + other.root), other.key, "DELETE").status
        == 200
    )


def test_a_proxy_with_tls_before_the_door_is_seen_by_every_city(towns):
    proxied = {"X_Forwarded_Proto": "https", "X_Forwarded_For": "93.184.216.35"}
    for town in towns:
        answer = town.ask(f"/betrieb/?schluessel={town.key}", **proxied)
        assert "; Secure" in answer.headers["Set-Cookie"]
        assert answer.headers["Strict-Transport-Security"]
        first = town.ask("/v1.1", **proxied).json()["value"][0]["url"]
        assert first.startswith(f"{town.door.replace('http', 'https', 1)}{town.root}/v1.1/")


def test_a_cookie_of_one_opens_nothing_at_the_other(towns):
    cookies = {town.name: opened(town) for town in towns}
    names = [one.partition("=")[0] for one in cookies.values()]
    assert names == ["udp_betrieb", "udp-herne_betrieb"]
    for town, other in pairs(towns):
        own, foreign = cookies[town.name], cookies[other.name]
        value = foreign.partition("=")[2]
        assert town.ask("/betrieb/", Cookie=own).status == 200
        assert town.ask("/betrieb/", Cookie=foreign).status == 401
        # Nor under the other name, as somebody would who writes cookies by hand.
        assert town.ask("/betrieb/", Cookie=f"{own.partition('=')[0]}={value}").status == 401


def test_the_operator_page_and_the_pages_name_their_city(towns):
    for town, other in pairs(towns):
        for path in ("/", "/betrieb/", "/opendata/", "/buerger/anmelden"):
            text = town.ask(path, town.key).text
            assert f'<span class="stadt">{town.name}</span>' in text or f"Stadtdaten {town.name}" in text, (
                path
            )
            assert other.name not in text, path


def test_descriptions_name_the_city_s_own_addresses(towns):
    for town in towns:
        described = town.ask("/api/openapi.json").json()
        assert described.get("servers", [{"url": ""}])[0]["url"] == town.root
        landing = town.ask("/v1.1").json()
        told = json.dumps(landing["serverSettings"])
        assert f"{town.root}/mqtt" in told
        entity = town.ask("/v1.1/Things?$top=1&$count=true").json()
        following = entity.get("@iot.nextLink", f"{town.door}{town.root}/v1.1/Things")
        assert following.startswith(f"{town.door}{town.root}/v1.1/Things")
        assert town.ask("/api/v1/nichts").json()["type"] == f"{town.root}/api#not-found"
    identifiers = [town.ask("/ngsi-ld/v1/entities?type=AirQualityObserved").json()[0]["id"] for town in towns]
    assert identifiers == [
        "urn:ngsi-ld:AirQualityObserved:mast-1",
        "urn:ngsi-ld:AirQualityObserved:herne:mast-1",
    ]


def test_a_city_nobody_has_is_refused_in_a_problem_document(towns):
    door = towns[0].door
    for path in ("/gladbeck/v1.1", "/gladbeck/api/v1/things", "/hernesued/v1.1/Things", "/gladbeck/"):
        answer = ask(door + path)
        assert answer.status == 404, path
        assert answer.headers.get_content_type() == "application/problem+json", path
        assert answer.json()["instance"] == path


def hear(ear: Ear, until: float) -> list[tuple[str, object]]:
    heard = []
    while not heard or heard[-1][1].get("result") != until:
        heard.append(ear.next())
    return heard


def test_a_subscriber_of_one_hears_nothing_of_the_other(towns):
    """Each has a listener of its own, and topics that begin with the city all the same."""
    ears = {}
    for town in towns:
        ear = ears[town.name] = Ear(town.mqtt_port, town.key)
        city = town.root.removeprefix("/")
        assert ear.subscribe("#", "+/+/Observations" if city else "+/Observations") == [1, 1]
    one, other = towns
    assert ears["Castrop"].subscribe("herne/v1.1/Observations", "herne/#") == [0x80, 0x80]
    assert ears["Herne"].subscribe("v1.1/Observations", "herne/v1.1/Observations") == [0x80, 1]
    for town, value in ((one, 12.5), (other, 23.75)):
        topic = f"v1.1/Datastreams({town.number})/Observations"
        mounted = f"{town.root.removeprefix('/')}/{topic}" if town.root else topic
        body = {"result": value}
        writer = Ear(town.mqtt_port, town.key, version=5)
        if town.root:
            assert writer.publish(topic, body)[0] == 0x90, "not below the city's prefix"
        assert writer.publish(mounted, body)[0] in (0, 0x10)
        writer.close()
    for town, value, foreign in ((one, 12.5, 23.75), (other, 23.75, 12.5)):
        heard = hear(ears[town.name], value)
        begins = f"{town.root.removeprefix('/')}/v1.1/" if town.root else "v1.1/"
        assert all(topic.startswith(begins) for topic, _ in heard), heard
        assert not any(foreign == said.get("result") for _, said in heard if isinstance(said, dict))
        ears[town.name].close()
    refused = Ear(one.mqtt_port, None)
    refused.close()


def test_a_key_of_the_other_city_is_refused_by_mqtt(towns):
    for town, other in pairs(towns):
        with pytest.raises(AssertionError):
            ear = Ear(town.mqtt_port, other.key)
            assert ear.connected == 0


def test_what_one_address_may_ask_is_counted_by_each_city(towns):
    one, other = towns
    caller = {"X_Forwarded_For": "93.184.216.34"}
    codes = []
    while 429 not in codes:  # a slow machine asks while the share grows again
        assert len(codes) < 10 * SHARE, "no share is counted"
        codes.append(one.ask("/app/v1/trees", **caller).status)
    assert len(codes) > SHARE
    assert set(codes[:-1]) == {200}
    assert other.ask("/app/v1/trees", **caller).status == 200


def test_browsers_hear_their_own_city_by_websocket_at_the_one_port(towns):
    heard = {}
    for town in towns:
        heard[town.name] = queue.Queue()
        ready = threading.Event()
        client = mqtt.Client(CallbackAPIVersion.VERSION2, transport="websockets")
        client.ws_set_options(path=f"{town.root}/mqtt")
        client.on_message = lambda _c, town_of, one: heard[town_of.name].put(
            (one.topic, json.loads(one.payload))
        )
        client.on_subscribe = lambda *_, ready=ready: ready.set()
        client.user_data_set(town)
        client.connect("127.0.0.1", int(town.door.rpartition(":")[2]))
        client.loop_start()
        town.client = client
        assert client.subscribe("#", 1)[0] == 0
        assert ready.wait(WITHIN_S)
    for town, value in zip(towns, (13.5, 24.5), strict=True):
        made = town.ask(f"/v1.1/Datastreams({town.number})/Observations", town.key, "POST", {"result": value})
        assert made.status == 201, made.text
    for town, value in zip(towns, (13.5, 24.5), strict=True):
        topic, told = heard[town.name].get(timeout=WITHIN_S)
        assert topic.startswith(f"{town.root}/v1.1/".lstrip("/"))
        assert told["result"] == value
        assert told["@iot.selfLink"].startswith(
            f"http://localhost:{town.door.rpartition(':')[2]}{town.root}/v1.1/"
        )
        town.client.disconnect()
        town.client.loop_stop()
        assert heard[town.name].empty()


@pytest.mark.parametrize("victim", [1, 0])
def test_one_city_may_die_and_the_other_goes_on(instance, towns, victim):
    dying, other = towns[victim], towns[1 - victim]
    number = instance.process_of(dying)
    os.kill(number, signal.SIGKILL)
    for _ in range(20):
        answer = other.ask("/api/v1/latest", other.key)
        assert answer.status == 200
        assert f"{other.name}" in answer.text
        away = dying.ask("/api/v1/latest")
        assert away.status in (200, 503)
        if away.status == 503:
            assert away.headers["Retry-After"]
            assert away.json()["type"] in (
                f"{dying.root}/api#city-away",
                f"{dying.root}/api#store-unavailable",
            )
    instance.wait(dying)
    deadline = time.monotonic() + WITHIN_S
    while instance.process_of(dying) == number:
        assert time.monotonic() < deadline
    assert instance.process.poll() is None


def test_no_city_can_hide_an_address_of_the_platform(towns):
    """Every first part of a route or of a page that is drawn is refused as a prefix."""
    names = {path.split("/")[1] for path in (*EXITS, *NO_DATA)}
    for town in towns:
        names |= {path.name for path in (town.folder / "pages").iterdir() if path.is_dir()}
    assert names - {""} <= RESERVED
