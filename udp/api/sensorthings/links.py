"""Addresses of entities and of next pages."""

from __future__ import annotations

from urllib.parse import quote

from udp.api.sensorthings.model import TYPES
from udp.api.sensorthings.syntax import Expand, Options, text

PREFIX = "/v1.1"
# Characters that may stand in a query as they are (RFC 3986, 3.4), so that people can read it.
_PLAIN = "$,/()'=;:@*!"


def self_link(root: str, kind: str, identifier: int | str) -> str:
    """`root` ends in /v1.1."""
    return f"{root}/{TYPES[kind].set}({_key(identifier)})"


def _key(identifier: int | str) -> str:
    return str(identifier) if isinstance(identifier, int) else f"'{identifier}'"


def next_link(address: str, options: Options) -> str:
    """`address` with these options."""
    pairs = "&".join(f"{name}={quote(value, safe=_PLAIN)}" for name, value in _pairs(options))
    return f"{address}?{pairs}" if pairs else address


def _pairs(options: Options) -> list[tuple[str, str]]:
    """In the order of OGC 18-088, 9.3."""
    pairs = [
        ("$top", None if options.top is None else str(options.top)),
        ("$skip", str(options.skip) if options.skip else None),
        ("$skiptoken", options.token),
        ("$count", "true" if options.count else None),
        ("$select", ",".join(options.select) or None),
        (
            "$orderby",
            ",".join(f"{one.path} {'desc' if one.descending else 'asc'}" for one in options.orderby) or None,
        ),
        ("$filter", None if options.filter is None else text(options.filter)),
        ("$expand", ",".join(_expansion(one) for one in options.expand) or None),
        ("$resultFormat", "dataArray" if options.data_array else None),
    ]
    return [(name, value) for name, value in pairs if value is not None]


def _expansion(one: Expand) -> str:
    inner = ";".join(f"{name}={value}" for name, value in _pairs(one.options))
    return f"{one.name}({inner})" if inner else one.name
