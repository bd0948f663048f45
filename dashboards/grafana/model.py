"""A board as Grafana 11 keeps it: what we use of its JSON model, as types that cannot be written wrongly.

Field names are those of Grafana's dashboard schema (schemaVersion 39); a newer Grafana migrates them itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from dashboards.grafana.source import REFERENCE, Question

UID_PREFIX = "udp-"
TAG = "udp"
SCHEMA = 39
WIDTH = 24
# Grafana writes it where somebody chose "all"; the data API understands it.
ALL = "*"


class Type(StrEnum):
    """Panels every Grafana brings."""

    LINES = "timeseries"
    TABLE = "table"
    BARS = "bargauge"
    TEXT = "text"


@dataclass(frozen=True, slots=True)
class Limit:
    """From `value` on (None: from the beginning) a colour; named in the panel's description."""

    value: float | None
    colour: str

    def as_json(self) -> dict[str, Any]:
        """A step of Grafana's thresholds."""
        return {"value": self.value, "color": self.colour}


@dataclass(frozen=True, slots=True)
class Style:
    """How values look: `unit` as people write it, `limits` ascending, `words` instead of values."""

    unit: str = ""
    decimals: int | None = None
    limits: tuple[Limit, ...] = ()
    words: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    name: str | None = None
    custom: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self, *, lines: bool = False) -> dict[str, Any]:
        """Grafana's `fieldConfig.defaults`. The colour of a line tells which it is, never how high."""
        steps = self.limits or (Limit(None, "blue"),)
        by_limit = self.limits and not lines
        content: dict[str, Any] = {
            "color": {"mode": "thresholds" if by_limit else "palette-classic"},
            "thresholds": {"mode": "absolute", "steps": [one.as_json() for one in steps]},
            "mappings": list(_mappings(self.words)),
            "custom": dict(self.custom),
            "noValue": "keine Werte",
        }
        if self.unit:
            content["unit"] = f"suffix:{self.unit}"
        if self.decimals is not None:
            content["decimals"] = self.decimals
        if self.name:
            content["displayName"] = self.name
        return content


def _mappings(words: Mapping[str, tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """value -> (word, colour); the value `null` is where nothing stands."""
    plain = {
        value: {"text": word, "color": colour, "index": index}
        for index, (value, (word, colour)) in enumerate(words.items())
        if value != "null"
    }
    if plain:
        yield {"type": "value", "options": plain}
    if "null" in words:
        word, colour = words["null"]
        result = {"text": word, "color": colour, "index": len(plain)}
        yield {"type": "special", "options": {"match": "null", "result": result}}


@dataclass(frozen=True, slots=True)
class Override:
    """Another look for one column, found by its name."""

    column: str
    properties: Mapping[str, Any]

    def as_json(self) -> dict[str, Any]:
        """One of Grafana's `fieldConfig.overrides`."""
        return {
            "matcher": {"id": "byName", "options": self.column},
            "properties": [{"id": key, "value": value} for key, value in self.properties.items()],
        }


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture. `points` bounds what one line may have; `width` of 24."""

    type: Type
    title: str
    question: Question | None
    description: str = ""
    width: int = 12
    height: int = 8
    points: int = 300
    style: Style = field(default_factory=Style)
    overrides: tuple[Override, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self, number: int, x: int, y: int) -> dict[str, Any]:
        """The panel at its place; `number` names it within its board."""
        content: dict[str, Any] = {
            "id": number,
            "type": self.type.value,
            "title": self.title,
            "description": self.description,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "options": dict(self.options),
        }
        if self.question is not None:
            content |= {
                "datasource": dict(REFERENCE),
                "maxDataPoints": self.points,
                "targets": [self.question.as_json()],
                "fieldConfig": {
                    "defaults": self.style.as_json(lines=self.type is Type.LINES),
                    "overrides": [one.as_json() for one in self.overrides],
                },
            }
        return content


@dataclass(frozen=True, slots=True)
class Variable:
    """A choice at the head of a board. The question has the columns `__text` and `__value`."""

    name: str
    label: str
    question: Question
    with_all: bool = True

    def as_json(self) -> dict[str, Any]:
        """One of Grafana's `templating.list`; chosen anew with every change of time or of another choice."""
        query = {"refId": "variable", "queryType": "infinity", "query": "",
                 "infinityQuery": self.question.as_json("variable")}  # fmt: skip
        content: dict[str, Any] = {
            "type": "query",
            "name": self.name,
            "label": self.label,
            "datasource": dict(REFERENCE),
            "query": query,
            "definition": self.label,
            "refresh": 1,
            "sort": 5,
            "includeAll": self.with_all,
            "multi": False,
            "hide": 0,
            "regex": "",
            "options": [],
            "current": {"text": "Alle", "value": "$__all"} if self.with_all else {},
        }
        if self.with_all:
            content["allValue"] = ALL
        return content


@dataclass(frozen=True, slots=True)
class Annotation:
    """Marks in the lines of every panel; shown when somebody wants them."""

    name: str
    colour: str
    question: Question

    def as_json(self) -> dict[str, Any]:
        """One of Grafana's `annotations.list`."""
        return {
            "name": self.name,
            "datasource": dict(REFERENCE),
            "enable": False,
            "hide": False,
            "iconColor": self.colour,
            "target": self.question.as_json("Anno"),
        }


@dataclass(frozen=True, slots=True)
class Board:
    """One page; `key` makes its address, for ever. Panels flow from left to right in the order given."""

    key: str
    title: str
    description: str
    panels: Sequence[Panel]
    variables: Sequence[Variable] = ()
    annotations: Sequence[Annotation] = ()

    @property
    def uid(self) -> str:
        """By it a board of ours is known in Grafana."""
        return f"{UID_PREFIX}{self.key}"

    def as_json(self) -> dict[str, Any]:
        """What is sent to Grafana or written to a file; without id and version, which belong to Grafana."""
        link = {
            "type": "dashboards", "title": "Weitere Themen", "tags": [TAG], "asDropdown": True,
            "icon": "external link", "includeVars": False, "keepTime": True, "targetBlank": False,
            "tooltip": "", "url": "",
        }  # fmt: skip
        return {
            "uid": self.uid,
            "title": self.title,
            "description": self.description,
            "tags": [TAG],
            "schemaVersion": SCHEMA,
            "editable": False,
            "graphTooltip": 1,
            "timezone": "Europe/Berlin",
            "weekStart": "monday",
            "time": {"from": "now-24h", "to": "now"},
            "refresh": "5m",
            "timepicker": {"refresh_intervals": ["1m", "5m", "15m", "1h"]},
            "links": [link],
            "templating": {"list": [one.as_json() for one in self.variables]},
            "annotations": {"list": [one.as_json() for one in self.annotations]},
            "panels": list(_placed(self.panels)),
        }


def _placed(panels: Sequence[Panel]) -> Iterator[dict[str, Any]]:
    x = y = tallest = 0
    for number, panel in enumerate(panels, start=1):
        if x + panel.width > WIDTH:
            x, y, tallest = 0, y + tallest, 0
        yield panel.as_json(number, x, y)
        x, tallest = x + panel.width, max(tallest, panel.height)
