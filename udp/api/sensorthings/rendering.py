"""Entities as the JSON of the standard (OGC 18-088, 8.1.1): properties, links, and what was expanded.

Each level is rendered for all entities of a page at once, so that an expansion asks the store once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from udp.api import columns_json
from udp.api.problems import TooMuch
from udp.api.sensorthings import columns, reaching
from udp.api.sensorthings.catalogue import Catalogue, Record
from udp.api.sensorthings.evaluation import Judge
from udp.api.sensorthings.harvest import Harvest, Page
from udp.api.sensorthings.links import next_link, self_link
from udp.api.sensorthings.model import TYPES
from udp.api.sensorthings.noted import Notes, identities, no_notes
from udp.api.sensorthings.options import Limits, page, within
from udp.api.sensorthings.paths import of_row, streams_of
from udp.api.sensorthings.selection import Chosen
from udp.api.sensorthings.syntax import Expand, Interval, Node, Options
from udp.sensorthings import CITIZEN_NOTICE
from udp.store.columns import Observations

Json = dict[str, Any]


@dataclass(slots=True)
class Writer:
    """Renders for one request; `left`: how many entities the answer may still take."""

    root: str
    catalogue: Catalogue
    judge: Judge
    harvest: Harvest
    limits: Limits
    choose: Callable[[Sequence[int], Node | None], Chosen]
    left: int
    notes: Notes = no_notes

    def select(self, condition: Node, records: Sequence[Record]) -> list[Record]:
        """Those for which the condition is true."""
        if not records or not reaching.reaches(condition, records[0].kind):
            return self.judge.select(condition, records)
        return reaching.select(
            self.judge, condition, records, lambda ids, rest: self.harvest.holding(self.choose(ids, rest))
        )

    def entities(self, records: Sequence[Record], options: Options) -> list[Json]:
        """In the same order."""
        self._spend(len(records))
        expanded = [(one, self._related(records, one)) for one in options.expand]
        made = []
        for at, record in enumerate(records):
            link = self_link(self.root, record.kind, record.id)
            body = self._head(record.id, link, options)
            for name in TYPES[record.kind].properties:
                value = self._property(record, name)
                if value is not None and (not options.select or name in options.select):
                    body[name] = written(value)
            self._close(body, record.kind, link, options)
            for _, related in expanded:
                body.update(related[at])
            made.append(body)
        return made

    def observations(self, rows: Observations, options: Options) -> list[Json]:
        """As `entities`, of rows of the store."""
        self._spend(len(rows))
        names = options.select or TYPES["Observation"].properties
        cells = {
            name: self._values_of(rows, name) for name in names if name in TYPES["Observation"].properties
        }
        expanded = [self._of_rows(rows, one) for one in options.expand]
        made = []
        for at, identifier in enumerate(columns.identifiers(rows)):
            link = self_link(self.root, "Observation", identifier)
            body = self._head(identifier, link, options)
            body.update({name: values[at] for name, values in cells.items() if _shown(name, values[at])})
            self._close(body, "Observation", link, options)
            for related in expanded:
                body.update(related[at])
            made.append(body)
        return made

    def data_array(self, rows: Observations, options: Options) -> list[Json]:
        """Grouped by Datastream, values only (OGC 18-088, 9.3.5)."""
        self._spend(len(rows))
        default = ("id", "phenomenonTime", "resultTime", "result", "resultQuality")
        names = [one for one in options.select or default if one in default or one in _OWN]
        made: dict[int, list[list[Any]]] = {}
        values = [self._values_of(rows, name) for name in names]
        whole = self.catalogue.datastream_of
        for series, *cells in zip(rows.datastream.tolist(), *values, strict=True):
            made.setdefault(whole[series], []).append(cells)
        return [
            {
                "Datastream@iot.navigationLink": self_link(self.root, "Datastream", stream),
                "components": names,
                "dataArray@iot.count": len(array),
                "dataArray": array,
            }
            for stream, array in made.items()
        ]

    def _values_of(self, rows: Observations, name: str) -> list[Any]:
        """As `values_of`; what citizens measured says so beside each value, whatever its rule."""
        values = values_of(rows, name)
        if name == "resultQuality":
            citizens = self.catalogue.citizens
            for stream, value in zip(rows.datastream.tolist(), values, strict=True):
                if stream in citizens:
                    value["notice"] = CITIZEN_NOTICE
        if name in ("phenomenonTime", "result", "resultQuality", "validTime", "parameters"):
            self._annotate(rows, name, values)
        return values

    def _annotate(self, rows: Observations, name: str, values: list[Any]) -> None:
        """What was written with single Observations beyond what the store holds."""
        noted = self.catalogue.noted
        at = {key: place for place, key in enumerate(identities(rows)) if key[0] in noted}
        for key, content in self.notes(at).items() if at else ():
            if name not in content:
                continue
            given, held = content[name], values[at[key]]
            if name == "resultQuality" and not (held.keys() <= _VERDICT and held["rule"] == "none"):
                # What the platform found stands beside what was said; where it found nothing, as it was said.
                more = given if isinstance(given, dict) else {"given": given}
                given = {**more, **held}
            values[at[key]] = given

    def _head(self, identifier: int | str, link: str, options: Options) -> Json:
        body: Json = {}
        if not options.select or {"selfLink", "@iot.selfLink"} & {*options.select}:
            body["@iot.selfLink"] = link
        if not options.select or {"id", "@iot.id"} & {*options.select}:
            body["@iot.id"] = identifier
        return body

    def _close(self, body: Json, kind: str, link: str, options: Options) -> None:
        inside = {one.name for one in options.expand}
        for name in TYPES[kind].links:
            if name not in inside and (not options.select or name in options.select):
                body[f"{name}@iot.navigationLink"] = f"{link}/{name}"

    def _property(self, record: Record, name: str) -> Any:
        if record.kind == "Datastream" and name == "phenomenonTime":
            return self.judge.extents(record.id)
        if record.kind == "Datastream" and name == "observedArea" and name not in record.properties:
            return self.catalogue.areas.get(record.id)
        return record.properties.get(name)

    def _related(self, records: Sequence[Record], wanted: Expand) -> list[Json]:
        """For each entity the members that the expansion adds."""
        if not records:
            return []
        target, many = TYPES[records[0].kind].links[wanted.name]
        if target == "Observation":
            return self._observations_of(records, wanted)
        options = wanted.options
        groups = [self.catalogue.follow(one, wanted.name) for one in records]
        counts = [len(one) for one in groups]
        pages = groups
        if many:
            if options.filter is not None:
                groups = [self.select(options.filter, one) for one in groups]
                counts = [len(one) for one in groups]
            size, skip = page(options, self.limits), options.skip
            pages = [self.judge.sort(one, options.orderby)[skip : skip + size] for one in groups]
        rendered = iter(self.entities([one for group in pages for one in group], options))
        return [
            self._member(record, wanted, [next(rendered) for _ in group], total, many=many)
            for record, group, total in zip(records, pages, counts, strict=True)
        ]

    def _member(self, record: Record, wanted: Expand, found: list[Json], total: int, *, many: bool) -> Json:
        if not many:
            return {wanted.name: found[0] if found else None}
        options = wanted.options
        link = f"{self_link(self.root, record.kind, record.id)}/{wanted.name}"
        members: Json = {f"{wanted.name}@iot.count": total} if options.count else {}
        members[wanted.name] = found
        reached = options.skip + len(found)
        if found and reached < total:
            members[f"{wanted.name}@iot.nextLink"] = next_link(link, within(options, skip=reached))
        return members

    def _observations_of(self, records: Sequence[Record], wanted: Expand) -> list[Json]:
        options = wanted.options
        parents = [streams_of(one, self.catalogue) for one in records]
        chosen = self.choose(sorted({stream for group in parents for stream in group}), options.filter)
        size = page(options, self.limits)
        pages = self.harvest.pages(chosen, parents, options.orderby, options.skip, size)
        rendered = iter(self.observations(Observations.concatenate([one.rows for one in pages]), options))
        made = []
        for record, streams, one in zip(records, parents, pages, strict=True):
            link = f"{self_link(self.root, record.kind, record.id)}/{wanted.name}"
            members: Json = {}
            if options.count:
                members[f"{wanted.name}@iot.count"] = self.harvest.count(chosen.only(streams))
            members[wanted.name] = [next(rendered) for _ in range(len(one.rows))]
            if one.more:
                members[f"{wanted.name}@iot.nextLink"] = next_link(link, following(options, one))
            made.append(members)
        return made

    def _of_rows(self, rows: Observations, wanted: Expand) -> list[Json]:
        kind = TYPES["Observation"].links[wanted.name][0]
        records = [of_row(rows, at, kind, self.catalogue) for at in range(len(rows))]
        self._spend(len(records))
        different = list({one.id: one for one in records}.values())
        rendered = dict(
            zip((one.id for one in different), self.entities(different, wanted.options), strict=True)
        )
        return [{wanted.name: rendered[one.id]} for one in records]

    def _spend(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise TooMuch(
                f"the answer would hold more than {self.limits.entities} entities; "
                "use a smaller $top, also within $expand"
            )


_VERDICT = {"quality", "rule"}
_OWN = frozenset(TYPES["Observation"].properties)


def following(options: Options, found: Page) -> Options:
    """The options of the page after this one."""
    if found.place is not None:
        return within(options, token=str(found.place), skip=0)
    return within(options, skip=options.skip + len(found.rows))


def _shown(name: str, value: Any) -> bool:
    return value is not None or name == "result"


def values_of(rows: Observations, name: str) -> list[Any]:
    """One JSON value per row."""
    if name in ("id", "@iot.id"):
        return list(columns.identifiers(rows))
    if name in ("phenomenonTime", "resultTime"):
        times = rows.phenomenon_time if name == "phenomenonTime" else rows.result_time
        return list(columns_json.times(times)) if len(times) else []
    if name == "result":
        # 8 was counted, not 8.0: a whole number is told as one.
        return [int(one) if one.is_integer() else one for one in rows.result.tolist()]
    if name == "resultQuality":
        quality, rule = columns.verdicts(rows)
        words = columns_json.quality_words(quality.tolist())
        rules = columns_json.rule_words(rule.tolist())
        return [{"quality": word, "rule": rule} for word, rule in zip(words, rules, strict=True)]
    if name == "parameters":
        return [{"lead_s": lead} if lead else None for lead in rows.lead.tolist()]
    return [None] * len(rows)


def written(value: Any) -> Any:
    """A property as JSON says it."""
    if isinstance(value, datetime):
        return columns_json.time(value)
    if isinstance(value, Interval):
        return f"{columns_json.time(value.start)}/{columns_json.time(value.end)}"
    return dict(value) if isinstance(value, Mapping) else value
