"""Two cities on one machine, both running: each tells its own, opens to its own keys, outlives the other."""

import sys
from pathlib import Path

import pytest
from loopback import free_port

sys.path.insert(0, str(Path(__file__).parents[1] / "cities"))  # for two_in_one.py
from two_in_one import Running, make_town

BANK = {
    "name": "Bank", "description": "Bank", "Locations": [{
        "name": "Markt", "description": "Mitte", "encodingType": "application/geo+json",
        "location": {"type": "Point", "coordinates": [7.31, 51.55]}}],
}  # fmt: skip


@pytest.fixture(scope="module")
def running(tmp_path_factory):
    """Town and process, started once: the last test ends one of them."""
    folder, made = tmp_path_factory.mktemp("towns"), []
    try:
        for name, value in (("Castrop", 11.25), ("Herne", 22.5)):
            town = make_town(folder / name, name, value, free_port(), {})
            made.append((town, Running(town)))
        for town, process in made:
            process.wait(town)
        yield made
    finally:
        for _, process in made:
            process.stop()


@pytest.fixture
def towns(running):
    return [town for town, _ in running]


PATHS = (
    "/api/v1/things", "/api/v1/latest", "/api/v1/datastreams/{number}/observations",
    "/v1.1/Things?$expand=Datastreams/Observations", "/ngsi-ld/v1/entities?type=AirQualityObserved",
    "/opendata/", "/api/v1/policy", "/api/v1/operations",
)  # fmt: skip


def test_each_tells_its_own_and_nothing_of_the_other(towns):
    one, other = towns
    told = (("Castrop", "11.25"), ("Herne", "22.5"))
    for town, mine, foreign in ((one, *told), (other, *reversed(told))):
        everything = ""
        for path in PATHS:
            for key in ("", town.key):
                answer = town.ask(path.replace("{number}", str(town.number)), key)
                assert answer.status in (200, 401), (path, answer.status, answer.text)
                # The shipped policy names its city in both; what is told of places and values does not.
                everything += "" if path in ("/api/v1/policy", "/opendata/") else answer.text
        assert f"Mast {mine[0]}" in everything
        assert mine[1] in everything
        assert f"Mast {foreign[0]}" not in everything
        assert f"Mitte {foreign[0]}" not in everything
        assert foreign[1] not in everything


def test_keys_and_writes_of_one_are_nothing_to_the_other(towns):
    one, other = towns
    assert one.key != other.key
    for town, foreign in ((one, other.key), (other, one.key)):
        assert town.ask("/api/v1/things", foreign).status == 401
        assert town.ask("/v1.1/Things", foreign, "POST", BANK).status == 401
    assert one.ask("/v1.1/Things", one.key, "POST", BANK).status == 201
    asked = "/v1.1/Things?$count=true&$top=0"
    count = [town.ask(asked, town.key).json()["@iot.count"] for town in towns]
    assert count == [3, 2]


def test_one_may_end_and_the_other_goes_on(running):
    (_, one), (other, _) = running
    one.process.kill()
    one.process.wait()
    answer = other.ask("/api/v1/latest", other.key)
    assert answer.status == 200
    assert "22.5" in answer.text
