"""Resource paths (OGC 18-088, 9.2): from `Things(1)/Datastreams(2)/Observations` to what is meant.

Every step is taken within what the caller may know; a step to anything else finds nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from edge.wire.instants import instant
from udp.api.sensorthings.catalogue import Catalogue, Record
from udp.api.sensorthings.model import IDENTIFIERS, SETS, TYPES, EntityType
from udp.api.sensorthings.noted import Notes
from udp.api.sensorthings.selection import parse_id
from udp.errors import NotFound
from udp.sensorthings import QualityRule
from udp.store.columns import Observations, Period
from udp.store.port import ObservationStore

_SEGMENT = re.compile(r"([A-Za-z]+)\((.+)\)", re.DOTALL)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_QUOTED = re.compile(r"'([^']*)'")
_OBSERVATION = re.compile(r"Observations\('([^']+)'\)")
_MOST_SEGMENTS = 30


@dataclass(frozen=True, slots=True)
class Target:
    """What a path leads to: one entity or many, or a property of one.

    Of Observations, `streams` are what the store keeps them under and `row` is the one that is meant;
    of all others `records` holds the entities. `address` is the path that was walked.
    """

    type: EntityType
    many: bool
    address: str
    records: tuple[Record, ...] = ()
    streams: tuple[int, ...] = ()
    row: Observations | None = None
    keys: tuple[str, ...] = ()
    raw: bool = False
    references: bool = False


def resolve(path: str, catalogue: Catalogue, store: ObservationStore) -> Target:
    """NotFound for what does not exist, or not for this caller."""
    segments = [one for one in path.split("/") if one]
    if not segments or len(segments) > _MOST_SEGMENTS:
        raise nothing(path)
    ending = segments.pop() if segments[-1] in ("$ref", "$value") else ""
    target: Target | None = None
    for at, segment in enumerate(segments):
        if target is not None and not target.many and _is_property(target, segment):
            target = _property(target, segments[at:])
            break
        target = _step(target, segment, catalogue, store, path)
    if target is None:
        raise nothing(path)
    return _ended(target, ending, path)


def followed(path: str, catalogue: Catalogue, notes: Notes) -> str:
    """The path as it is now, where an Observation in it has got another time, and so another id, since."""
    match = _OBSERVATION.search(path)
    identity = parse_id(match[1]) if match else None
    if match is None or identity is None or identity[0] not in catalogue.noted:
        return path
    moved = notes([identity]).get(identity, {}).get("moved")
    if not isinstance(moved, str) or moved == match[1]:
        return path
    return f"{path[: match.start(1)]}{moved}{path[match.end(1) :]}"


def nothing(path: str) -> NotFound:
    """The same words whether it is hidden or was never there."""
    return NotFound(f"{path[:200]} leads to nothing here; GET /v1.1 lists what there is")


def _step(
    before: Target | None, segment: str, catalogue: Catalogue, store: ObservationStore, path: str
) -> Target:
    match = _SEGMENT.fullmatch(segment)
    name, key = (match[1], match[2]) if match else (segment, None)
    found = _root(name, catalogue) if before is None else _follow(before, name, catalogue)
    if found is None:
        raise nothing(path)
    if key is None:
        return found
    one = _pick(found, key, store) if found.many else None
    if one is None:
        raise nothing(path)
    return one


def _root(name: str, catalogue: Catalogue) -> Target | None:
    kind = SETS.get(name)
    if kind is None:
        return None
    if kind.name == "Observation":
        return Target(kind, many=True, address=name, streams=tuple(sorted(catalogue.datastream_of)))
    return Target(kind, many=True, address=name, records=tuple(catalogue.records[kind.name].values()))


def _follow(before: Target, name: str, catalogue: Catalogue) -> Target | None:
    if before.many or name not in before.type.links:
        return None
    kind_name, many = before.type.links[name]
    kind, address = TYPES[kind_name], f"{before.address}/{name}"
    if before.row is not None:
        return Target(kind, many, address, records=(of_row(before.row, 0, kind_name, catalogue),))
    record = before.records[0]
    if kind_name == "Observation":
        return Target(kind, many, address, streams=streams_of(record, catalogue))
    return Target(kind, many, address, records=tuple(catalogue.follow(record, name)))


def of_row(rows: Observations, at: int, kind: str, catalogue: Catalogue) -> Record:
    """The Datastream or FeatureOfInterest of one Observation."""
    return catalogue.of_series(kind, int(rows.datastream[at]))


def streams_of(record: Record, catalogue: Catalogue) -> tuple[int, ...]:
    """What the store keeps the Observations of a Datastream or FeatureOfInterest under."""
    return catalogue.series.get((record.kind, record.id), ())


def _pick(found: Target, key: str, store: ObservationStore) -> Target | None:
    address = f"{found.address}({key})"
    if found.type.name == "Observation":
        row = _observation(found.streams, key, store)
        return None if row is None else Target(found.type, many=False, address=address, row=row)
    if not _NUMBER.fullmatch(key):
        return None
    records = tuple(one for one in found.records if one.id == int(key))
    return Target(found.type, many=False, address=address, records=records) if records else None


def _observation(streams: tuple[int, ...], key: str, store: ObservationStore) -> Observations | None:
    quoted = _QUOTED.fullmatch(key)
    identity = parse_id(quoted[1]) if quoted else None
    if identity is None or identity[0] not in streams:
        return None
    moment = instant(identity[1])
    rows = store.read([identity[0]], Period(moment, moment + timedelta(microseconds=1)))
    rows = rows.take((rows.lead == identity[2]) & (rows.rule != QualityRule.WITHDRAWN))
    return rows if len(rows) else None


def _is_property(target: Target, segment: str) -> bool:
    return segment in target.type.properties or segment in IDENTIFIERS


def _property(target: Target, keys: list[str]) -> Target:
    return Target(
        target.type,
        many=False,
        address=target.address,
        records=target.records,
        row=target.row,
        keys=tuple(keys),
    )


def _ended(target: Target, ending: str, path: str) -> Target:
    if ending == "$value" and target.keys:
        return Target(
            target.type, False, target.address, target.records, (), target.row, target.keys, raw=True
        )
    if ending == "$ref" and not target.keys:
        return Target(
            target.type, target.many, target.address, target.records, target.streams, target.row,
            references=True,
        )  # fmt: skip
    if ending:
        raise nothing(path)
    return target
