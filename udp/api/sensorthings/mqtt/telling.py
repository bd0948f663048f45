"""From what has changed to messages: who subscribed to it, and as what it is told.

Runs in a thread, over one state of things; rendered once per caller and choice of properties, however
many have subscribed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from udp.api.sensorthings import rendering
from udp.api.sensorthings.catalogue import Catalogue, Record
from udp.api.sensorthings.mqtt import topics
from udp.api.sensorthings.mqtt.changes import Changes, between
from udp.api.sensorthings.mqtt.topics import TopicRefused, Wish
from udp.api.sensorthings.noted import Notes
from udp.api.sensorthings.paths import Target, followed, nothing, resolve
from udp.api.sensorthings.syntax import Options
from udp.errors import NotFound
from udp.sensorthings import QualityRule
from udp.store.columns import Observations
from udp.store.port import ObservationStore

Identity = tuple[int, int, int]
Render = Callable[[Catalogue], rendering.Writer]
Mask = NDArray[np.bool_]
_MOVES = ("phenomenonTime", "resultTime")
_AT_ONCE = 1_000


@dataclass(slots=True, eq=False)
class Subscription:
    """One wish of one client: up to which state of things it has been told. `catalogue`: what its caller
    could know then; `after`: the last arrival. `told`: the last value of an Observation's property;
    `found`: what the path leads to in a catalogue, None for nowhere."""

    wish: Wish
    qos: int
    options: Options
    catalogue: Catalogue
    after: int
    told: Any = None
    found: tuple[Catalogue, Target | None] | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """For one subscription."""

    to: Subscription
    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class World:
    """What is asked while paths are followed."""

    store: ObservationStore
    notes: Notes

    def target(self, path: str, catalogue: Catalogue) -> Target:
        """NotFound for what is not there, or not for this caller."""
        return resolve(followed(path, catalogue, self.notes), catalogue, self.store)


def subscription(  # noqa: PLR0917 - what was asked, and of what
    wish: Wish, qos: int, catalogue: Catalogue, after: int, world: World, writer: Render
) -> Subscription:
    """TopicRefused for a path that leads nowhere, in the same words for what is hidden."""
    if wish.pattern:
        return Subscription(wish, qos, Options(), catalogue, after)
    try:
        target = world.target(wish.path, catalogue)
        if target.references or target.raw:
            raise nothing(wish.path)
    except NotFound as error:
        raise TopicRefused(str(error), topics.NOT_AUTHORIZED) from error
    kind = target.type.name
    if kind == "Datastream" and target.keys and target.keys[0] in _MOVES:
        raise TopicRefused(f"{target.keys[0]} moves with each Observation; subscribe to the Observations")
    wanted = topics.options(wish, kind, collection=target.many, value=bool(target.keys))
    made = Subscription(wish, qos, wanted, catalogue, after)
    if target.row is not None and target.keys:
        made.told = (_inner(writer(catalogue).observations(target.row, Options())[0], target.keys),)
    return made


@dataclass(slots=True)
class Round:
    """One look at what has changed. `arrived`: (number, rows), ascending; `number` 0 is for everybody."""

    world: World
    writer: Render
    arrived: Sequence[tuple[int, Observations]]
    _changes: dict[tuple[int, int], Changes] = field(default_factory=dict)
    _words: dict[tuple[int, tuple[str, ...], str, int], bytes] = field(default_factory=dict)
    _masks: dict[tuple[int, str], Mask] = field(default_factory=dict)

    def messages(self, of: Iterable[tuple[Subscription, Catalogue]]) -> Iterator[Message]:
        """For each subscription, with what its caller may know now."""
        pairs = list(of)
        for one, now in pairs:
            if one.catalogue is not now:
                yield from self._of_entities(one, now)
        rows, numbers = self._joined()
        if len(rows):
            yield from self._of_observations(pairs, rows, numbers)

    def _joined(self) -> tuple[Observations, NDArray[np.int64]]:
        rows = Observations.concatenate([rows for _, rows in self.arrived])
        numbers = [np.full(len(rows), number, np.int64) for number, rows in self.arrived]
        return rows, np.concatenate(numbers) if numbers else np.empty(0, np.int64)

    def _between(self, before: Catalogue, after: Catalogue) -> Changes:
        key = (id(before), id(after))
        if key not in self._changes:
            self._changes[key] = between(before, after)
        return self._changes[key]

    def _of_entities(self, one: Subscription, now: Catalogue) -> Iterator[Message]:
        changes = self._between(one.catalogue, now)
        if one.wish.pattern:
            if changes:
                yield from self._of_pattern(one, now, changes)
            return
        before = self._before(one)
        target = self._target(one, now)
        if target is None or target.type.name == "Observation":
            return
        if target.keys:
            yield from self._of_property(one, target, before, changes)
            return
        kind = target.type.name
        told = [
            record
            for record in target.records
            if record.id not in before or changes.of(kind, record.id) or record.id in changes.new[kind]
        ]
        for entity in self._entities(now, told, one.options):
            yield Message(one, one.wish.topic, entity)

    def _before(self, one: Subscription) -> frozenset[int]:
        found = self._target(one, one.catalogue)
        return frozenset(record.id for record in found.records) if found else frozenset()

    def _target(self, one: Subscription, catalogue: Catalogue) -> Target | None:
        """What its path leads to, asked once per state of things."""
        if one.found is None or one.found[0] is not catalogue:
            try:
                one.found = catalogue, self.world.target(one.wish.path, catalogue)
            except NotFound:
                one.found = catalogue, None
        return one.found[1]

    @staticmethod
    def _of_property(
        one: Subscription, target: Target, before: frozenset[int], changes: Changes
    ) -> Iterator[Message]:
        (record,) = target.records
        if record.id in before and target.keys[0] not in changes.of(target.type.name, record.id):
            return
        value = _value(record, target.keys)
        if record.id in before and value == _value(
            one.catalogue.records[record.kind][record.id], target.keys
        ):
            return
        yield Message(one, one.wish.topic, _json({target.keys[-1]: value}))

    def _of_pattern(self, one: Subscription, now: Catalogue, changes: Changes) -> Iterator[Message]:
        for kind, number in changes.everything():
            record = now.records[kind][number]
            topic = one.wish.first(topics.of_entity(kind, number))
            if topic is not None:
                (entity,) = self._entities(now, [record], one.options)
                yield Message(one, topic, entity)
                continue
            names = changes.of(kind, number) or frozenset(record.properties)
            for topic, name in topics.of_properties(kind, number, sorted(names)):
                if one.wish.matches(topic):
                    yield Message(one, topic, _json({name: rendering.written(record.properties.get(name))}))

    def _entities(self, now: Catalogue, records: Sequence[Record], wanted: Options) -> Iterator[bytes]:
        """In the same order, rendered once for all who get the same words."""
        for at in range(0, len(records), _AT_ONCE):
            part = records[at : at + _AT_ONCE]
            keys = [(id(now), wanted.select, one.kind, one.id) for one in part]
            missing = [one for one, key in zip(part, keys, strict=True) if key not in self._words]
            made = self.writer(now).entities(missing, wanted) if missing else []
            for one, entity in zip(missing, made, strict=True):
                self._words[id(now), wanted.select, one.kind, one.id] = _json(entity)
            yield from (self._words[key] for key in keys)

    def _of_observations(
        self, pairs: Sequence[tuple[Subscription, Catalogue]], rows: Observations, numbers: Any
    ) -> Iterator[Message]:
        known: dict[int, Mask] = {}
        groups: dict[tuple[int, tuple[str, ...]], list[tuple[Subscription, Catalogue, Mask]]] = {}
        for one, now in pairs:
            if id(now) not in known:
                # The gate: what this caller may know as it was measured, and what was not taken back.
                seen = np.isin(rows.datastream, list(now.datastream_of))
                known[id(now)] = seen & (rows.rule != QualityRule.WITHDRAWN)
            key = (id(now), one.wish.topic)
            if key not in self._masks:
                self._masks[key] = self._wanted(one, now, rows, known[id(now)])
            wanted = self._masks[key] & ((numbers == 0) | (numbers > one.after))
            if wanted.any():
                groups.setdefault((id(now), one.options.select), []).append((one, now, wanted))
        for members in groups.values():
            yield from self._of_group(members, rows)

    def _of_group(
        self, members: Sequence[tuple[Subscription, Catalogue, Mask]], rows: Observations
    ) -> Iterator[Message]:
        """Of subscriptions that get the same words."""
        now, select = members[0][1], members[0][0].options
        union = np.flatnonzero(np.logical_or.reduce([wanted for _, _, wanted in members]))
        made = self.writer(now).observations(rows.take(union), select)
        words = dict(zip(union.tolist(), (_json(one) for one in made), strict=True))
        for one, _, wanted in members:
            for at in np.flatnonzero(wanted).tolist():
                stream = int(rows.datastream[at])
                if one.wish.pattern:
                    of = topics.of_observation(now.datastream_of[stream], now.feature_of[stream])
                    yield Message(one, one.wish.first(of) or one.wish.topic, words[at])
                elif (target := self._target(one, now)) is not None and target.keys:
                    yield from self._changed(one, target.keys, json.loads(words[at]))
                else:
                    yield Message(one, one.wish.topic, words[at])

    def _wanted(self, one: Subscription, now: Catalogue, rows: Observations, known: Mask) -> Mask:
        """Which of the rows that its caller may know it means; the same for all who wrote the same topic."""
        if one.wish.pattern:
            streams = [
                stream
                for stream in np.unique(rows.datastream[known]).tolist()
                if one.wish.first(topics.of_observation(now.datastream_of[stream], now.feature_of[stream]))
            ]
            return known & np.isin(rows.datastream, streams)
        target = self._target(one, now)
        if target is not None and target.row is not None:
            # It may have got another time, and so another id, without any change of the register.
            one.found = None
            target = self._target(one, now)
        if target is None or target.type.name != "Observation":
            return np.zeros(len(rows), bool)
        if target.row is None:
            return known & np.isin(rows.datastream, list(target.streams))
        row = target.row
        meant: Mask = (
            known
            & (rows.datastream == row.datastream[0])
            & (rows.phenomenon_time == row.phenomenon_time[0])
            & (rows.lead == row.lead[0])
        )
        return meant

    @staticmethod
    def _changed(one: Subscription, keys: tuple[str, ...], entity: Any) -> Iterator[Message]:
        value = _inner(entity, keys)
        if one.told != (value,):
            one.told = (value,)
            yield Message(one, one.wish.topic, _json({keys[-1]: value}))


def _value(record: Record, keys: Sequence[str]) -> Any:
    return _inner({keys[0]: rendering.written(record.properties.get(keys[0]))}, keys)


def _inner(found: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    return found


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
