"""Filters and data arrays of OGC SensorThings API 1.1 from the outside (OGC 18-088, tables 17-20 and clause 13)."""

# ruff: noqa: E501 - tables of questions are read line by line

from urllib.parse import quote

import numpy as np
import pytest


def conformance(name: str):
    """The class whose requests the test counts for."""
    return pytest.mark.parametrize("about", [name], indirect=True)


FILTERS = [  # (class, set, condition, what it means)
    *(("filter", "Observations", f"result {op} 10.5", lambda e, f=f: f(e["result"], 10.5)) for op, f in (
        ("eq", lambda a, b: a == b), ("ne", lambda a, b: a != b), ("gt", lambda a, b: a > b),
        ("ge", lambda a, b: a >= b), ("lt", lambda a, b: a < b), ("le", lambda a, b: a <= b))),
    *(("built-in-filter-operations", "Observations", f"result {op} 3 gt 1", lambda e, f=f: f(e["result"]) > 1)
      for op, f in (("add", lambda a: a + 3), ("sub", lambda a: a - 3), ("mul", lambda a: a * 3),
                    ("div", lambda a: a / 3), ("mod", lambda a: np.fmod(a, 3)))),
    ("built-in-filter-operations", "Observations", "result gt 5 and result lt 9", lambda e: 5 < e["result"] < 9),
    ("built-in-filter-operations", "Observations", "result lt 5 or result gt 9", lambda e: not 5 <= e["result"] <= 9),
    ("built-in-filter-operations", "Observations", "not (result lt 5)", lambda e: e["result"] >= 5),
    ("built-in-filter-operations", "Observations", "not result lt 5 and (result gt 20 or result lt 8)",
     lambda e: e["result"] >= 5 and (e["result"] > 20 or e["result"] < 8)),
    ("built-in-filter-operations", "Observations", "result add 2 mul 3 gt 12", lambda e: e["result"] + 6 > 12),
    ("built-in-filter-operations", "Things", "name eq 'Mast 2'", lambda e: e["name"] == "Mast 2"),
    ("built-in-filter-operations", "Things", "properties/hoehe ge 3", lambda e: e["properties"]["hoehe"] >= 3),
    ("built-in-filter-operations", "Datastreams", "resultTime eq null", lambda _e: True),
    ("built-in-query-functions", "Things", "substringof('ast 3',name)", lambda e: "ast 3" in e["name"]),
    ("built-in-query-functions", "Things", "endswith(name,'4')", lambda e: e["name"].endswith("4")),
    ("built-in-query-functions", "Things", "startswith(name,'Mast')", lambda _e: True),
    ("built-in-query-functions", "Sensors", "length(name) eq 8", lambda e: len(e["name"]) == 8),
    ("built-in-query-functions", "Things", "indexof(name,'3') eq 5", lambda e: e["name"].find("3") == 5),
    ("built-in-query-functions", "Things", "substring(name,5) eq '1'", lambda e: e["name"][5:] == "1"),
    ("built-in-query-functions", "Things", "substring(name,1,3) eq 'ast'", lambda _e: True),
    ("built-in-query-functions", "Things", "tolower(name) eq 'mast 1'", lambda e: e["name"].lower() == "mast 1"),
    ("built-in-query-functions", "Things", "toupper(name) eq 'MAST 1'", lambda e: e["name"].upper() == "MAST 1"),
    ("built-in-query-functions", "Things", "trim(concat('  ',name)) eq 'Mast 1'", lambda e: e["name"] == "Mast 1"),
    ("built-in-query-functions", "Things", "concat(name,'x') eq 'Mast 1x'", lambda e: e["name"] == "Mast 1"),
    *(("built-in-query-functions", "Observations", f"{name}(phenomenonTime) eq {value}",
       lambda e, a=a, b=b, v=value: int(e["phenomenonTime"][a:b]) == v)
      for name, a, b, value in (("year", 0, 4, 2026), ("month", 5, 7, 11), ("day", 8, 10, 20), ("hour", 11, 13, 6),
                                ("minute", 14, 16, 0), ("second", 17, 19, 0))),
    ("built-in-query-functions", "Observations", "fractionalseconds(phenomenonTime) eq 0", lambda _e: True),
    ("built-in-query-functions", "Observations", "date(phenomenonTime) eq 2026-11-20", lambda e: e["phenomenonTime"][:10] == "2026-11-20"),
    ("built-in-query-functions", "Observations", "time(phenomenonTime) lt 06:00:00", lambda e: e["phenomenonTime"][11:13] < "06"),
    ("built-in-query-functions", "Observations", "totaloffsetminutes(phenomenonTime) eq 0", lambda _e: True),
    ("built-in-query-functions", "Observations", "phenomenonTime gt now() sub duration'PT36H'", lambda e: e["phenomenonTime"] > "2026-11-20T00:00:00Z"),
    ("built-in-query-functions", "Observations", "phenomenonTime gt mindatetime() and phenomenonTime lt maxdatetime()", lambda _e: True),
    ("built-in-query-functions", "Observations", "round(result) eq 10", lambda e: 9.5 <= e["result"] < 10.5),
    ("built-in-query-functions", "Observations", "floor(result) eq 10", lambda e: 10 <= e["result"] < 11),
    ("built-in-query-functions", "Observations", "ceiling(result) eq 10", lambda e: 9 < e["result"] <= 10),
    *(("built-in-query-functions", "Locations", f"{name}(location,geography'{shape}'{more})", meaning)
      for name, shape, more, meaning in (
          ("geo.intersects", "POLYGON((7.295 51.495,7.315 51.495,7.315 51.515,7.295 51.515,7.295 51.495))", "", lambda e: e["name"] < "Mast 2"),
          ("st_within", "POLYGON((7.295 51.495,7.315 51.495,7.315 51.515,7.295 51.515,7.295 51.495))", "", lambda e: e["name"] < "Mast 2"),
          ("st_intersects", "LINESTRING(7.32 51.5,7.32 51.6)", "", lambda e: e["name"] == "Mast 2"),
          ("st_disjoint", "POINT(7.32 51.52)", "", lambda e: e["name"] != "Mast 2"),
          ("st_equals", "POINT(7.32 51.52)", "", lambda e: e["name"] == "Mast 2"),
          ("st_touches", "LINESTRING(7.32 51.52,7.4 51.6)", "", lambda e: e["name"] == "Mast 2"),
          ("st_contains", "POINT(7.32 51.52)", "", lambda e: e["name"] == "Mast 2"),
          ("st_overlaps", "POINT(7.32 51.52)", "", lambda _e: False),
          ("st_crosses", "LINESTRING(7 51,8 52)", "", lambda _e: False),
          ("st_relate", "POINT(7.32 51.52)", ",'T*F**FFF*'", lambda e: e["name"] == "Mast 2"))),
    ("built-in-query-functions", "Locations", "geo.distance(location,geography'POINT(7.3 51.5)') lt 0.02", lambda e: e["name"] < "Mast 2"),
    ("built-in-query-functions", "Locations", "geo.length(location) eq 0", lambda _e: True),
    ("filter", "Datastreams", "Thing/name eq 'Mast 1'", lambda e: e["name"].endswith("Mast 1")),
    ("filter", "Things", "Datastreams/ObservedProperty/name eq 'Luftfeuchte'", lambda _e: True),
    ("filter", "Observations", "Datastream/Thing/name eq 'Mast 1'", None),
    ("filter", "FeaturesOfInterest", "feature/type eq 'Point'", lambda _e: True),
    ("filter", "Sensors", "Datastreams/unitOfMeasurement/symbol eq 'Cel'", lambda e: e["name"] == "Fühler 0"),
]  # fmt: skip


@pytest.mark.parametrize(("about", "name", "condition", "meaning"), [
    (f"request-data/{kind}", *rest) for kind, *rest in FILTERS], indirect=["about"])  # fmt: skip
def test_filters(about, name, condition, meaning):
    whole = about.get(f"{name}?$top=1000")["value"]
    query = quote(condition, safe="'(),/$ ")
    found = about.get(f"{name}?$top=1000&$count=true&$filter={condition}")
    if meaning is None:
        about.check(found["@iot.count"] == 48, query)
        return
    expected = [one["@iot.id"] for one in whole if meaning(one)]
    about.check([one["@iot.id"] for one in found["value"]] == expected, query)
    about.check(found["@iot.count"] == len(expected), query)


@conformance("data-array/data-array")
@pytest.mark.parametrize("path", ["Observations", "Datastreams(1)/Observations", "FeaturesOfInterest"])
def test_data_array(about, path):
    if path == "FeaturesOfInterest":
        path = f"{about.get(path)['value'][0]['@iot.selfLink']}/Observations".partition("/v1.1/")[2]
    plain = about.get(f"{path}?$top=60")["value"]
    answer = about.get(f"{path}?$top=60&$resultFormat=dataArray&$count=true")
    rows = []
    for group in answer["value"]:
        about.check(
            {*group} == {"Datastream@iot.navigationLink", "components", "dataArray@iot.count", "dataArray"},
            "keys",
        )
        about.check(group["dataArray@iot.count"] == len(group["dataArray"]), "count of the group")
        about.check(about.get(group["Datastream@iot.navigationLink"])["name"], "leads to its Datastream")
        rows += [dict(zip(group["components"], row, strict=True)) for row in group["dataArray"]]
    about.check([one["id"] for one in rows] == [one["@iot.id"] for one in plain], "the same Observations")
    about.check([one["result"] for one in rows] == [one["result"] for one in plain], "the same results")
    chosen = about.get(f"{path}?$resultFormat=dataArray&$select=result,phenomenonTime&$top=2")["value"][0]
    about.check(chosen["components"] == ["result", "phenomenonTime"], "as selected")
    about.check(len(about.all(f"{path}?$resultFormat=dataArray&$top=20")) >= 1, "in pages")
