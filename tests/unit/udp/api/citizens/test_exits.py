"""Names and addresses leave by no exit; values of citizens say so at every one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from udp.sensorthings import QualityRule

from .conftest import MAIL, NAME, NOW, OPERATOR, Town, hours

PUBLIC = (
    "/api/v1/things", "/api/v1/things?format=geojson", "/api/v1/things/{project}-1", "/api/v1/datastreams",
    "/api/v1/datastreams/{stream}", "/api/v1/datastreams/{stream}/observations",
    "/api/v1/datastreams/{stream}/observations?format=csv",
    "/api/v1/datastreams/{stream}/observations?every=1h",
    "/api/v1/datastreams/{stream}/plausibility", "/api/v1/latest", "/api/v1/citizens/offer", "/api/v1/policy",
    "/api/openapi.json", "/api", "/health", "/metrics", "/mitmachen/", "/buerger/anmelden",
    "/v1.1/Things?$expand=Locations,Datastreams/Observations", "/v1.1/Datastreams?$expand=Thing,Sensor",
    "/v1.1/Observations?$expand=Datastream,FeatureOfInterest", "/v1.1/Observations?$resultFormat=dataArray",
    "/v1.1/FeaturesOfInterest", "/v1.1/Sensors",
)  # fmt: skip
TRACES = (NAME, "Geheim", MAIL, "beispiel.de", "link_", "ttn_", "51.58312", "7.35111", "70B3D57ED0000001")


def filled(path: str, project: str, stream: int) -> str:
    return path.replace("{project}", project).replace("{stream}", str(stream))


@pytest.mark.parametrize("path", PUBLIC)
def test_no_public_exit_tells_who_it_is_or_exactly_where(town: Town, path: str) -> None:
    project, secret, stream = town.approved()
    town.measure(stream, hours(30, 10.0))
    town.client.post("/api/v1/citizens/mine/webhook-key", headers={"Authorization": f"Bearer {secret}"})
    answer = town.client.get(filled(path, project, stream))
    assert answer.status_code in (200, 404)
    assert answer.status_code == 200 or path == "/mitmachen/"
    text = answer.text + repr(answer.headers)
    if path in ("/buerger/anmelden",):
        text = text.replace("link_", "").replace("name@beispiel.de", "")
    assert [one for one in TRACES if one in text and one != "beispiel.de"] == []


def test_the_live_feed_says_whose_value_it_is_and_nothing_of_its_owner(town: Town) -> None:
    project, _, stream = town.approved()
    town.measure(stream, {NOW - timedelta(minutes=2): 11.0})
    latest = town.client.get("/api/v1/latest").text
    labels = [one for one in latest.splitlines() if f'"thing":"{project}-1"' in one]
    assert len(labels) == 1
    assert '"citizen":true,"notice":"Bürgersensor, ungeprüft"' in labels[0]
    assert '"rule":"citizen"' in labels[0]


@pytest.mark.parametrize("rule", [QualityRule.CITIZEN, QualityRule.STEP])
def test_every_exit_with_values_says_so_whatever_the_rule_found(town: Town, rule: QualityRule) -> None:
    _, _, stream = town.approved()
    town.measure(stream, {NOW - timedelta(minutes=2): 11.0}, rule)
    notice = "Bürgersensor, ungeprüft"
    base = f"/api/v1/datastreams/{stream}/observations"
    csv = town.client.get(f"{base}?format=csv").text
    assert notice in csv
    assert notice in town.client.get(f"{base}?format=csv&every=1h").text
    assert town.client.get(base).json()["datastream"]["notice"] == notice
    (value,) = town.client.get(f"/v1.1/Datastreams({stream})/Observations").json()["value"]
    assert value["resultQuality"]["notice"] == notice
    array = town.client.get("/v1.1/Observations?$resultFormat=dataArray").json()["value"]
    assert notice in str(array)
    thing = town.client.get(f"/v1.1/Datastreams({stream})/Thing").json()
    assert (thing["properties"]["citizen"], thing["properties"]["notice"]) == (True, notice)
    geo = town.client.get("/api/v1/things?format=geojson").json()["features"]
    assert [one["properties"]["citizen"] for one in geo] == [False, False, False, True]


def test_official_values_carry_no_such_word(town: Town) -> None:
    town.measure(1, {NOW - timedelta(minutes=2): 11.0}, QualityRule.PASSED)
    told = town.client.get("/api/v1/latest").json()["values"][0]
    assert (told["citizen"], told["notice"]) == (False, "")
    assert "notice" not in str(town.client.get("/v1.1/Observations").json())


def test_the_owners_licence_and_agreed_place_are_what_leaves(town: Town) -> None:
    project, _, stream = town.approved()
    assert town.client.get(f"/api/v1/datastreams/{stream}").json()["licence"] == "CC-BY-4.0"
    thing = town.client.get(f"/api/v1/things/{project}-1").json()
    kept = town.office.projects.all()[0]
    assert (thing["location"]["latitude"], thing["location"]["longitude"]) == (kept.latitude, kept.longitude)
    assert thing["properties"]["place_rounded_m"] == 100.0


def test_neighbours_are_compared_with_their_basis(town: Town) -> None:
    _, _, stream = town.approved()
    address = f"/api/v1/datastreams/{stream}/plausibility"
    assert town.client.get(address).json()["word"] == "keine Aussage"
    for number, offset in ((1, 0.0), (2, 0.4), (3, -0.3)):
        town.measure(number, hours(100, 10.0 + offset), QualityRule.PASSED)
    town.measure(stream, hours(100, 10.2))
    fits = town.client.get(address).json()
    assert (fits["word"], fits["neighbours"], fits["hours"]) == ("passt", 3, 100)
    assert "3 amtliche Messpunkte" in fits["sentence"]
    assert town.client.get("/api/v1/datastreams/1/plausibility").status_code == 404


def test_operators_decide_and_nobody_else(town: Town) -> None:
    project = town.apply()["project"]
    path = f"/api/v1/citizens/projects/{project}"
    assert town.client.get("/api/v1/citizens/projects").status_code == 401
    assert town.client.post(f"{path}/approval").status_code == 401
    assert town.client.post(f"{path}/refusal", json={"reason": "x"}).status_code == 401
    assert NAME in town.client.get("/api/v1/citizens/projects", headers=OPERATOR).text
    assert town.client.post(f"{path}/refusal", json={"reason": " "}, headers=OPERATOR).status_code == 409
    assert (
        town.client.post(f"{path}/refusal", json={"reason": "Drinnen"}, headers=OPERATOR).status_code == 200
    )
    assert town.client.post(f"{path}/approval", headers=OPERATOR).status_code == 409
