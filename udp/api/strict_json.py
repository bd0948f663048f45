"""JSON that can be meant in one way only and told again: what a body must be before anybody looks at it.

RFC 8259 leaves to the reader what Python takes silently: names given twice, numbers beyond every double,
half a surrogate pair, NUL (which PostgreSQL cannot keep), and nesting without end (RFC 7493, I-JSON).
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

_DEEPEST = 64


def loads(octets: bytes) -> Any:
    """ValueError says what is wrong with it."""
    try:
        found = json.loads(
            octets, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_once_each
        )
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error
    _require_told(found)
    return found


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _finite(written: str) -> float:
    value = float(written)
    if not math.isfinite(value):
        raise ValueError(f"{written[:40]} is too large a number")
    return value


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{twice[:40]!r} stands twice in one object")
    return made


def _require_told(found: Any) -> None:
    """Level by level, so that depth costs no stack."""
    level = [found]
    for _ in range(_DEEPEST):
        following: list[Any] = []
        for one in level:
            if isinstance(one, str):
                _require_text(one)
            elif isinstance(one, dict):
                following += [*one.keys(), *one.values()]
            elif isinstance(one, list):
                following += one
        if not following:
            return
        level = following
    raise ValueError(f"it is nested deeper than {_DEEPEST} levels")


def _require_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("a text holds a NUL, which nobody can keep")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ValueError("a text holds half a surrogate pair") from error
