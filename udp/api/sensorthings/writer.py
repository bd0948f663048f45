"""One write from its request to disk: register and store, in an order that never leaves half of it told."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from udp.api.desk import Writable
from udp.api.problems import BadEntity, BadQuery, Conflict
from udp.api.sensorthings import drafts, jsonpatch, observing
from udp.api.sensorthings.changing import Deletion, update
from udp.api.sensorthings.composing import Composer, Known, Wish
from udp.api.sensorthings.drafts import Draft, Room
from udp.api.sensorthings.keeping import Keeping, Superseded
from udp.api.sensorthings.model import SETS, TYPES
from udp.api.sensorthings.noted import identities, time_of
from udp.api.sensorthings.observing import Row
from udp.api.sensorthings.paths import Target, followed, nothing, resolve
from udp.api.sensorthings.rendering import values_of
from udp.errors import NotFound, PlatformError
from udp.registry.sql import grow, lock
from udp.registry.written import Identity, notes
from udp.sensorthings import QualityRule
from udp.store import census
from udp.store.columns import Observations

_MOST_WITHDRAWN = 200_000


@dataclass(slots=True)
class Writer:
    """Writes one after the other; `known` reads what there is at this moment. `touched` hears of
    Observations of which something was said that the store does not hold."""

    to: Writable
    known: Callable[[], Known]
    now: Callable[[], datetime]
    random_bits: Callable[[int], int] = secrets.randbits
    touched: Callable[[Identity], None] = lambda _identity: None
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def create(self, path: str, body: Any) -> str:
        """What `path` leads to, made: `Things(1)` or the like. NotFound, BadEntity, BodyTooLarge."""
        with self._alone():
            known = self.known()
            kind, parent, link = self._place(path, known)
            implied = {} if parent is None else {_back(parent, link): parent.records[0].id}
            wanted = drafts.draft(kind, body, Room(), given=frozenset(implied))
            made, rows = self._transact(known, lambda composer: composer.create(wanted, implied))
            if isinstance(made, Wish):
                return f"Observations('{rows[0].id}')"
            return f"{TYPES[kind].set}({made})"

    def link(self, path: str, body: Any) -> None:
        """Link an existing entity: POST to `Things(1)/Locations/$ref`."""
        with self._alone():
            known = self.known()
            kind, parent, link = self._place(path.removesuffix("/$ref"), known)
            number = drafts.identity(body, kind)
            if parent is None:
                raise nothing(path)
            pair = {parent.type.name: parent.records[0].id, kind: number}
            if set(pair) != {"Thing", "Location"}:
                raise Conflict(f"{parent.type.name}/{link}: PATCH the entity that holds the link instead")
            self._transact(
                known,
                lambda composer: composer.move(
                    composer.one("Thing", pair["Thing"], {}), [composer.one("Location", pair["Location"], {})]
                ),
            )

    def unlink(self, path: str) -> None:
        """End a link: DELETE of `Things(1)/Locations(2)/$ref`, or from the Location's side."""
        with self._alone():
            known = self.known()
            target = self._single(path.removesuffix("/$ref"), known)
            before = path.removesuffix("/$ref").strip("/").rpartition("/")[0]
            parent = resolve(before, known.catalogue, self.to.store) if before else None
            if parent is None or not parent.records or not target.records:
                raise nothing(path)
            pair = {one.type.name: one.records[0].id for one in (parent, target)}
            if set(pair) != {"Thing", "Location"}:
                raise Conflict(f"{target.type.name}: this link cannot end; PATCH or DELETE an entity instead")
            left = [
                one
                for one in known.catalogue.records["Thing"][pair["Thing"]].links.get("Locations", ())
                if one != pair["Location"]
            ]

            def without(composer: Composer) -> None:
                if not left:
                    Deletion(composer).require_bare(composer.key_of(pair["Thing"]))
                composer.move(pair["Thing"], left)

            self._transact(known, without)

    def change(self, path: str, body: Any, *, whole: bool = False, patch: bool = False) -> str:
        """PATCH, PUT (`whole`) or JSON Patch (`patch`); where the entity stands now."""
        with self._alone():
            known = self.known()
            target = self._single(path, known)
            kind = target.type.name
            if target.row is not None:
                return self._change_observation(known, path, body, whole=whole, patch=patch)
            record = target.records[0]
            if patch:
                before = {name: record.properties.get(name) for name in TYPES[kind].properties}
                body = jsonpatch.changed({name: one for name, one in before.items() if one is not None}, body)
            wanted = drafts.draft(kind, body, Room(), given=frozenset(TYPES[kind].links), partial=not whole)
            if any(isinstance(one, Draft) for found in wanted.links.values() for one in found):
                raise BadEntity(f"{kind}: entities inside are not taken here; link them by @iot.id")
            self._transact(known, lambda composer: update(composer, record, wanted, whole=whole))
            return f"{TYPES[kind].set}({record.id})"

    def delete(self, path: str) -> None:
        """The entity and what cannot be without it."""
        with self._alone():
            known = self.known()
            target = self._single(path, known)
            if target.row is not None:
                self._withdraw(known, target.row)
                return
            record = target.records[0]
            if record.kind == "FeatureOfInterest":
                self._transact(known, lambda composer: Deletion(composer).require_free(record))
                self._empty(known, known.catalogue.series.get((record.kind, record.id), ()))
            self._transact(known, lambda composer: Deletion(composer).delete(record))

    def observations(self, groups: Any) -> list[str]:
        """CreateObservations: per row the path of what was made, or "error"."""
        with self._alone():
            known = self.known()
            found: list[str | Wish] = []

            def made(composer: Composer) -> None:
                for datastream, feature, said in _rows(groups):
                    try:
                        wanted = drafts.draft("Observation", said, Room(), given=frozenset({"Datastream"}))
                        series = composer.series(
                            composer.one("Datastream", datastream, {}),
                            composer.one("FeatureOfInterest", feature, {}) if feature is not None else None,
                        )
                        observing.row(series, wanted.properties, self.now())
                        wish = Wish(series, wanted.properties)
                        found.append(wish)
                        composer.observations.append(wish)
                    except (BadEntity, NotFound):
                        found.append("error")

            _, rows = self._transact(known, made)
            done = iter(rows)
            return [one if isinstance(one, str) else f"Observations('{next(done).id}')" for one in found]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Of all processes: what is looked up and noted before a value is stored must still be so then."""
        with self._turn, self.to.database.turn():
            yield

    def _keeping(self, known: Known) -> Keeping:
        return Keeping(self.to, known.inventory, known.written, self.now())

    def _transact(self, known: Known, work: Callable[[Composer], Any]) -> tuple[Any, Sequence[Row]]:
        """The register first, then the store: what the store cannot take is taken back from the register."""
        keeping = self._keeping(known)
        with self.to.database.writing() as connection:
            composer = Composer(connection, known, keeping.now, self.random_bits)
            result = work(composer)
            rows = keeping.placed(composer.observations)
            news = keeping.note(connection, rows)
            if news or composer.changed:
                lock(connection)
                grow(connection, keeping.now)
        try:
            return result, keeping.keep(composer.observations, rows) if rows else rows
        except PlatformError:
            keeping.undo()
            self._take_back(composer.created)
            raise

    def _take_back(self, created: Sequence[tuple[str, int]]) -> None:
        known = self.known()
        with self.to.database.writing() as connection:
            deletion = Deletion(Composer(connection, known, self.now(), self.random_bits))
            for kind, number in created:
                if (record := known.catalogue.records[kind].get(number)) is not None:
                    deletion.delete(record)
            grow(connection, self.now())

    def _place(self, path: str, known: Known) -> tuple[str, Target | None, str]:
        """Entity type, the entity it is to hang on, and by which link."""
        before, _, name = path.strip("/").rpartition("/")
        if not before:
            if name not in SETS:
                raise nothing(path)
            return SETS[name].name, None, ""
        parent = resolve(before, known.catalogue, self.to.store)
        if parent.many or parent.row is not None or name not in parent.type.links:
            raise nothing(path)
        kind, many = parent.type.links[name]
        if not many:
            raise Conflict(f"{name} is one entity and there already; PATCH {parent.address} to link another")
        return kind, parent, name

    def _single(self, path: str, known: Known) -> Target:
        path = followed(path, known.catalogue, lambda wanted: notes(self.to.database, wanted))
        target = resolve(path, known.catalogue, self.to.store)
        if target.many or target.keys or target.references:
            raise BadQuery(f"{path[:100]}: only single entities are changed or deleted")
        return target

    def _change_observation(self, known: Known, path: str, body: Any, *, whole: bool, patch: bool) -> str:
        """Again from what stands, where others have corrected it meanwhile."""
        tries = 0
        while True:
            tries += 1
            row = self._single(path, known).row
            if row is None:
                raise nothing(path)
            try:
                number = self._change_row(known, row, body, whole=whole, patch=patch)
            except Superseded:
                if tries == observing.ROUNDS:
                    raise
            else:
                return f"Observations('{number}')"

    def _change_row(self, known: Known, row: Observations, body: Any, *, whole: bool, patch: bool) -> str:
        before = {
            name: values_of(row, name)[0] for name in ("phenomenonTime", "resultTime", "result", "parameters")
        }
        before |= self._noted(row)
        if patch:
            body = jsonpatch.changed({name: one for name, one in before.items() if one is not None}, body)
        wanted = drafts.draft(
            "Observation", body, Room(), given=frozenset(TYPES["Observation"].links), partial=not whole
        )
        if wanted.links and not whole:
            raise Conflict("an Observation stays with its Datastream and feature; create a new one there")
        series = int(row.datastream[0])
        said = dict(wanted.properties) if whole else {**before, **wanted.properties}
        said.setdefault("phenomenonTime", before["phenomenonTime"])
        (place,) = identities(row)
        moved = time_of(said["phenomenonTime"]) != time_of(before["phenomenonTime"])

        def kept(composer: Composer) -> None:
            composer.observations.append(Wish(series, said, place, moved, int(row.revision[0])))

        _, (found,) = self._transact(known, kept)
        if found.identity != place:
            self._withdraw(known, row, {"moved": found.id})
        elif found.result == before["result"]:
            self.touched(found.identity)
        return found.id

    def _noted(self, row: Observations) -> dict[str, Any]:
        """What else was said of it, which a change leaves as it is unless it says otherwise."""
        (identity,) = identities(row)
        found = notes(self.to.database, [identity]).get(identity, {})
        return {name: one for name, one in found.items() if name in TYPES["Observation"].properties}

    def _withdraw(self, known: Known, rows: Observations, note: Mapping[str, Any] | None = None) -> None:
        self._keeping(known).withdraw(rows, note or {})

    def _empty(self, known: Known, series: Sequence[int]) -> None:
        found = census.take(self.to.store, series, census.everything()) if series else census.Census.empty()
        if found.total > _MOST_WITHDRAWN:
            raise Conflict(f"{found.total} Observations are about it; delete their Datastreams instead")
        if found.total:
            rows = self.to.store.read(series, census.everything())
            self._withdraw(known, rows.take(rows.rule != QualityRule.WITHDRAWN))


def _back(parent: Target, link: str) -> str:
    """The link from the new entity to where it hangs."""
    kind = TYPES[parent.type.links[link][0]]
    return next(name for name, (target, _) in kind.links.items() if target == parent.type.name)


def _rows(groups: Any) -> Any:
    """(Datastream, FeatureOfInterest or None, properties) per row of a data array (OGC 18-088, 13.2)."""
    if not isinstance(groups, list):
        raise BadEntity("CreateObservations takes a list of groups, one per Datastream")
    room = Room()
    for group in groups:
        if not isinstance(group, dict) or not isinstance(group.get("dataArray"), list):
            raise BadEntity("each group has Datastream, components and dataArray")
        names = group.get("components")
        if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
            raise BadEntity("components is a list of the names of properties")
        datastream = drafts.identity(group.get("Datastream"), "Datastream")
        for cells in group["dataArray"]:
            room.take("Observation")
            whole = isinstance(cells, list) and len(cells) == len(names)
            said = dict(zip(names, cells, strict=True)) if whole else {}
            feature = said.pop("FeatureOfInterest/id", said.pop("FeatureOfInterest/@iot.id", None))
            yield datastream, feature, said
