"""What clients write beyond numbers at moments, asked back: any result, intervals, the same time twice, deletions."""

# ruff: noqa: E501 - tables of requests are read line by line

import sys
from pathlib import Path
from urllib.parse import quote

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import samples

CHANGE, READ = "create-update-delete/", "request-data/"


def conformance(name):
    return pytest.mark.parametrize("about", [name], indirect=True)


def stream_of(about, **more):
    """The address of a Datastream at a Thing with a place."""
    bank = about.new("Things", samples.thing(Locations=[samples.location()]))
    parts = {"Sensor": samples.sensor(), "ObservedProperty": samples.observed()}
    return about.new(f"{bank}/Datastreams", samples.stream(**parts, **more))


def found(about, address, condition, **options):
    """What a filter leaves, by result."""
    more = "".join(f"&${name}={value}" for name, value in options.items())
    answer = about.see(f"{address}?$filter={quote(condition, safe='')}{more}")
    return [one.get("result", one.get("name")) for one in answer["value"]]


@conformance("datamodel")
@pytest.mark.parametrize("result", [
    "trocken", "", "99", True, False, None, {"a": 1, "b": ["x"]}, [1, "zwei", True], 1, 1.23, -7.5e-3, 12345678901234,
], ids=str)  # fmt: skip
def test_a_result_may_be_anything_and_comes_back_as_it_was(about, result):
    address = about.new(f"{stream_of(about)}/Observations", samples.observation(3, result))
    about.check(about.see(address)["result"] == result, "as written")
    about.check(type(about.see(address)["result"]) is type(result), "of the same kind")
    bare = about.see(f"{address}/result", status=204 if result is None else 200)
    about.check(result is None or bare == {"result": result}, "alone")


@conformance(READ + "filter")
def test_results_of_every_kind_are_filtered_by_what_they_are(about):
    many = f"{stream_of(about)}/Observations"
    for hour, result in enumerate([5, "trocken", True, {"tiefe": 3}, "7", None]):
        about.new(many, samples.observation(hour, result))
    for condition, meant in (
        ("result eq 'trocken'", ["trocken"]), ("result eq true", [True]), ("result/tiefe eq 3", [{"tiefe": 3}]),
        ("substringof('rock',result)", ["trocken"]), ("result gt 4", [5]), ("result lt 4", []), ("result gt '4'", [5, "trocken", "7"]),
        ("result eq null", [None]), ("result eq 7", []), ("result eq '7'", ["7"]), ("result eq 0", []),
    ):  # fmt: skip
        about.check(found(about, many, condition) == meant, condition)
        count = about.see(f"{many}?$count=true&$top=0&$filter={quote(condition, safe='')}")["@iot.count"]
        about.check(count == len(meant), f"count of {condition}")


@conformance("datamodel")
@pytest.mark.parametrize("quality", [{"q": 1}, "gut", 5, [{"DQ": 2}]], ids=str)
def test_result_quality_comes_back_as_it_was(about, quality):
    address = about.new(f"{stream_of(about)}/Observations", samples.observation(resultQuality=quality))
    about.check(about.see(address)["resultQuality"] == quality, "as written")


@conformance(READ + "built-in-filter-operations")
def test_intervals_and_what_is_noted_are_asked_like_everything_else(about):
    many = f"{stream_of(about)}/Observations"
    at = "2026-11-20T{}:00:00Z".format

    def interval(a, b):
        return f"{at(a)}/{at(b)}"

    spans = [("06", "07"), ("06", "08"), ("07", "08"), ("07", "09"), ("08", "09")]
    for number, (start, end) in enumerate(spans):
        about.new(many, samples.observation(
            result=number, phenomenonTime=interval(start, end), validTime=interval(start, end),
            parameters={"n": number, "wort": f"w{number}"}, resultQuality={"stufe": number % 2},
        ))  # fmt: skip
    about.new(many, samples.observation(7, 9))
    for condition, meant in (
        (f"phenomenonTime lt {at('07')}", {0}), (f"phenomenonTime le {at('07')}", {0, 9}),
        (f"phenomenonTime ge {at('07')}", {2, 3, 4, 9}), (f"phenomenonTime gt {at('07')}", {4}),
        (f"phenomenonTime eq {at('07')}", {9}), (f"phenomenonTime eq {interval('07', '08')}", {2}),
        (f"phenomenonTime le {interval('07', '08')}", {0, 1, 2, 9}), (f"phenomenonTime ge {interval('07', '08')}", {2, 3, 4}),
        (f"phenomenonTime lt {interval('08', '09')}", {0, 1, 2, 9}), (f"{at('08')} le phenomenonTime", {4}),
        (f"validTime gt {at('07')}", {4}), ("validTime eq null", {9}), (f"validTime add duration'PT1H' ge {at('09')}", {4}),
        ("hour(phenomenonTime) eq 6", {0, 1}), ("parameters/n gt 2", {3, 4}), ("parameters/wort eq 'w1'", {1}),
        ("resultQuality/stufe eq 1", {1, 3}), ("resultQuality/quality eq 'unchecked' and result eq 9", {9}),
    ):  # fmt: skip
        about.check(set(found(about, many, condition)) == meant, condition)
    stream = many.removesuffix("/Observations")
    about.check(about.see(stream)["phenomenonTime"] == f"{at('06')}/{at('09')}", "the Datastream's own time")


@conformance(CHANGE + "create-entity")
def test_observations_of_the_same_time_are_several(about):
    many = f"{stream_of(about)}/Observations"
    first, second = (about.new(many, samples.observation(4, result)) for result in (1, 2))
    about.check(first != second, "two")
    same = "phenomenonTime eq 2026-11-20T04:00:00Z"
    about.check(found(about, many, same) == [1, 2], "of one time")
    about.check(found(about, many, "phenomenonTime gt 2026-11-20T04:00:00Z") == [], "none is later")
    about.send("PATCH", second, {"result": 3}, status=200)
    about.check(found(about, many, same) == [1, 3], "each is changed alone")
    about.check(about.see(second)["phenomenonTime"] == "2026-11-20T04:00:00Z", "and stays when it was")
    about.send("DELETE", first, status=200)
    about.check(found(about, many, same) == [3], "each is deleted alone")


@conformance(CHANGE + "delete-entity")
def test_a_datastream_knows_what_was_deleted(about):
    stream = stream_of(about)
    made = [about.new(f"{stream}/Observations", samples.observation(hour, hour)) for hour in (1, 2, 3)]
    about.send("DELETE", made[2], status=200)
    about.check(
        about.see(stream)["phenomenonTime"] == "2026-11-20T01:00:00Z/2026-11-20T02:00:00Z", "two are left"
    )
    for one in made[:2]:
        about.send("DELETE", one, status=200)
    about.check("phenomenonTime" not in about.see(stream), "none is left")


@conformance(CHANGE + "delete-entity")
def test_a_generated_feature_goes_with_its_observations_and_is_made_again(about):
    stream = stream_of(about)
    about.new(f"{stream}/Observations", samples.observation(1, 1))
    feature = about.see(f"{stream}/Observations?$expand=FeatureOfInterest")["value"][0]["FeatureOfInterest"]
    about.send("DELETE", feature["@iot.selfLink"], status=200)
    about.see(feature["@iot.selfLink"], status=404)
    about.check(about.see(f"{stream}/Observations")["value"] == [], "its Observations went")
    about.new(f"{stream}/Observations", samples.observation(2, 2))
    again = about.see(f"{stream}/Observations?$expand=FeatureOfInterest")["value"][0]["FeatureOfInterest"]
    about.check(again["feature"] == feature["feature"], "made again")


@conformance("datamodel")
def test_the_observed_area_lies_around_the_features(about):
    stream = stream_of(about)
    for number, longitude in enumerate((7.4, 7.6)):
        about.new(
            f"{stream}/Observations",
            samples.observation(number, 1, FeatureOfInterest=samples.feature(longitude)),
        )
    area = about.see(stream)["observedArea"]
    about.check(area["type"] in ("Polygon", "LineString"), "an area")
    name = about.see(stream)["name"]
    for place, there in (("7.5 51.5", True), ("9 51.5", False)):
        condition = f"st_intersects(observedArea, geography'POINT({place})') and name eq '{name}'"
        count = about.see(f"Datastreams?$count=true&$top=0&$filter={quote(condition, safe='')}")["@iot.count"]
        about.check((count > 0) == there, condition)


@conformance(READ + "filter")
def test_entities_are_found_by_their_observations(about):
    one, other = stream_of(about, name="Eins"), stream_of(about, name="Andere")
    empty = stream_of(about, name="Leer")
    for hour in range(3):
        about.new(f"{one}/Observations", samples.observation(hour, 4000 + hour))
        about.new(f"{other}/Observations", samples.observation(hour + 3, 4001 + hour))
    ours = " and (name eq 'Eins' or name eq 'Andere' or name eq 'Leer')"
    for condition, meant in (
        ("Observations/result eq 4000", {"Eins"}), ("Observations/result ge 4002", {"Eins", "Andere"}),
        ("Observations/result eq 4000 and Observations/phenomenonTime gt 2026-11-20T01:00:00Z", set()),
        ("Observations/result eq 4002 and Observations/phenomenonTime gt 2026-11-20T03:00:00Z", {"Andere"}),
        ("Observations/id eq null", {"Leer"}), ("Observations/result gt 4000 and Thing/name eq 'x'", set()),
    ):  # fmt: skip
        about.check(set(found(about, "Datastreams", condition + ours)) == meant, condition)
    thing = about.see(f"{one}/Thing")["@iot.id"]
    answer = about.see(
        "Things?$filter=Datastreams/Observations/result eq 4000&$expand=Datastreams($filter=Observations/result eq 4000)"
    )
    about.check([each["@iot.id"] for each in answer["value"]] == [thing], "through two links")
    about.check(len(answer["value"][0]["Datastreams"]) == 1 and empty, "also inside $expand")


@conformance(CHANGE + "link-to-existing-entities")
def test_a_link_is_made_and_ended_by_ref(about):
    bank, place = about.new("Things", samples.thing()), about.new("Locations", samples.location())
    about.send("POST", f"{bank}/Locations/$ref", samples.link(place), status=204)
    number = samples.link(place)["@iot.id"]
    about.send("DELETE", f"{bank}/Locations({number})/$ref", status=200)
    about.check(about.see(f"{bank}/Locations")["value"] == [], "it stands nowhere now")
    about.check(about.see(place)["name"] == "Marktplatz", "the place is there")
    about.send("DELETE", f"{bank}/Locations({number})/$ref", status=404)
    about.send("DELETE", f"{bank.partition('(')[0]}/$ref", status=400)


@conformance(READ + "status-code")
def test_methods_are_for_what_they_are_for(about):
    for method, address, status in (
        ("PATCH", "Things", 405), ("PUT", "Observations", 405), ("DELETE", "Locations", 405), ("POST", "Things(1)", 405),
        ("POST", "Nothing", 404), ("PATCH", "Things(1)", 404), ("OPTIONS", "Things", 204), ("OPTIONS", "Things(1)/name", 204),
    ):  # fmt: skip
        answer = about.send(method, address, {"name": "x"}, status=status)
        about.check(status not in (204, 405) or "GET" in answer.headers["allow"], "says what is possible")


@conformance(CHANGE + "create-entity")
def test_where_it_is_posted_and_what_it_says_must_agree(about):
    one, other = stream_of(about), stream_of(about)
    about.send("POST", f"{one}/Observations", samples.observation(Datastream=samples.link(other)), status=400)
    about.new(f"{one}/Observations", samples.observation(Datastream=samples.link(one)))


@conformance(READ + "built-in-query-functions")
def test_functions_refuse_what_they_are_not_for(about):
    for condition in (
        "geo.length(name) gt 1",
        "geo.intersects(location,'POINT(7 51)')",
        "st_within(5,location)",
    ):
        about.see(f"Locations?$filter={condition}", status=400)
    place = about.new("Locations", samples.location(name="Platz", location={
        "type": "Polygon", "coordinates": [[[7.9, 51], [8, 51], [8, 52], [7.9, 51]]]}))  # fmt: skip
    about.check(found(about, "Locations", "geo.length(location) gt 0") == [], "only lines have a length")
    about.check(about.see(place)["name"] == "Platz", "there")


@conformance(READ + "built-in-filter-operations")
def test_operators_bind_as_odata_says(about):
    many = f"{stream_of(about)}/Observations"
    for hour in range(4):
        about.new(many, samples.observation(hour, hour))
    for condition, meant in (
        ("-result eq -2", [2]), ("-(result add 1) lt -3", [3]), ("result gt 1 eq true", [2, 3]), ("5 sub -result eq 7", [2]),
        ("result gt '1' and result lt '3'", [2]),
    ):  # fmt: skip
        about.check(found(about, many, condition) == meant, condition)


@conformance(READ + "expand")
def test_sizes_of_what_is_one_are_nothing_to_refuse(about):
    stream = stream_of(about)
    seen = about.see(
        f"{stream}?$top=1&$skip=1&$count=true&$orderby=name&$expand=Thing($top=2;$count=true;$select=name)"
    )
    about.check(seen["Thing"] == {"name": samples.thing()["name"]}, "one Thing")
