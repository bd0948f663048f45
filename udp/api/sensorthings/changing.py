"""Change and delete entities inside one transaction of the register, with the standard's cascade
(OGC 18-088, 10.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from udp.api.problems import BadEntity, Conflict
from udp.api.sensorthings import observing
from udp.api.sensorthings.catalogue import Record
from udp.api.sensorthings.composing import Composer
from udp.api.sensorthings.drafts import Draft, times
from udp.registry import writing
from udp.registry.written import Entity, Place


def update(composer: Composer, record: Record, wanted: Draft, *, whole: bool) -> None:
    """`wanted` holds what shall change; with `whole`, everything else returns to its default."""
    if record.kind == "HistoricalLocation":
        _update_history(composer, record.id, wanted)
        return
    entity = composer.entity(record.kind, record.id)
    given = {name: value for name, value in wanted.properties.items() if value is not None}
    removed = {name for name, value in wanted.properties.items() if value is None}
    kept = {} if whole else {name: one for name, one in entity.content.items() if name not in removed}
    changed = replace(entity, content={**kept, **given})
    _UPDATES.get(record.kind, _update_plain)(composer, changed, wanted)


def _update_plain(composer: Composer, entity: Entity, wanted: Draft) -> None:
    if wanted.links:
        raise BadEntity(f"{entity.kind}: {', '.join(wanted.links)} cannot be changed from this side")
    composer.put(entity)


def _update_thing(composer: Composer, entity: Entity, wanted: Draft) -> None:
    composer.put(entity)
    writing.describe_thing(composer.connection, composer.key_of(entity.id), entity.content)
    for name in wanted.links:
        if name != "Locations":
            raise BadEntity(f"Thing: {name} cannot be changed from this side")
        composer.move(entity.id, [composer.one("Location", one, {}) for one in wanted.links[name]])


def _update_location(composer: Composer, entity: Entity, wanted: Draft) -> None:
    composer.put(entity)
    record = composer.known.catalogue.records["Location"][entity.id]
    for thing in record.links.get("Things", ()):
        key = composer.key_of(thing)
        place = composer.known.written.current(key)
        if place is None or place.locations is None:
            # The register's own place becomes a written one: the same Location, from when it was.
            writing.settle_thing(composer.connection, key, composer.spot([entity.id]))
            if place is None:
                writing.add_place(
                    composer.connection, key, composer.now, composer.spot([entity.id]), [entity.id]
                )
                continue
        if place.locations in (None, (entity.id,)):
            spot = composer.spot([entity.id])
            where = {"latitude": spot.latitude, "longitude": spot.longitude} if spot else {}
            writing.change_place(composer.connection, place.id, locations=[entity.id], **where)
            writing.settle_thing(composer.connection, key, spot)
    for one in wanted.links.get("Things", ()):
        composer.move(composer.one("Thing", one, {}), [entity.id])


def _update_datastream(composer: Composer, entity: Entity, wanted: Draft) -> None:
    links = dict(entity.links)
    for name, targets in wanted.links.items():
        if name not in ("Sensor", "ObservedProperty", "Thing"):
            raise BadEntity(f"Datastream: {name} cannot be changed from this side")
        links[name] = (composer.one(name, targets[0], {}),)
    if links["Thing"] != entity.links["Thing"]:
        raise Conflict("a Datastream stays with its Thing; create a new one there and delete this one")
    changed = replace(entity, links=links)
    meant = composer.meant(changed)
    composer.put(changed)
    released = "properties" in wanted.properties
    writing.describe_datastream(composer.connection, entity.id, meant, released=released)


_UPDATES = {"Thing": _update_thing, "Location": _update_location, "Datastream": _update_datastream}


def _update_history(composer: Composer, number: int, wanted: Draft) -> None:
    values: dict[str, Any] = {}
    if "time" in wanted.properties:
        values["at"] = times("HistoricalLocation/time", wanted.properties["time"])[0].isoformat()
    if "Locations" in wanted.links:
        locations = [composer.one("Location", one, {}) for one in wanted.links["Locations"]]
        if not locations:
            raise BadEntity("HistoricalLocation: Locations is empty; link at least one")
        spot = composer.spot(locations)
        values |= {
            "locations": locations,
            "latitude": spot.latitude if spot else None,
            "longitude": spot.longitude if spot else None,
        }
    if "Thing" in wanted.links:
        values["thing"] = composer.key_of(composer.one("Thing", wanted.links["Thing"][0], {}))
    if values:
        writing.change_place(composer.connection, number, **values)
        composer.changed = True


class Deletion:
    """Knows what goes with what, and refuses what a device still feeds.

    The Observations about a FeatureOfInterest are the caller's to withdraw.
    """

    def __init__(self, composer: Composer) -> None:
        self._composer = composer
        self._known = composer.known

    def delete(self, record: Record) -> None:
        """Conflict for what the register of devices, or the city's places, speak for."""
        self._composer.changed = True
        _DELETIONS[record.kind](self, record)

    def _thing(self, record: Record) -> None:
        key = self._composer.key_of(record.id)
        self.require_bare(key)
        self._datastreams(record.links.get("Datastreams", ()))
        for place in self._known.written.places.get(key, ()):
            writing.change_place(self._composer.connection, place.id, hidden=True)
        self._gone(record)
        writing.settle_thing(self._composer.connection, key, None, gone=True)

    def require_bare(self, key: str) -> None:
        """Conflict while a device hangs on the Thing: it would measure nowhere."""
        inventory = self._known.inventory
        hung = [f"device {one.dev_eui}" for one in inventory.devices.values() if one.thing == key]
        hung += [f"{one.sensor} of {one.agent}" for one in inventory.wired.values() if one.thing == key]
        if hung:
            raise Conflict(f"{hung[0]} hangs on {key!r}; take that out of the register first")

    def _location(self, record: Record) -> None:
        if ("Location", record.id) not in self._known.written.entities:
            raise Conflict("this place comes from the register; link its Thing to another Location instead")
        self._gone(record)
        for key, places in self._known.written.places.items():
            for place in places:
                if record.id in (place.locations or ()):
                    self._without(key, place, record.id, current=place is places[-1])

    def _without(self, key: str, place: Place, location: int, *, current: bool) -> None:
        left = [one for one in place.locations or () if one != location]
        writing.change_place(self._composer.connection, place.id, locations=left, hidden=True)
        if current:
            if not left:
                self.require_bare(key)
            writing.settle_thing(self._composer.connection, key, self._composer.spot(left))

    def _history(self, record: Record) -> None:
        writing.change_place(self._composer.connection, record.id, hidden=True)

    def _datastream(self, record: Record) -> None:
        self._datastreams([record.id])

    def _of_streams(self, record: Record) -> None:
        self._datastreams(record.links.get("Datastreams", ()))
        self._gone(record)

    def require_free(self, record: Record) -> None:
        """Conflict for where a Thing stands while the register's own Datastreams are about it."""
        written = self._known.written.entities
        if ("FeatureOfInterest", record.id) in written:
            return
        about = self._known.catalogue.series.get(("FeatureOfInterest", record.id), ())
        streams = {self._known.catalogue.datastream_of[one] for one in about}
        fed = {one.datastream for one in observing.channels(self._known.inventory)}
        if any(("Datastream", one) not in written or one in fed for one in streams):
            raise Conflict("this feature is where the Thing stands; delete the Observations or the Thing")

    def _feature(self, record: Record) -> None:
        self.require_free(record)
        for series, (datastream, feature) in self._known.written.series.items():
            if feature == record.id:
                if series == datastream:
                    writing.put_series(self._composer.connection, series, datastream, None)
                else:
                    writing.retire_datastreams(self._composer.connection, [series])
        self._gone(record)

    def _datastreams(self, numbers: Iterable[int]) -> None:
        wanted = set(numbers)
        if computed := wanted & self._known.inventory.derived.keys():
            raise Conflict(f"Datastream {min(computed)} is computed from others; it goes when they go")
        for channel in observing.channels(self._known.inventory):
            if channel.datastream in wanted:
                raise Conflict(
                    f"a device of the register measures Datastream {channel.datastream}; take it out first"
                )
        parts = [one for one, (whole, _) in self._known.written.series.items() if whole in wanted]
        writing.retire_datastreams(self._composer.connection, [*wanted, *parts])
        for number in wanted:
            self._gone(self._known.catalogue.records["Datastream"][number])

    def _gone(self, record: Record) -> None:
        entity = self._composer.entity(record.kind, record.id)
        writing.put_entity(self._composer.connection, entity, gone=True)


_DELETIONS = {
    "Thing": Deletion._thing,
    "Location": Deletion._location,
    "HistoricalLocation": Deletion._history,
    "Datastream": Deletion._datastream,
    "Sensor": Deletion._of_streams,
    "ObservedProperty": Deletion._of_streams,
    "FeatureOfInterest": Deletion._feature,
}
