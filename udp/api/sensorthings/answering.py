"""One GET from its path and query to its answer; blocking, for a thread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from udp.api.problems import BadQuery
from udp.api.sensorthings import options as reading
from udp.api.sensorthings.catalogue import Catalogue
from udp.api.sensorthings.counting import Choosing
from udp.api.sensorthings.evaluation import Judge, Work
from udp.api.sensorthings.extents import Extents
from udp.api.sensorthings.harvest import Harvest, Rows
from udp.api.sensorthings.links import next_link, self_link
from udp.api.sensorthings.noted import Notes, no_notes
from udp.api.sensorthings.options import Limits
from udp.api.sensorthings.paths import Target, followed, nothing, resolve
from udp.api.sensorthings.rendering import Writer, following, values_of
from udp.api.sensorthings.syntax import Options
from udp.store.port import ObservationStore

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, of what the caller may know. `root`: the address of /v1.1 as the caller sees it;
    `notes`: what single Observations say beyond the store (udp.registry.written)."""

    root: str
    path: str
    query: str
    catalogue: Catalogue
    now: datetime
    limits: Limits
    notes: Notes = no_notes

    def noting(self, notes: Notes) -> Question:
        """The same with `notes`."""
        return replace(self, notes=notes)


@dataclass(frozen=True, slots=True)
class Answer:
    """`body` None means that there is no value (204)."""

    body: str | None
    media_type: str = JSON


def answer(question: Question, store: ObservationStore) -> Answer:
    """NotFound, BadQuery, NotOffered, TooMuch, TooLong, StoreUnavailable."""
    path = followed(question.path, question.catalogue, question.notes)
    question = replace(question, path=path)
    target = resolve(question.path, question.catalogue, store)
    desk = _Answering(question, store)
    if target.keys:
        reading.require_none(question.query, question.limits)
        return desk.value(target)
    options = reading.read(question.query, target.type.name, question.limits, collection=target.many)
    if target.references and (options.select or options.expand or options.data_array):
        raise BadQuery("$ref gives addresses only: $select, $expand and $resultFormat mean nothing here")
    if options.data_array and options.expand:
        raise BadQuery("$resultFormat=dataArray cannot be combined with $expand")
    body = desk.collection(target, options) if target.many else desk.entity(target, options)
    return Answer(json.dumps(body, ensure_ascii=False, separators=(",", ":")))


def writer(question: Question, store: ObservationStore) -> Writer:
    """Renders entities that are known already, as an answer to `question` would."""
    return _Answering(question, store).writer


class _Answering:
    """The parts of one answer, made once each."""

    def __init__(self, question: Question, store: ObservationStore) -> None:
        self._question = question
        self._store = store
        limits = question.limits
        # Nothing here may lead back to itself: what an answer took is free when it is given, and not
        # when Python's collector of cycles comes by, which stops all other answers for it.
        extents = Extents(question.catalogue, store, question.notes, question.now)
        self._judge = Judge(question.catalogue, question.now, Work(limits.work), extents.of)
        self._choosing = Choosing(self._judge, store)
        self._harvest = Harvest(store, self._judge, Rows(limits.rows), question.notes)
        self.writer = Writer(
            question.root,
            question.catalogue,
            self._judge,
            self._harvest,
            limits,
            self._choosing.choose,
            limits.entities,
            question.notes,
        )

    def value(self, target: Target) -> Answer:
        """A property, alone or bare."""
        body = self._plain(target)
        name = "@iot.id" if target.keys[0] in ("id", "@iot.id") else target.keys[0]
        found: Any = body.get(name)
        for key in target.keys[1:]:
            if not isinstance(found, Mapping) or key not in found:
                raise nothing(self._question.path)
            found = found[key]
        if found is None:
            return Answer(None)
        if not target.raw:
            return Answer(json.dumps({target.keys[-1]: found}, ensure_ascii=False))
        if isinstance(found, str):
            return Answer(found, "text/plain; charset=utf-8")
        return Answer(json.dumps(found, ensure_ascii=False), "text/plain; charset=utf-8")

    def entity(self, target: Target, options: Options) -> Any:
        """One entity."""
        if target.references:
            return {"@iot.selfLink": self._plain(target)["@iot.selfLink"]}
        if target.row is not None:
            return self.writer.observations(target.row, options)[0]
        return self.writer.entities(target.records, options)[0]

    def collection(self, target: Target, options: Options) -> Any:
        """A page of entities."""
        made: dict[str, Any] = {}
        address = f"{self._question.root}/{target.address}{'/$ref' if target.references else ''}"
        if target.type.name == "Observation":
            self._observations(made, target, options, address)
        else:
            self._records(made, target, options, address)
        return made

    def _records(self, made: dict[str, Any], target: Target, options: Options, address: str) -> None:
        if options.token is not None:
            raise BadQuery("$skiptoken: only from @iot.nextLink, unchanged")
        found = list(target.records)
        if options.filter is not None:
            found = self.writer.select(options.filter, found)
        if options.count:
            made["@iot.count"] = len(found)
        size = reading.page(options, self._question.limits)
        end = options.skip + size
        page = self._judge.sort(found, options.orderby)[options.skip : end]
        if page and end < len(found):
            made["@iot.nextLink"] = next_link(address, reading.within(options, skip=end))
        if target.references:
            made["value"] = [
                {"@iot.selfLink": self_link(self._question.root, one.kind, one.id)} for one in page
            ]
        else:
            made["value"] = self.writer.entities(page, options)

    def _observations(self, made: dict[str, Any], target: Target, options: Options, address: str) -> None:
        chosen = self._choosing.choose(target.streams, options.filter)
        if options.count:
            made["@iot.count"] = self._harvest.count(chosen)
        size = reading.page(options, self._question.limits)
        found = self._harvest.page(chosen, options.orderby, options.token, options.skip, size)
        if found.more:
            made["@iot.nextLink"] = next_link(address, following(options, found))
        if target.references:
            ids = values_of(found.rows, "id")
            made["value"] = [
                {"@iot.selfLink": self_link(self._question.root, "Observation", one)} for one in ids
            ]
        elif options.data_array:
            made["value"] = self.writer.data_array(found.rows, options)
        else:
            made["value"] = self.writer.observations(found.rows, options)

    def _plain(self, target: Target) -> dict[str, Any]:
        if target.row is not None:
            return self.writer.observations(target.row, Options())[0]
        return self.writer.entities(target.records, Options())[0]
