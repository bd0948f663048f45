"""Nested codec output as flat names and plain values, as codecs of ours give it (edge.codecs.port)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_QUANTITY = frozenset({"value", "unit", "displayName"})
_NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)(?:\s?\D{0,8})?")
_DEEPEST = 32


def flatten(data: Any, name: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """(field, value) pairs: names joined by dots, list items numbered, None left out."""
    if depth > _DEEPEST:
        return
    if isinstance(data, Mapping):
        for key, inner in data.items():
            yield from flatten(inner, f"{name}.{key}" if name else str(key), depth + 1)
    elif isinstance(data, list):
        for number, inner in enumerate(data):
            yield from flatten(inner, f"{name}.{number}", depth + 1)
    elif data is not None and name:
        yield name, data


def units(data: Any) -> dict[str, str]:
    """Field -> unit, where the codec says {value, unit, ..}; the field is the one that holds the value."""
    found: dict[str, str] = {}
    pending: list[tuple[str, Any, int]] = [("", data, 0)]
    while pending:
        name, inner, depth = pending.pop()
        if not isinstance(inner, Mapping) or depth > _DEEPEST:
            continue
        if "value" in inner and set(inner) <= _QUANTITY and isinstance(inner.get("unit"), str):
            found[f"{name}.value"] = inner["unit"]
            continue
        for key, value in inner.items():
            pending.append((f"{name}.{key}" if name else str(key), value, depth + 1))
    return found


def same_field(name: str) -> str:
    """Decoders of ours give a quantity under its own name, not under name.value."""
    return name.removesuffix(".value")


def number_in(value: Any) -> float | None:
    """A number, or the one a text such as "24.1 mm" starts with; truth values are 0 and 1."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and (match := _NUMBER.fullmatch(value.strip())) is not None:
        return float(match[1])
    return None
