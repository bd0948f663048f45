"""Conditions on attributes: the `q` of NGSI-LD (ETSI GS CIM 009, 4.9), asked of simplified entities."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import LarkError, VisitError

from udp.api.problems import BadQuery

LONGEST = 2_000
_GRAMMAR = r"""
?start: either
?either: both ("|" both)*   -> any_of
?both: one (";" one)*       -> all_of
?one: "(" either ")" | compared | there
compared: PATH OPERATOR wanted
there: PATH                 -> exists
wanted: value ("," value)*  -> listed
      | value ".." value    -> between
value: NUMBER -> number | TEXT -> text | TRUTH -> truth | WORD -> word
OPERATOR: "==" | "!=" | ">=" | "<=" | ">" | "<" | "~=" | "!~="
PATH: /[A-Za-z_][\w:]*(\.[A-Za-z_]\w*)*(\[[A-Za-z_]\w*(\.[A-Za-z_]\w*)*\])?/
TRUTH.3: /(true|false)\b/
NUMBER.2: /-?\d+(\.\d+)?([eE][+-]?\d{1,3})?/
TEXT: /"[^"]*"/
WORD: /[^\s"'()|;,<>=!~\[\].]+(\.(?!\.)[^\s"'()|;,<>=!~\[\].]+)*/
%ignore " "
"""
_ORDERED: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le,
}  # fmt: skip
Condition = Callable[[Mapping[str, Any]], bool]
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class _Wanted:
    values: tuple[Any, ...]
    span: bool = False


@v_args(inline=True)
class _Conditions(Transformer[Token, Any]):
    def any_of(self, *parts: Condition) -> Condition:
        return lambda entity: any(one(entity) for one in parts)

    def all_of(self, *parts: Condition) -> Condition:
        return lambda entity: all(one(entity) for one in parts)

    def exists(self, path: Token) -> Condition:
        return lambda entity: _value(entity, path) is not _NOTHING

    def compared(self, path: Token, sign: Token, wanted: _Wanted) -> Condition:
        holds = _comparison(str(sign), wanted)

        def condition(entity: Mapping[str, Any]) -> bool:
            found = _value(entity, path)
            return found is not _NOTHING and holds(found)

        return condition

    def listed(self, *values: Any) -> _Wanted:
        return _Wanted(values)

    def between(self, low: Any, high: Any) -> _Wanted:
        return _Wanted((low, high), span=True)

    def number(self, token: Token) -> float:
        return float(token)

    def text(self, token: Token) -> str:
        return str(token[1:-1])

    def truth(self, token: Token) -> bool:
        return token.startswith("t")

    def word(self, token: Token) -> str:
        return str(token)


def _value(entity: Mapping[str, Any], path: str) -> Any:
    found: Any = entity
    for part in re.split(r"[.\[\]]", path):
        if part:
            if not isinstance(found, Mapping) or part not in found:
                return _NOTHING
            found = found[part]
    return found


def _comparison(sign: str, wanted: _Wanted) -> Callable[[Any], bool]:
    if sign in ("==", "!="):
        return lambda found: _among(found, wanted) is (sign == "==")
    if wanted.span or len(wanted.values) != 1:
        raise BadQuery(f"q: {sign} takes one value; lists and ranges are for == and !=")
    value = wanted.values[0]
    if sign in _ORDERED:
        order = _ORDERED[sign]
        return lambda found: _alike(found, value) and order(found, value)
    # A part of the text, not a pattern: patterns of strangers can be made to run for ever.
    part = str(value)
    return lambda found: isinstance(found, str) and (part in found) is (sign == "~=")


def _among(found: Any, wanted: _Wanted) -> bool:
    if wanted.span:
        low, high = wanted.values
        return _alike(found, low) and _alike(found, high) and bool(low <= found <= high)
    return any(_alike(found, one) and found == one for one in wanted.values)


def _alike(found: Any, value: Any) -> bool:
    if isinstance(found, bool) or isinstance(value, bool):
        return isinstance(found, bool) and isinstance(value, bool)
    numbers = isinstance(found, int | float), isinstance(value, int | float)
    return all(numbers) or (isinstance(found, str) and isinstance(value, str))


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr")


def condition(written: str) -> Condition:
    """BadQuery for what cannot be read."""
    if len(written) > LONGEST:
        raise BadQuery(f"q has {len(written)} characters; {LONGEST} are possible")
    try:
        found: Condition = _Conditions().transform(_parser().parse(written))
    except VisitError as error:
        if isinstance(error.orig_exc, BadQuery):
            raise error.orig_exc from error
        raise
    except (LarkError, RecursionError) as error:
        raise BadQuery(
            f"q: {written[:60]!r} cannot be read; write e.g. fillingLevel>0.5;district==Ickern"
        ) from error
    return found
