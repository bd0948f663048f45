"""Turns the API's answers about things, Datastreams and newest values into a Snapshot."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from dashboards.interface import Interface
from dashboards.public.snapshot import Place, Snapshot, Stream, Value
from dashboards.reading import Entry, Unreadable, each
from udp.sensorthings import Quality, QualityRule


class OpenData:
    """Asks for what is open; unchanged answers are not read again."""

    def __init__(self, interface: Interface) -> None:
        self._interface = interface
        self._read: dict[str, tuple[Any, Any]] = {}

    def snapshot(self, now: datetime) -> Snapshot:
        """Everything open right now; InterfaceUnavailable or Unreadable when it cannot be known."""
        places = self._collection("things", _place)
        streams = self._collection("datastreams", _stream)
        values = self._collection("latest", _value, "values")
        by_key = {place.key: place for place in places}
        return Snapshot(
            by_key,
            {stream.id: stream for stream in streams if stream.place in by_key},
            dict(values),
            now,
        )

    def _collection(self, name: str, read: Any, list_key: str = "") -> Any:
        answer = self._interface.get(f"/api/v1/{name}", remember=True)
        known = self._read.get(name)
        if known and known[0] is answer.content:
            return known[1]
        found = each(listed(answer.content, list_key or name), name, read)
        self._read[name] = (answer.content, found)
        return found


def listed(content: Any, name: str) -> list[Any]:
    """The list that an answer holds under `name`."""
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, list):
        raise Unreadable(f"the answer holds no list {name!r}")
    return found


def _place(entry: Entry) -> Place:
    location = entry.entry("location")
    return Place(
        key=entry.text("key"),
        name=entry.text("name"),
        kind=entry.text("kind"),
        theme=entry.text("theme"),
        district=location.text("district", ""),
        district_name=location.text("district_name", ""),
        # Unknown origin must not pass as a real measurement.
        simulated=entry.flag("simulated", True),
        citizen=entry.flag("citizen", False),
    )


def _stream(entry: Entry) -> Stream:
    observed_property, unit = entry.entry("observed_property"), entry.entry("unit")
    return Stream(
        id=entry.integer("id"),
        name=entry.text("name", ""),
        place=entry.text("thing"),
        observed_property=observed_property.text("key"),
        property_name=observed_property.text("name"),
        unit=unit.text("symbol"),
        unit_name=unit.text("name", ""),
        licence=entry.text("licence", ""),
        sensor=entry.text("sensor", ""),
        interval=timedelta(seconds=entry.number("expected_interval_s")),
        finest=timedelta(seconds=entry.number("finest_s", 0.0)),
        notice=entry.text("notice", ""),
        datasets=tuple(str(one) for one in entry.entries("datasets")),
    )


def _value(entry: Entry) -> tuple[int, Value]:
    return entry.integer("datastream"), Value(
        entry.moment("phenomenon_time"), entry.number("value"), quality(entry), rule(entry)
    )


def quality(entry: Entry) -> Quality:
    """The flag by its name; an unknown one is not trusted."""
    return Quality.__members__.get(entry.text("quality", "unchecked").upper(), Quality.SUSPECT)


def rule(entry: Entry) -> QualityRule:
    """What set the flag, by its name."""
    return QualityRule.__members__.get(entry.text("rule", "none").upper(), QualityRule.NONE)
