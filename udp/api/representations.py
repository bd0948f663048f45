"""Entities and columns as JSON, GeoJSON and CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from udp.api import columns_json
from udp.api.query import duration
from udp.api.view import Filter, View
from udp.opendata.csv_text import cell
from udp.registry.port import Derivation
from udp.sensorthings import CITIZEN_NOTICE, Datastream, Thing
from udp.store.columns import Aggregates, Function, Observations, Period

V1 = "/api/v1"


def dumps(content: Any) -> str:
    """Compact JSON; a number that JSON cannot say is an error, not NaN."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False) + "\n"


def thing(one: Thing, view: View, root: str, wish: Filter = Filter()) -> dict[str, Any]:  # noqa: B008 - frozen
    """A Thing with its place and the Datastreams the caller may know; `root` as in udp.api.rooted."""
    place = one.location
    streams = (stream for stream in view.of_thing[one.key] if wish.wants(one, stream))
    return {
        "key": one.key,
        "name": one.name,
        "description": one.description,
        "kind": one.kind,
        "theme": one.theme,
        "simulated": one.simulated,
        "citizen": any(stream.id in view.citizens for stream in view.of_thing[one.key]),
        "location": {
            "latitude": place.latitude,
            "longitude": place.longitude,
            "elevation_m": place.elevation_m,
            "district": place.district,
            "district_name": place.district_name,
        },
        "properties": dict(one.properties),
        "datastreams": [
            {
                "id": stream.id,
                "key": stream.key,
                "name": stream.name,
                "observed_property": stream.observed_property.key,
                "unit": stream.unit.symbol,
                "self": f"{root}{V1}/datastreams/{stream.id}",
                "observations": f"{root}{V1}/datastreams/{stream.id}/observations",
            }
            for stream in streams
        ],
        "self": f"{root}{V1}/things/{one.key}",
    }


def geojson(things: Iterable[Thing], view: View, root: str) -> dict[str, Any]:
    """A FeatureCollection (RFC 7946): longitude first, WGS 84."""
    return {"type": "FeatureCollection", "features": [_feature(thing(one, view, root)) for one in things]}


def _feature(content: dict[str, Any]) -> dict[str, Any]:
    place = content.pop("location")
    coordinates = [place["longitude"], place["latitude"]]
    if place["elevation_m"] is not None:
        coordinates.append(place["elevation_m"])
    more = content.pop("properties")
    return {
        "type": "Feature",
        "id": content["key"],
        "geometry": {"type": "Point", "coordinates": coordinates},
        "properties": {
            **content,
            "district": place["district"],
            "district_name": place["district_name"],
            "properties": more,
        },
    }


def datastream(one: Datastream, view: View, root: str) -> dict[str, Any]:
    """A Datastream with where it is measured; `root` as in udp.api.rooted."""
    place = view.things[one.thing]
    return {
        "id": one.id,
        "key": one.key,
        "name": one.name,
        "thing": one.thing,
        "thing_name": place.name,
        "theme": place.theme,
        "district": place.location.district,
        "simulated": place.simulated,
        "citizen": one.id in view.citizens,
        "notice": CITIZEN_NOTICE if one.id in view.citizens else "",
        "sensor": one.sensor,
        "observed_property": {
            "key": one.observed_property.key,
            "name": one.observed_property.name,
            "definition": one.observed_property.definition,
        },
        "unit": {"symbol": one.unit.symbol, "name": one.unit.name},
        "access": one.access.value,
        "exemption": one.exemption,
        "licence": one.licence,
        "expected_interval_s": one.expected_interval_s,
        "finest_s": view.finest[one.id].total_seconds() if one.id in view.finest else None,
        "datasets": list(view.datasets.get(one.id, ())),
        "derived": derived(one.id, view.derived),
        "self": f"{root}{V1}/datastreams/{one.id}",
        "observations": f"{root}{V1}/datastreams/{one.id}/observations",
    }


def derived(number: int, known: Mapping[int, Derivation]) -> dict[str, Any] | None:
    """How a Datastream is computed; None for what is measured."""
    how = known.get(number)
    if how is None:
        return None
    return {
        "formula": how.formula,
        "version": how.version,
        "source": how.source,
        "inputs": list(how.inputs),
    }


def envelope(
    stream: Mapping[str, Any],
    asked: Period,
    retrieved_at: datetime,
    *,
    every: timedelta | None,
    following: str | None,
) -> str:
    """The JSON of an answer up to its list of observations, which the caller adds and closes."""
    head = {
        "datastream": stream,
        "from": columns_json.time(asked.start),
        "to": columns_json.time(asked.end),
        "every": duration(every) if every else None,
        "retrieved_at": columns_json.time(retrieved_at),
        "next": following,
    }
    return dumps(head).rstrip()[:-1] + ',"observations":[\n'


def raw_json(found: Observations) -> str:
    """One object per Observation, one per line."""
    rows = zip(
        columns_json.times(found.phenomenon_time),
        columns_json.times(found.result_time),
        columns_json.numbers(found.result),
        columns_json.quality_words(found.quality.tolist()),
        columns_json.rule_words(found.rule.tolist()),
        found.revision.tolist(),
        strict=True,
    )
    return ",\n".join(
        f'{{"phenomenon_time":"{measured}","result_time":"{known}","value":{value},'
        f'"quality":"{quality}","rule":"{rule}","revision":{revision}}}'
        for measured, known, value, quality, rule, revision in rows
    )


def aggregate_json(found: Aggregates, functions: Mapping[str, Function]) -> str:
    """One object per bucket, one per line; `start` is where the bucket begins."""
    columns = _aggregate_columns(found, functions)
    names = ["start", *functions]
    return ",\n".join(
        "{" + ",".join(f'"{name}":{cell}' for name, cell in zip(names, row, strict=True)) + "}"
        for row in zip([f'"{start}"' for start in columns_json.times(found.bucket)], *columns, strict=True)
    )


def raw_csv(found: Observations, stream: Datastream, view: View, retrieved_at: datetime) -> str:
    """RFC 4180: one line per Observation; unit, licence and origin stand in every line."""
    rows = zip(
        columns_json.times(found.phenomenon_time),
        columns_json.times(found.result_time),
        _empty_for_null(columns_json.numbers(found.result)),
        columns_json.quality_words(found.quality.tolist()),
        columns_json.rule_words(found.rule.tolist()),
        strict=True,
    )
    return _csv(
        ["phenomenon_time", "result_time", "value", "quality", "rule"], rows, stream, view, retrieved_at
    )


def aggregate_csv(
    found: Aggregates,
    functions: Mapping[str, Function],
    stream: Datastream,
    view: View,
    retrieved_at: datetime,
) -> str:
    """The same with one line per bucket; bad values are left out of buckets, so quality has no column."""
    columns = [_empty_for_null(column) for column in _aggregate_columns(found, functions)]
    rows = zip(columns_json.times(found.bucket), *columns, strict=True)
    return _csv(["start", *functions], rows, stream, view, retrieved_at)


def _csv(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    stream: Datastream,
    view: View,
    retrieved_at: datetime,
) -> str:
    place = view.things[stream.thing]
    origin = {
        "unit": stream.unit.symbol,
        "observed_property": stream.observed_property.key,
        "datastream": str(stream.id),
        "thing": place.key,
        "thing_name": place.name,
        "licence": stream.licence,
        "simulated": "true" if place.simulated else "false",
        "notice": CITIZEN_NOTICE if stream.id in view.citizens else "",
        "retrieved_at": columns_json.time(retrieved_at),
    }
    tail = [cell(text) for text in origin.values()]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*head, *origin])
    writer.writerows([*row, *tail] for row in rows)
    return text.getvalue()


def _aggregate_columns(found: Aggregates, functions: Mapping[str, Function]) -> list[list[str]]:
    return [
        [str(int(count)) for count in found.values[function].tolist()]
        if function is Function.COUNT
        else columns_json.numbers(found.values[function])
        for function in functions.values()
    ]


def _empty_for_null(cells: Iterable[str]) -> list[str]:
    return ["" if one == "null" else one for one in cells]
