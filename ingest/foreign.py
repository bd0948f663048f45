"""Which foreign platforms are listened to or asked, and what a sample of theirs would become."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from edge.wire.messages import Reading
from edge.wire.settings import Secret
from ingest.committer import Committer
from ingest.heard import Unusable
from ingest.mapping import ForeignMapping, read_mapping
from ingest.normalise import Bindings
from ingest.puller import Puller
from ingest.sources.http import SourceKey
from udp.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class ForeignSettings:
    """One platform. `key`: what it shows at /webhook/<name>; without one there is no such door. `header` and
    `secret`: what we show when we ask."""

    mapping: Path
    key: Secret | None = None
    header: str = "Authorization"
    secret: Secret | None = None


def read_foreign(settings: Sequence[ForeignSettings]) -> dict[str, ForeignMapping]:
    """All mapping files by name. ConfigurationError."""
    found: dict[str, ForeignMapping] = {}
    for one in settings:
        mapping = read_mapping(one.mapping)
        if mapping.name in found:
            raise ConfigurationError(
                f"{one.mapping}: mapping {mapping.name!r} exists twice; rename one of them"
            )
        found[mapping.name] = mapping
    return found


def webhook_keys(
    settings: Sequence[ForeignSettings], mappings: Mapping[str, ForeignMapping]
) -> list[SourceKey]:
    """The doors that are open, by mapping."""
    named = zip(mappings.values(), settings, strict=True)
    return [SourceKey(mapping.name, one.key) for mapping, one in named if one.key is not None]


def pullers(
    settings: Sequence[ForeignSettings],
    mappings: Mapping[str, ForeignMapping],
    committer: Committer,
    directory: Path,
    now: Callable[[], datetime],
) -> list[Puller]:
    """Those that have a [pull] table; what they have fetched is remembered in `directory`."""
    made = []
    for mapping, one in zip(mappings.values(), settings, strict=True):
        if mapping.file.pull is not None:
            header = None if one.secret is None else (one.header, one.secret)
            state = directory / f"{mapping.name}.pull.json"
            made.append(Puller(mapping, header, committer, state, now))
    return made


def preview(
    mapping: ForeignMapping, octets: bytes, bindings: Bindings, at: datetime
) -> tuple[list[str], int]:
    """(one line per value or problem, number of problems) of a sample; nothing is kept."""
    lines: list[str] = []
    problems = 0
    try:
        for one in mapping.draw(octets, at):
            try:
                if one.problem is not None:
                    raise one.problem
                if one.reading is not None:
                    lines += _values(mapping, one.reading, bindings)
            except Unusable as problem:
                problems += 1
                lines.append(f"  refused   {problem.reason}: {one.octets[:120].decode('utf-8', 'replace')}")
    except Unusable as problem:
        return [f"  refused   {problem}"], 1
    return lines, problems


def _values(mapping: ForeignMapping, reading: Reading, bindings: Bindings) -> list[str]:
    fields = bindings.sensor(mapping.name, reading.sensor)
    bindings.require_units(fields, mapping.units)
    lines = []
    for name, value in reading.fields.items():
        streams = [int(bindings.channels.datastream[position]) for position in fields.get(name, ())]
        where = f"Datastream {', '.join(map(str, streams))}" if streams else "no channel: would be left out"
        moment = reading.phenomenon_time.isoformat().replace("+00:00", "Z")
        lines.append(f"  {reading.sensor}  {moment}  {name} = {value:g} {mapping.units[name]}  -> {where}")
    return lines
