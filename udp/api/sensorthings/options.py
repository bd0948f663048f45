"""From the query string to checked options: every name known, every number within its limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qsl

from udp.api.problems import BadQuery, NotOffered, TooLong
from udp.api.sensorthings import functions, geometry, grammar
from udp.api.sensorthings.model import IDENTIFIERS, TYPES, refer
from udp.api.sensorthings.syntax import Call, Expand, Geography, Literal, Node, Options, Order, Path

_OFFERED = frozenset(
    {"$filter", "$orderby", "$select", "$expand", "$top", "$skip", "$count", "$resultFormat", "$skiptoken"}
)
_KNOWN_ELSEWHERE = frozenset(
    {"$search", "$apply", "$compute", "$format", "$levels", "$inlinecount", "$schemaversion", "$index", "$at"}
)
_TRUTH = {"true": True, "false": False}
_WITHOUT_SIZE = frozenset({"$select", "$expand"})
# Clients send them everywhere; of one entity there is nothing to count, order or cut.
_OF_MANY = frozenset({"top", "skip", "count", "orderby"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request may cost. `rows`: Observations looked at; `entities`: written into the answer."""

    query: int = 20_000
    top: int = 10_000
    default_top: int = 100
    depth: int = 6
    expansions: int = 40
    entities: int = 50_000
    work: int = 3_000_000
    rows: int = 8_000_000


def read(query: str, type_name: str, limits: Limits, *, collection: bool) -> Options:
    """BadQuery, NotOffered or TooLong; options without `$` in front are nobody's and stay unheard."""
    given = _pairs(query, limits)
    allowed = _OFFERED if collection else _WITHOUT_SIZE
    for name in given:
        if name in _KNOWN_ELSEWHERE:
            raise NotOffered(f"{name} is not offered; offered are {', '.join(sorted(_OFFERED))}")
        if name not in allowed and name[1:] not in _OF_MANY:
            raise BadQuery(f"{name} is not possible here; possible are {', '.join(sorted(allowed))}")
    raw: dict[str, Any] = {}
    for name in ("filter", "orderby", "select", "expand"):
        if (written := given.get(f"${name}")) is not None:
            raw[name] = grammar.parse(name, written)
    for name in ("top", "skip"):
        if (written := given.get(f"${name}")) is not None:
            raw[name] = grammar.count(f"${name}", written)
    if (written := given.get("$count")) is not None:
        if written not in _TRUTH:
            raise BadQuery(f"$count: {written[:40]!r} is neither true nor false")
        raw["count"] = _TRUTH[written]
    raw["data_array"] = _result_format(given.get("$resultFormat"), type_name)
    raw["token"] = given.get("$skiptoken")
    return _checked(raw if collection else _of_one(raw), type_name, limits, depth=0)


def _of_one(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in raw.items() if name not in _OF_MANY}


def require_none(query: str, limits: Limits) -> None:
    """BadQuery for any option: a single value has none."""
    if given := _pairs(query, limits):
        raise BadQuery(f"{', '.join(given)}: a single value takes no options")


def _pairs(query: str, limits: Limits) -> dict[str, str]:
    if len(query) > limits.query:
        raise TooLong(f"the query has {len(query)} characters; {limits.query} are possible")
    given: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if not name.startswith("$"):
            continue
        if name in given:
            raise BadQuery(f"{name} stands twice; give it once")
        given[name] = value
    return given


def _result_format(written: str | None, type_name: str) -> bool:
    if written is None:
        return False
    if written != "dataArray":
        raise NotOffered(f"$resultFormat: {written[:40]!r} is not offered; offered is dataArray")
    if type_name != "Observation":
        raise BadQuery("$resultFormat=dataArray is for Observations only")
    return True


def _checked(raw: Mapping[str, Any], type_name: str, limits: Limits, *, depth: int) -> Options:
    expand = _expansions(raw.get("expand", ()), type_name, limits, depth=depth)
    kind = TYPES[type_name]
    for name in raw.get("select", ()):
        known = {*kind.properties, *kind.links, *IDENTIFIERS, "selfLink", "@iot.selfLink"}
        if name not in known:
            raise BadQuery(f"$select: {kind.name} has no property {name!r}")
    for order in raw.get("orderby", ()):
        _check_order(order, type_name)
    if (condition := raw.get("filter")) is not None:
        check(condition, type_name, boolean=True)
    return Options(**{**raw, "expand": expand})


def _check_order(order: Order, type_name: str) -> None:
    reference, kind = refer(type_name, order.path), TYPES[type_name]
    for link in reference.links:
        name, many = kind.links[link]
        if many:
            raise BadQuery(f"$orderby: {order.path} has many values; order by a property of one entity")
        kind = TYPES[name]


def check(node: Node, type_name: str, *, boolean: bool = False) -> None:
    """BadQuery for unknown properties and functions, and for a condition that is neither true nor false."""
    if boolean and not _may_be_true(node, type_name):
        raise BadQuery("$filter must be a condition, e.g. result gt 5")
    if isinstance(node, Path):
        refer(type_name, node, observations=True)
    elif isinstance(node, Literal):
        if isinstance(node.value, Geography):
            geometry.of_wkt(node.value.wkt)
    else:
        functions.require(node.name, len(node.arguments))
        if node.name in geometry.TABLE:
            _check_shapes(node, type_name)
        for one in node.arguments:
            check(one, type_name, boolean=node.name in ("and", "or", "not"))


def _check_shapes(node: Call, type_name: str) -> None:
    wanted = node.arguments[:2]
    for one in wanted:
        known = isinstance(one, Literal) and (one.value is None or isinstance(one.value, Geography))
        if not known and not (
            isinstance(one, Path) and refer(type_name, one, observations=True).name in _SHAPES
        ):
            raise BadQuery(f"{node.name} is asked of location, feature, observedArea or geography'WKT'")


_SHAPES = frozenset({"location", "feature", "observedArea", "properties", "parameters"})


def _may_be_true(node: Node, type_name: str) -> bool:
    if isinstance(node, Call):
        return functions.is_condition(node.name)
    if isinstance(node, Path):
        # Only what the register keeps as free JSON may be true or false.
        return bool(refer(type_name, node, observations=True).keys)
    return node.value is None or isinstance(node.value, bool)


def _expansions(
    wanted: tuple[tuple[tuple[str, ...], dict[str, Any]], ...], type_name: str, limits: Limits, *, depth: int
) -> tuple[Expand, ...]:
    """`A/B` is `A($expand=B)`; several paths through the same A become one A."""
    if depth >= limits.depth and wanted:
        raise BadQuery(f"$expand: {limits.depth} levels are possible; ask in several steps")
    if len(wanted) > limits.expansions:
        raise BadQuery(f"$expand: {limits.expansions} parts are possible, not {len(wanted)}")
    grouped: dict[str, dict[str, Any]] = {}
    for path, options in wanted:
        group = grouped.setdefault(path[0], {})
        more = options if len(path) == 1 else {"expand": ((path[1:], options),)}
        for name, value in more.items():
            if name != "expand" and name in group:
                raise BadQuery(f"$expand: ${name} stands twice for {path[0]}; give it once")
            group[name] = group.get(name, ()) + value if name == "expand" else value
    return tuple(_expansion(name, raw, type_name, limits, depth + 1) for name, raw in grouped.items())


def _expansion(name: str, raw: dict[str, Any], type_name: str, limits: Limits, depth: int) -> Expand:
    links = TYPES[type_name].links
    if name not in links:
        raise BadQuery(f"$expand: {type_name} has no {name!r}; it has {', '.join(links)}")
    target, many = links[name]
    if not many and "filter" in raw:
        raise BadQuery(f"$expand: {name} is one entity; $filter is for many")
    return Expand(name, _checked(raw if many else _of_one(raw), target, limits, depth=depth))


def page(options: Options, limits: Limits) -> int:
    """How many entities one answer holds at most."""
    return limits.default_top if options.top is None else min(options.top, limits.top)


def within(options: Options, **changed: Any) -> Options:
    """The same options but for `changed`."""
    return replace(options, **changed)
