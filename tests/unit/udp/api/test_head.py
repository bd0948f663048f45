"""HEAD is GET without content, on every route there is."""

import pytest

PATHS = (
    "/api", "/api/openapi.json", "/health", "/metrics", "/api/v1/things", "/api/v1/things/wetter-1",
    "/api/v1/datastreams", "/api/v1/datastreams/{number}", "/api/v1/datastreams/{number}/observations",
    "/api/v1/latest", "/api/v1/operations", "/api/v1/live", "/api/v1/policy",
    "/api/v1/events", "/api/v1/events/live", "/api/v1/devices", "/api/v1/devices/0000000000000001",
    "/api/v1/datastreams/{number}/forecast", "/api/v1/forecasts", "/api/v1/models", "/api/v1/cases",
    "/app/v1/near", "/app/v1/bins", "/app/v1/containers", "/app/v1/parking", "/app/v1/charging",
    "/app/v1/climate/now", "/app/v1/warnings", "/app/v1/trees",
    "/api/v1/weather-forecast",
    "/api/v1/history", "/api/v1/load-profiles", "/ngsi-ld/v1/entities", "/ngsi-ld/v1/entities/{identifier}",
    "/ngsi-ld/v1/temporal/entities/{identifier}", "/ngsi-ld/v1/types", "/ngsi-ld/v1/context.jsonld",
    "/opendata/catalog.{syntax}", "/opendata/{dataset}/{file}",
)  # fmt: skip


def concrete(path, city):
    number = city.ids["wetter-1/air_temperature"]
    return (
        path.replace("{number}", str(number))
        .replace("{key}", "wetter-1")
        .replace("{dev_eui}", "0000000000000001")
        .replace("{identifier}", "urn:ngsi-ld:WeatherObserved:wetter-1")
        .replace("{syntax}", "ttl")
        .replace("{dataset}", "luft")
        .replace("{file}", "2026-11.parquet")
    )


def test_every_route_of_the_interface_is_tried_here(measured):
    described = measured.client.get("/api/openapi.json").json()["paths"]
    readable = [path for path, verbs in described.items() if "get" in verbs]
    assert {concrete(one, measured) for one in readable} <= {concrete(one, measured) for one in PATHS}


@pytest.mark.parametrize("path", [one for one in PATHS if not one.endswith("/live")])
@pytest.mark.parametrize("key", [False, True])
def test_head_answers_like_get_without_content(measured, path, key):
    headers = measured.operator if key else {}
    address = concrete(path, measured)
    head, get = measured.client.head(address, headers=headers), measured.client.get(address, headers=headers)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert get.content
    for name in ("content-type", "etag", "cache-control", "content-security-policy", "www-authenticate"):
        assert head.headers.get(name) == get.headers.get(name)


def test_head_on_live_takes_no_place_and_ends(measured):
    answer = measured.client.head("/api/v1/live")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert measured.client.app.state.feed.listening == 0


def test_head_of_nothing_is_404_and_is_counted_as_head(measured):
    assert measured.client.head("/api/v1/erfunden").status_code == 404
    measured.client.head("/api/v1/things")
    assert 'method="HEAD",route="/api/v1/things",status="200"' in measured.client.get("/metrics").text
