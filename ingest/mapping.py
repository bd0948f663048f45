"""The JSON of a foreign platform as Readings, by a mapping file: JSONPath (RFC 9535), no code.

One file per platform. `records` finds the records in a message, every other path starts at its record. A
record that cannot be meant is set aside alone, with its bytes; its neighbours count.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jsonpath

from edge.wire.messages import Clock, Reading
from edge.wire.settings import SettingsError, load
from edge.wire.topics import agent_name
from ingest.heard import Unusable
from udp.errors import ConfigurationError
from udp.units import unit

WAY = "webhook"
_SENSOR = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MOST_RECORDS = 20_000
_OLDEST = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class ValueRule:
    """One value of a record: `field` is what the sensor's profile calls it, `unit` (UCUM) what it is in
    after value * scale + offset."""

    path: str
    field: str
    unit: str
    scale: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        _compiled(self.path)
        try:
            unit(self.unit)
        except ConfigurationError as error:
            raise ValueError(str(error)) from error


@dataclass(frozen=True, slots=True)
class PullRule:
    """Where and how often to fetch. The address may hold {sensor} (one request per entry of `sensors`) and
    {from}, {to}: then history since `since` is fetched in steps of `step`, and the present with an overlap
    of `overlap`. `next`: JSONPath to the address of the following page, on the same host only."""

    url: str
    every: timedelta = timedelta(minutes=5)
    since: str = ""
    step: timedelta = timedelta(days=1)
    overlap: timedelta = timedelta(hours=1)
    next: str = ""
    pause: timedelta = timedelta(seconds=1)
    max_bytes: int = 20_000_000

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://")):
            raise ValueError(f"url {self.url!r} must begin with https://")
        if self.every < timedelta(seconds=10) or self.step <= timedelta(0):
            raise ValueError("every must be at least 10 seconds and step above 0")
        if self.windowed != ("{from}" in self.url and "{to}" in self.url):
            raise ValueError("url must hold both {from} and {to}, or neither")
        if self.since:
            _utc(datetime.fromisoformat(self.since), "since")
        if self.next:
            _compiled(self.next)

    @property
    def windowed(self) -> bool:
        """Whether one asks for a period."""
        return "{from}" in self.url or "{to}" in self.url


@dataclass(frozen=True, slots=True)
class MappingFile:
    """The file as it stands. `time_format`: iso, unix, unix_ms, or as strptime; `time_zone` is needed where
    times carry no offset. `sensor`: JSONPath to the sensor's identifier; `sensors`: that identifier to the
    name of the wired sensor in the register (agent = the mapping's name); others are left out by
    `others = "ignore"` or set aside (`"refuse"`)."""

    name: str
    time: str
    value: tuple[ValueRule, ...]
    records: str = "$"
    sensor: str = ""
    sensor_name: str = ""
    sensors: tuple[SensorName, ...] = ()
    others: str = "refuse"
    time_format: str = "iso"
    time_zone: str = ""
    pull: PullRule | None = None

    def __post_init__(self) -> None:
        agent_name(self.name)
        for path in (self.records, self.time, self.sensor or "$"):
            _compiled(path)
        if bool(self.sensor) == bool(self.sensor_name):
            raise ValueError("say either sensor (a JSONPath) or sensor_name (there is only one), not both")
        if not self.value:
            raise ValueError("at least one [[value]] is needed")
        if self.others not in ("ignore", "refuse"):
            raise ValueError(f'others {self.others!r}: "ignore" or "refuse"')
        for name in (self.sensor_name, *(one.name for one in self.sensors)):
            if name and not _SENSOR.fullmatch(name):
                raise ValueError(f"sensor name {name!r} may hold a-z, 0-9, - and _ only")
        self.zone()

    def zone(self) -> tzinfo | None:
        """The zone of times without an offset; None where they must carry one."""
        if not self.time_zone:
            return None
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"time_zone {self.time_zone!r} is not known, e.g. Europe/Berlin or UTC"
            ) from error


@dataclass(frozen=True, slots=True)
class SensorName:
    """A foreign identifier and its name here."""

    id: str
    name: str


class Drawn(NamedTuple):
    """A record's Reading, or why there is none; `octets`: the record as JSON."""

    octets: bytes
    reading: Reading | None
    problem: Unusable | None


class ForeignMapping:
    """One mapping file made ready."""

    def __init__(self, file: MappingFile) -> None:
        self.file = file
        self.name = file.name
        self._names = {one.id: one.name for one in file.sensors}
        self._zone = file.zone()
        self._records = _compiled(file.records)
        self._sensor = _compiled(file.sensor) if file.sensor else None
        self._time = _compiled(file.time)
        self._values = [(rule, _compiled(rule.path)) for rule in file.value]
        self.units: Mapping[str, str] = {rule.field: rule.unit for rule in file.value}

    def draw(self, octets: bytes, received_at: datetime) -> Iterator[Drawn]:
        """Every record of a message, in order. Unusable if the message is none."""
        try:
            content = json.loads(octets)
        except (ValueError, RecursionError) as error:
            raise self._unusable(f"the message is no JSON ({error})") from error
        if not isinstance(content, dict | list):
            raise self._unusable("the message is neither a JSON object nor a list")
        found = self._records.findall(content)
        if not found:
            raise self._unusable(f"records {self.file.records!r} finds nothing")
        if len(found) > _MOST_RECORDS:
            raise self._unusable(f"{len(found)} records in one message, {_MOST_RECORDS} at most")
        for record in found:
            own = json.dumps(record, ensure_ascii=True).encode()
            try:
                reading = self._reading(record, received_at)
            except Unusable as problem:
                yield Drawn(own, None, problem)
            else:
                if reading is not None:
                    yield Drawn(own, reading, None)

    def next_page(self, content: Any) -> str:
        """The address of the following page; empty after the last."""
        path = self.file.pull.next if self.file.pull else ""
        found = _compiled(path).findall(content) if path else []
        return str(found[0]) if found and isinstance(found[0], str) else ""

    def _reading(self, record: Any, received_at: datetime) -> Reading | None:
        if not isinstance(record, dict | list):
            raise self._unusable(f"a record is {record!r:.60}, no object")
        sensor = self._sensor_of(record)
        if sensor is None:
            return None
        fields: dict[str, float] = {}
        for rule, path in self._values:
            found = path.findall(record)
            if found and found[0] is not None:
                fields[rule.field] = self._number(rule, found[0]) * rule.scale + rule.offset
        if not fields:
            raise self._unusable(f"sensor {sensor}: none of the values is there")
        return Reading(sensor, self._moment(record, received_at), received_at, Clock.SERVER, fields)

    def _sensor_of(self, record: Any) -> str | None:
        if self._sensor is None:
            return self.file.sensor_name
        found = self._sensor.findall(record)
        if not found or isinstance(found[0], dict | list | bool) or found[0] is None:
            raise self._unusable(f"sensor {self.file.sensor!r} finds no identifier")
        identifier = str(found[0])
        name = self._names.get(identifier)
        if name is None and self.file.others == "refuse":
            raise self._unusable(f"sensor {identifier[:60]!r} has no entry in [[sensors]]")
        return name

    def _number(self, rule: ValueRule, found: Any) -> float:
        """Many platforms write numbers as text."""
        try:
            if isinstance(found, bool | dict | list):
                raise TypeError(found)  # noqa: TRY301 - told below as everything else
            number = float(found)
        except (TypeError, ValueError) as error:
            raise self._unusable(f"{rule.field}: {found!r:.60} is no number") from error
        if not math.isfinite(number):
            raise self._unusable(f"{rule.field}: {found!r:.60} is no finite number")
        return number

    def _moment(self, record: Any, received_at: datetime) -> datetime:
        found = self._time.findall(record)
        if not found:
            raise self._unusable(f"time {self.file.time!r} finds nothing")
        try:
            moment = self._parsed(found[0])
        except (ValueError, TypeError, OverflowError, OSError) as error:
            raise self._unusable(f"time {found[0]!r:.60} is not {self.file.time_format}: {error}") from error
        if not _OLDEST <= moment <= received_at + timedelta(days=1):
            raise self._unusable(f"time {found[0]!r:.60} is before 1990 or more than a day ahead")
        return moment

    def _parsed(self, found: Any) -> datetime:
        kind = self.file.time_format
        if kind in ("unix", "unix_ms"):
            seconds = float(found) / (1000.0 if kind == "unix_ms" else 1.0)
            return datetime.fromtimestamp(seconds, UTC)
        text = str(found)
        moment = datetime.fromisoformat(text) if kind == "iso" else datetime.strptime(text, kind)  # noqa: DTZ007 - checked below
        if moment.tzinfo is not None:
            return moment.astimezone(UTC)
        if self._zone is None:
            raise ValueError("it has no offset from UTC; say time_zone")
        return self._localised(moment)

    def _localised(self, moment: datetime) -> datetime:
        """The hour that a clock set forward leaves out is no time at all."""
        local = moment.replace(tzinfo=self._zone)
        if local.astimezone(UTC).astimezone(self._zone).replace(tzinfo=None) != moment:
            raise ValueError(f"it does not exist in {self.file.time_zone}")
        return local.astimezone(UTC)

    def _unusable(self, what: str) -> Unusable:
        return Unusable(
            f"mapping {self.name}: {what}",
            "compare the mapping file with what the platform sends (udp-ingest pull --check), then replay",
        )


def read_mapping(path: Path) -> ForeignMapping:
    """The checked file. ConfigurationError names what cannot be meant."""
    try:
        return ForeignMapping(load(MappingFile, path))
    except SettingsError as error:
        raise ConfigurationError(str(error)) from error


def origin_of(name: str) -> str:
    """Where a platform's messages come in."""
    return f"/webhook/{name}"


def name_of(origin: str) -> str:
    """The way back."""
    return origin.removeprefix("/webhook/")


def _compiled(path: str) -> Any:
    try:
        return jsonpath.compile(path)
    except jsonpath.JSONPathError as error:
        raise ValueError(f"{path!r} is no JSONPath: {error}") from error


def _utc(moment: datetime, name: str) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"{name}: {moment} has no offset from UTC; write 2026-01-01T00:00Z")
    return moment.astimezone(UTC)
