"""Numbers inside rows: a Datastream or device import that gets another number here is meant everywhere."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Row = dict[str, Any]

# `series-microseconds` or `series-microseconds-lead`, as SensorThings names an Observation.
_OBSERVATION = re.compile(r"(\d+)(-\d+(?:-\d+)?)", re.ASCII)
_OF_STREAM = re.compile(r"(datastream:)(\d+)", re.ASCII)


@dataclass(slots=True)
class Numbers:
    """Number in the export -> number here."""

    datastreams: dict[int, int] = field(default_factory=dict)
    imports: dict[int, int] = field(default_factory=dict)

    def row(self, table: str, row: Mapping[str, Any]) -> Row | None:
        """The row as it must stand here; None where it speaks of a Datastream that the export has not."""
        changed = dict(row)
        for name in ("datastream", "series"):
            if isinstance(row.get(name), int):
                if row[name] not in self.datastreams:
                    return None
                changed[name] = self.datastreams[row[name]]
        change = _BY_TABLE.get(table)
        return change(self, changed) if change else changed

    def known(self, numbers: list[int]) -> list[int]:
        """Those that are in the export: an unknown number must never come to mean another's here."""
        return [self.datastreams[one] for one in numbers if one in self.datastreams]

    def channels(self, row: Row) -> Row:
        """Of a device or wired sensor."""
        found = [one for one in row["channels"] if one["datastream"] in self.datastreams]
        channels = [one | {"datastream": self.datastreams[one["datastream"]]} for one in found]
        return row | {"channels": channels}


def _derivation(numbers: Numbers, row: Row) -> Row:
    return row | {"inputs": numbers.known(row["inputs"])}


def _erasure(numbers: Numbers, row: Row) -> Row:
    return row | {"datastreams": numbers.known(row["datastreams"])}


def _entity(numbers: Numbers, row: Row) -> Row | None:
    links = {
        name: numbers.known(ids) if name in ("Datastream", "Datastreams") else ids
        for name, ids in row["links"].items()
    }
    if row["kind"] != "Datastream":
        return row | {"links": links}
    if row["id"] not in numbers.datastreams:
        return None
    return row | {"id": numbers.datastreams[row["id"]], "links": links}


def _observation(numbers: Numbers, row: Row) -> Row:
    """Where a written Observation has moved to stands in its note."""
    match = _OBSERVATION.fullmatch(str(row["content"].get("moved", "")))
    if match is None or int(match[1]) not in numbers.datastreams:
        return row
    moved = f"{numbers.datastreams[int(match[1])]}{match[2]}"
    return row | {"content": row["content"] | {"moved": moved}}


def _event(numbers: Numbers, row: Row) -> Row | None:
    match = _OF_STREAM.fullmatch(row["subject"])
    if match is None:
        return row
    if int(match[2]) not in numbers.datastreams:
        return None
    return row | {"subject": f"{match[1]}{numbers.datastreams[int(match[2])]}"}


def _maintenance(numbers: Numbers, row: Row) -> Row:
    """Without its import (it leaves with what is confidential only) a line stands for itself."""
    return row | {"import_id": numbers.imports.get(row["import_id"])}


def _device_import(numbers: Numbers, row: Row) -> Row:
    """What it takes to undo an import names channels too (udp.devices.images)."""
    images = [
        [table, _image(numbers, before), _image(numbers, after)]
        for table, before, after in json.loads(zlib.decompress(row["images"]))
    ]
    return row | {"images": zlib.compress(json.dumps(images, separators=(",", ":")).encode())}


def _image(numbers: Numbers, content: Row | None) -> Row | None:
    return numbers.channels(content) if content is not None and "channels" in content else content


_BY_TABLE = {
    "device": Numbers.channels,
    "wired_sensor": Numbers.channels,
    "derivation": _derivation,
    "citizen_erasure": _erasure,
    "written_entity": _entity,
    "written_observation": _observation,
    "event": _event,
    "maintenance": _maintenance,
    "device_import": _device_import,
}
