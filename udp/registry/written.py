"""What somebody wrote through SensorThings beyond the register's own columns, and where Things were."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, String, cast, select

from udp.registry import schema
from udp.registry.database import Database


@dataclass(frozen=True, slots=True)
class Entity:
    """One written entity: its JSON properties and the ids it points at.

    `key`: of the register, where the entity stands there too (a Thing's, or a Sensor's name).
    """

    kind: str
    id: int
    key: str | None
    content: Mapping[str, Any]
    links: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Thing was from `at` (ISO 8601) on. `locations`: written Locations; None for the register's
    own place; empty for none. `hidden`: no longer told as history."""

    id: int
    thing: str
    at: str
    latitude: float | None
    longitude: float | None
    elevation_m: float | None
    locations: tuple[int, ...] | None
    hidden: bool


@dataclass(frozen=True, slots=True)
class Written:
    """Everything written, at one version. `places`: by Thing, ascending by time.

    `series`: what the store keeps apart because it is about another feature: series -> (Datastream,
    FeatureOfInterest or None while there is none). `noted`: series of which single Observations say more
    than the store holds; `withdrawn`: those of which some were deleted; `wordy`: those with results that are
    no numbers; `spanning`: those with times that are intervals.
    """

    entities: Mapping[tuple[str, int], Entity] = field(default_factory=dict)
    gone: frozenset[tuple[str, int]] = frozenset()
    places: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    series: Mapping[int, tuple[int, int | None]] = field(default_factory=dict)
    noted: frozenset[int] = frozenset()
    withdrawn: frozenset[int] = frozenset()
    wordy: frozenset[int] = frozenset()
    spanning: frozenset[int] = frozenset()

    def current(self, thing: str) -> Place | None:
        """The newest place of a Thing."""
        known = self.places.get(thing)
        return known[-1] if known else None

    def of_kind(self, kind: str) -> Iterable[Entity]:
        """Those of one entity type."""
        return (one for one in self.entities.values() if one.kind == kind)


NOTHING = Written()


def read(database: Database) -> Written:
    """In one transaction."""
    with database.reading() as connection:
        return read_in(connection)


def read_in(connection: Connection) -> Written:
    """Within a transaction."""
    entities: dict[tuple[str, int], Entity] = {}
    gone: set[tuple[str, int]] = set()
    for row in connection.execute(select(schema.written_entity)):
        if row.gone:
            gone.add((row.kind, row.id))
        else:
            links = {name: tuple(ids) for name, ids in row.links.items()}
            entities[row.kind, row.id] = Entity(row.kind, row.id, row.key, row.content, links)
    table = schema.thing_place
    places: dict[str, list[Place]] = {}
    for row in connection.execute(select(table).order_by(table.c.at, table.c.id)):
        locations = None if row.locations is None else tuple(row.locations)
        places.setdefault(row.thing, []).append(
            Place(row.id, row.thing, row.at, row.latitude, row.longitude, row.elevation_m, locations,
                  row.hidden)
        )  # fmt: skip
    notes = schema.written_observation
    noted = connection.execute(select(notes.c.series, notes.c.withdrawn).distinct()).all()
    return Written(
        entities,
        frozenset(gone),
        {key: tuple(rows) for key, rows in places.items()},
        {
            row.series: (row.datastream, row.feature)
            for row in connection.execute(select(schema.written_series))
        },
        frozenset(row.series for row in noted),
        frozenset(row.series for row in noted if row.withdrawn),
        _saying(connection, "result"),
        _saying(connection, "phenomenonTime"),
    )


def _saying(connection: Connection, name: str) -> frozenset[int]:
    notes = schema.written_observation
    # As both engines write JSON; a text that looks like it only costs a look at the rows.
    said = cast(notes.c.content, String).like(f'%"{name}":%')
    return frozenset(connection.execute(select(notes.c.series).where(said).distinct()).scalars())


Identity = tuple[int, int, int]


def notes(database: Database, wanted: Iterable[Identity]) -> Mapping[Identity, Mapping[str, Any]]:
    """What is noted of Observations beyond what the store holds: (series, microseconds, lead) -> content."""
    asked = set(wanted)
    if not asked:
        return {}
    with database.reading() as connection:
        return {identity: content for identity, (content, _) in notes_in(connection, asked).items()}


def notes_in(
    connection: Connection, wanted: Collection[Identity]
) -> dict[Identity, tuple[Mapping[str, Any], bool]]:
    """Within a transaction, each with whether its Observation was withdrawn."""
    if not wanted:
        return {}
    asked = set(wanted)
    table = schema.written_observation
    times = [one[1] for one in asked]
    query = select(table).where(
        table.c.series.in_({one[0] for one in asked}), table.c.time.between(min(times), max(times))
    )
    found = connection.execute(query).all()
    return {
        key: (row.content, row.withdrawn)
        for row in found
        if (key := (row.series, row.time, row.lead)) in asked
    }
