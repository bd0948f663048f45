"""Create what a draft describes, with all it holds and links, inside one transaction of the register."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from udp.api.problems import BadEntity
from udp.api.sensorthings.catalogue import Catalogue, Numbers, number_of
from udp.api.sensorthings.drafts import Draft, geometry, times
from udp.api.sensorthings.model import TYPES
from udp.errors import NotFound
from udp.registry import writing
from udp.registry.port import Inventory
from udp.registry.writing import Meant, Spot
from udp.registry.written import Entity, Identity, Written

_ID_BITS = 52
_GEOJSON = ("application/geo+json", "application/vnd.geo+json")


@dataclass(frozen=True, slots=True)
class Known:
    """All there is before the transaction, as who runs the platform sees it."""

    catalogue: Catalogue
    ids: Numbers
    inventory: Inventory
    written: Written

    def thing_key(self, number: int) -> str | None:
        """The register's key of a Thing."""
        entity = self.written.entities.get(("Thing", number))
        if entity is not None and entity.key:
            return entity.key
        wanted = ("Thing", number)
        return next((key for (kind, key), one in self.ids.of.items() if (kind, one) == wanted), None)


@dataclass(frozen=True, slots=True)
class Wish:
    """An Observation to come: where the store shall keep it, and what was said of it. `place`: where it
    stands if it is changed only, `revision` what is changed; `moved`: to another phenomenonTime."""

    series: int
    properties: Mapping[str, Any]
    place: Identity | None = None
    moved: bool = False
    revision: int = 0


class Composer:
    """Creates entities; `observations` are for the store, behind the commit."""

    def __init__(
        self, connection: Connection, known: Known, now: datetime, random_bits: Callable[[int], int]
    ) -> None:
        self.connection, self.known, self.now = connection, known, now
        self._bits = random_bits
        self.observations: list[Wish] = []
        self.changed = False
        self.created: list[tuple[str, int]] = []
        self._entities: dict[tuple[str, int], Entity] = {}
        self._locations: dict[str, tuple[int, ...] | None] = {}
        self._series = dict(known.written.series)

    def create(self, wanted: Draft, implied: Mapping[str, int] | None = None) -> int | Wish:
        """The new entity's id, or the Observation to come. BadEntity for a link that leads to nothing."""
        for name, number in (implied or {}).items():
            said = wanted.links.get(name, ())
            if not TYPES[wanted.kind].links[name][1] and any(one != number for one in said):
                raise BadEntity(
                    f"{wanted.kind}: {name} is {number} by where it stands; the body names another"
                )
        return self._MAKERS[wanted.kind](self, wanted, implied or {})

    def entity(self, kind: str, number: int) -> Entity:
        """As it stands now, ready to be written over. NotFound."""
        found = self._entities.get((kind, number)) or self.known.written.entities.get((kind, number))
        if found is not None and (kind, number) not in self.known.written.gone:
            return found
        record = self.known.catalogue.records[kind].get(number)
        if record is None:
            raise NotFound(f"{kind} {number} is not known")
        key = self.known.thing_key(number) if kind == "Thing" else None
        forward = ("Thing", "Sensor", "ObservedProperty") if kind == "Datastream" else ()
        return Entity(
            kind, number, key, dict(record.properties), {name: record.links[name] for name in forward}
        )

    def put(self, entity: Entity) -> None:
        """Write it."""
        self._entities[entity.kind, entity.id] = entity
        self.changed = True
        writing.put_entity(self.connection, entity)

    def key_of(self, thing: int) -> str:
        """The register's key of a Thing. NotFound."""
        key = self.entity("Thing", thing).key
        if key is None:
            raise NotFound(f"Thing {thing} is not known")
        return key

    def move(self, thing: int, locations: Sequence[int]) -> None:
        """From now on it is there, and a HistoricalLocation says since when."""
        key = self.key_of(thing)
        if self.locations_of(key) == tuple(locations):
            return
        spot = self.spot(locations)
        writing.add_place(self.connection, key, self.now, spot, locations)
        self._locations[key] = tuple(locations)
        writing.settle_thing(self.connection, key, spot)
        self.changed = True

    def locations_of(self, key: str) -> tuple[int, ...] | None:
        """Written Locations of a Thing now; None for the register's own place."""
        if key in self._locations:
            return self._locations[key]
        place = self.known.written.current(key)
        return place.locations if place is not None else None

    def spot(self, locations: Iterable[int]) -> Spot | None:
        """A point of the first Location that has a geometry."""
        for number in locations:
            content = self.entity("Location", number).content
            if content["encodingType"] in _GEOJSON:
                middle = geometry("Location/location", content["location"]).representative_point()
                return Spot(round(middle.y, 7), round(middle.x, 7), content.get("properties") or {})
        return None

    def one(self, kind: str, wanted: Draft | int | str, implied: Mapping[str, int]) -> int:
        """The id of a linked entity, made now if it is a draft."""
        if isinstance(wanted, Draft):
            found = self.create(wanted, implied)
            assert isinstance(found, int)  # noqa: S101 - only Observations are wishes
            return found
        try:
            return self.entity(kind, wanted if isinstance(wanted, int) else -1).id
        except NotFound as error:
            raise BadEntity(f"{kind} {str(wanted)[:60]!r} is linked and does not exist") from error

    def meant(self, datastream: Entity, name: str = "") -> Meant:
        """What the register's columns of a Datastream shall say."""
        sensor = self.entity("Sensor", datastream.links["Sensor"][0])
        observed = self.entity("ObservedProperty", datastream.links["ObservedProperty"][0])
        said = (observed.content.get("properties") or {}).get("key")
        key = said if isinstance(said, str) and said else writing.slug(observed.content["definition"])
        content = {**datastream.content, "name": name} if name else datastream.content
        return Meant(content, sensor.content["name"], key[:64], observed.content)

    def _thing(self, wanted: Draft, implied: Mapping[str, int]) -> int:
        key = f"st-{self._bits(_ID_BITS):013x}"
        number = number_of("Thing", key)
        writing.add_thing(self.connection, key)
        self._made(Entity("Thing", number, key, wanted.properties))
        writing.describe_thing(self.connection, key, wanted.properties)
        locations = [self.one("Location", one, {}) for one in wanted.links.get("Locations", ())]
        if "Locations" in implied:
            locations.append(implied["Locations"])
        if locations:
            self.move(number, locations)
        self._inside(wanted, "Datastreams", Thing=number)
        self._inside(wanted, "HistoricalLocations", Thing=number)
        return number

    def _location(self, wanted: Draft, implied: Mapping[str, int]) -> int:
        number = self._plain(wanted)
        things = [self.one("Thing", one, {}) for one in wanted.links.get("Things", ())]
        for thing in [*things, *([implied["Things"]] if "Things" in implied else [])]:
            self.move(thing, [number])
        self._inside(wanted, "HistoricalLocations", Locations=number)
        return number

    def _historical(self, wanted: Draft, implied: Mapping[str, int]) -> int:
        thing = implied.get("Thing") or self._linked(wanted, "Thing", "Thing", {})
        locations = [self.one("Location", one, {}) for one in wanted.links.get("Locations", ())]
        if "Locations" in implied:
            locations.append(implied["Locations"])
        if not locations:
            raise BadEntity("HistoricalLocation: Locations is empty; link at least one")
        at, key = times("HistoricalLocation/time", wanted.properties["time"])[0], self.key_of(thing)
        number = writing.add_place(self.connection, key, at, self.spot(locations), locations)
        before = self.known.written.current(key)
        if key not in self._locations and (before is None or at >= datetime.fromisoformat(before.at)):
            # The newest line says where the Thing is (OGC 18-088, 10.2).
            self._locations[key] = tuple(locations)
            writing.settle_thing(self.connection, key, self.spot(locations))
        self.created.append(("HistoricalLocation", number))
        self.changed = True
        return number

    def _datastream(self, wanted: Draft, implied: Mapping[str, int]) -> int:
        links = {
            name: implied.get(name) or self._linked(wanted, name, name, {})
            for name in ("Thing", "Sensor", "ObservedProperty")
        }
        as_entity = Entity(
            "Datastream", 0, None, wanted.properties, {name: (one,) for name, one in links.items()}
        )
        number = writing.add_datastream(self.connection, self.key_of(links["Thing"]), self.meant(as_entity))
        self._made(Entity("Datastream", number, None, wanted.properties, as_entity.links))
        self._keep_series(number, number, None)
        self._inside(wanted, "Observations", Datastream=number)
        return number

    def _of_streams(self, wanted: Draft, _implied: Mapping[str, int]) -> int:
        number = self._plain(wanted)
        self._inside(wanted, "Datastreams", **{wanted.kind: number})
        return number

    def _feature(self, wanted: Draft, _implied: Mapping[str, int]) -> int:
        number = self._plain(wanted)
        self._inside(wanted, "Observations", FeatureOfInterest=number)
        return number

    def _observation(self, wanted: Draft, implied: Mapping[str, int]) -> Wish:
        datastream = implied.get("Datastream") or self._linked(wanted, "Datastream", "Datastream", {})
        feature = implied.get("FeatureOfInterest")
        if feature is None and "FeatureOfInterest" in wanted.links:
            feature = self._linked(wanted, "FeatureOfInterest", "FeatureOfInterest", {})
        wish = Wish(self.series(datastream, feature), wanted.properties)
        self.observations.append(wish)
        return wish

    def series(self, datastream: int, feature: int | None) -> int:
        """What the store keeps Observations of this Datastream about this feature under; made if new.

        Without a feature it is where the Thing is now (OGC 18-088, 10.2). BadEntity if that is nowhere.
        """
        stream = self.entity("Datastream", datastream)
        thing = stream.links["Thing"][0]
        own = number_of("FeatureOfInterest", self.key_of(thing))
        feature = feature or self._place_as_feature(thing, own)
        main = self._series.get(datastream, (datastream, own))[1]
        if main is None:
            self._keep_series(datastream, datastream, feature)
            return datastream
        if main == feature:
            return datastream
        for number, about in self._series.items():
            if about == (datastream, feature):
                return number
        content = (
            self.entity("FeatureOfInterest", feature).content if feature != own else {"name": "Standort"}
        )
        meant = self.meant(stream, f"{stream.content['name']} ({content['name']})")
        number = writing.add_datastream(self.connection, self.key_of(thing), meant)
        self._keep_series(number, datastream, feature)
        return number

    def _place_as_feature(self, thing: int, own: int) -> int:
        key = self.key_of(thing)
        locations = self.locations_of(key)
        if locations is None and key in self.known.inventory.things:
            if ("FeatureOfInterest", own) in self.known.written.gone:
                writing.bring_back(self.connection, "FeatureOfInterest", own)
                self.changed = True
            return own
        if not locations:
            raise BadEntity(
                "Observation: FeatureOfInterest is missing, and its Thing has no Location to take for it"
            )
        number = number_of("FeatureOfInterest", f"location:{locations[0]}")
        if ("FeatureOfInterest", number) not in {**self.known.written.entities, **self._entities}:
            content = dict(self.entity("Location", locations[0]).content)
            self._made(
                Entity("FeatureOfInterest", number, None, {**content, "feature": content.pop("location")})
            )
        return number

    def _plain(self, wanted: Draft) -> int:
        number = self._bits(_ID_BITS)
        self._made(Entity(wanted.kind, number, None, wanted.properties))
        return number

    def _made(self, entity: Entity) -> None:
        self.created.append((entity.kind, entity.id))
        self.put(entity)

    def _keep_series(self, series: int, datastream: int, feature: int | None) -> None:
        self._series[series] = (datastream, feature)
        self.changed = True
        writing.put_series(self.connection, series, datastream, feature)

    def _linked(self, wanted: Draft, name: str, kind: str, implied: Mapping[str, int]) -> int:
        return self.one(kind, wanted.links[name][0], implied)

    def _inside(self, wanted: Draft, name: str, **implied: int) -> None:
        for one in wanted.links.get(name, ()):
            if not isinstance(one, Draft):
                raise BadEntity(f"{wanted.kind}: {name} can be described inline here, not linked by id")
            self.create(one, implied)

    _MAKERS: Mapping[str, Callable[[Composer, Draft, Mapping[str, int]], int | Wish]] = {
        "Thing": _thing,
        "Location": _location,
        "HistoricalLocation": _historical,
        "Datastream": _datastream,
        "Sensor": _of_streams,
        "ObservedProperty": _of_streams,
        "FeatureOfInterest": _feature,
        "Observation": _observation,
    }
