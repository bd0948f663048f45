"""Asks and reads as Grafana and its Infinity plugin do (query type json, parser backend), over HTTP.

Grafana puts the choices of variables in, the plugin the times; it joins the data source's address and the
query's, adds parameters and the key's header, refuses addresses that do not begin as allowed, then takes
root selector and columns of the JSON. Selectors here: what our boards use of gjson and JSONata.
"""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

_MISSING = object()


@dataclass(frozen=True)
class Table:
    """`rows`: by the columns' German names; `raw`: as the API told them."""

    rows: list[dict[str, Any]]
    raw: list[Any]


class Refused(Exception):
    """The platform, or the plugin itself, did not answer with data."""


@dataclass(frozen=True)
class Infinity:
    """One data source as Grafana keeps it, and the time range a reader looks at. What was asked before is
    not asked again."""

    source: Mapping[str, Any]
    start: datetime
    end: datetime
    _known: dict[str, bytes] = field(default_factory=dict)

    def ask(self, query: Mapping[str, Any], chosen: Mapping[str, str]) -> Table:
        assert (query["type"], query["source"], query["parser"]) == ("json", "url", "backend")
        filled = {
            **chosen,
            "__from:date:iso": _iso(self.start),
            "__to:date:iso": _iso(self.end),
        }
        pairs = [(one["key"], _fill(one["value"], filled)) for one in query["url_options"]["params"]]
        url = self.source["url"] + _fill(query["url"], filled) + (f"?{urlencode(pairs)}" if pairs else "")
        if url not in self._known:
            self._known[url] = self._get(url)
        content = json.loads(self._known[url])
        found = _root(content, query["root_selector"])
        raw = found if isinstance(found, list) else [] if found in (None, _MISSING) else [found]
        return Table([_row(one, query["columns"]) for one in raw], raw)

    def _get(self, url: str) -> bytes:
        settings = self.source["jsonData"]
        if not url.startswith(tuple(settings["allowedHosts"])):
            raise Refused(f"{url} is not among the allowed hosts")
        request = urllib.request.Request(url)
        if key := self.source["secureJsonData"]["apiKeyValue"]:
            request.add_header(settings["apiKeyKey"], key)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            raise Refused(f"{url}: {error.code} {error.read()[:400]!r}") from error


def _iso(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def _fill(text: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(f"${{{name}}}", value)
    assert "$" not in text, f"{text}: nothing is known to fill in"
    return text


def _root(content: Any, selector: str) -> Any:
    for part in re.findall(r"[^.\[\]]+", selector):
        if isinstance(content, list):
            content = content[int(part)] if int(part) < len(content) else _MISSING
        else:
            content = content.get(part, _MISSING) if isinstance(content, dict) else _MISSING
    return content


def _row(one: Any, columns: list[Mapping[str, str]]) -> dict[str, Any]:
    return {column["text"]: _cell(one, column) for column in columns}


def _cell(one: Any, column: Mapping[str, str]) -> Any:
    first, *deeper = (part.replace("\\.", ".") for part in re.split(r"(?<!\\)\.", column["selector"]))
    assert first in one, f"{column['selector']}: the answer has no such member"
    one = one[first]
    for name in deeper:
        one = None if one is None else one.get(name)
    wanted = {"string": str, "number": (int, float), "timestamp": str, "boolean": bool}[column["type"]]
    if one is None:
        return None
    if column["selector"] == "id" and column["type"] == "string":
        one = str(one)
    assert isinstance(one, wanted), (column, one)
    return datetime.fromisoformat(one) if column["type"] == "timestamp" else one
