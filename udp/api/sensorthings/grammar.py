"""The one grammar of all query options (OGC 18-088, 9.3; OData 4.0 URL conventions) and its values."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from lark import Lark, Token, Transformer, v_args
from lark.exceptions import UnexpectedCharacters, UnexpectedEOF, UnexpectedToken, VisitError

from udp.api.problems import BadQuery
from udp.api.sensorthings.syntax import (
    FALSE,
    NULL,
    TRUE,
    Call,
    Geography,
    Interval,
    Literal,
    Node,
    Order,
    Path,
)

LONGEST = 8_000
LARGEST_COUNT = 10**9
LONGEST_DURATION = timedelta(days=3_660_000)

_GRAMMAR = r"""
filter: expression
orderby: order ("," order)*
order: path [DIRECTION]
select: selected ("," selected)*
selected: NAME
expand: expansion ("," expansion)*
expansion: NAME ("/" SEGMENT)* ["(" option (";" option)* ";"? ")"]
option: "$filter" "=" expression -> filter_option
      | "$orderby" "=" orderby   -> orderby_option
      | "$select" "=" select     -> select_option
      | "$expand" "=" expand     -> expand_option
      | "$top" "=" NUMBER        -> top_option
      | "$skip" "=" NUMBER       -> skip_option
      | "$count" "=" TRUTH       -> count_option

?expression: conjunction | expression "or" conjunction -> or_
?conjunction: negation | conjunction "and" negation -> and_
?negation: comparison | NOT negation -> not_
?comparison: relation | relation EQUAL relation -> infix
?relation: sum | sum ORDER sum -> infix
?sum: product | sum ADD product -> infix
?product: primary | product MULTIPLY primary -> infix
?primary: "(" expression ")" | function | literal | path | "-" primary -> negative
function: FUNCTION "(" [expression ("," expression)*] ")"
path: NAME ("/" SEGMENT)*
literal: STRING -> string
       | NUMBER -> number
       | TRUTH -> truth
       | NULL -> null
       | INTERVAL -> interval
       | MOMENT -> moment
       | DATE -> date
       | CLOCK -> clock
       | DURATION -> duration
       | GEOGRAPHY -> geography

NOT.9: /not\b/
EQUAL: /(eq|ne)\b/
ORDER: /(gt|ge|lt|le)\b/
ADD: /(add|sub)\b/
MULTIPLY: /(mul|div|mod)\b/
DIRECTION: /(asc|desc)\b/
TRUTH.8: /(true|false)\b(?![\w\/.])/
NULL.8: /null\b(?![\w\/.])/
GEOGRAPHY.8: /(geography|geometry)'[^']*'/
DURATION.8: /duration'[^']*'/
INTERVAL.7: /\d{4}-\d\d-\d\dT[\d:.]+(Z|[+\- ]\d\d:?\d\d)\/\d{4}-\d\d-\d\dT[\d:.]+(Z|[+\- ]\d\d:?\d\d)/
MOMENT.6: /\d{4}-\d\d-\d\dT[\d:.]+(Z|[+\- ]\d\d:?\d\d)/
DATE.5: /\d{4}-\d\d-\d\d/
CLOCK.5: /\d\d:\d\d(:\d\d(\.\d{1,6})?)?/
NUMBER.4: /-?\d+(\.\d+)?([eE][+-]?\d{1,3})?/
STRING.4: /'([^']|'')*'/
FUNCTION.3: /[A-Za-z_]+(\.[A-Za-z_]+)?(?=\s*\()/
NAME.2: /@iot\.[A-Za-z]+|[^\W\d]\w*/
SEGMENT.2: /@iot\.[A-Za-z]+|\w[\w.\-]*/
%ignore /\s+/
"""
_COMPARES = frozenset({"eq", "ne", "gt", "ge", "lt", "le"})
_FIGURE = re.compile(r"-?\d{1,15}(\.\d{1,15})?", re.ASCII)
_DURATION = re.compile(
    r"(-?)P(?:(\d{1,7})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,12}(?:\.\d{1,6})?)S)?)?", re.ASCII
)


@v_args(inline=True)
class _Values(Transformer[Token, Any]):
    """Builds while parsing, so no deep tree is ever walked."""

    def filter(self, node: Node) -> Node:
        return node

    def orderby(self, *orders: Order) -> tuple[Order, ...]:
        return orders

    def order(self, path: Path, direction: Token | None) -> Order:
        return Order(path, direction == "desc")

    def select(self, *names: str) -> tuple[str, ...]:
        return names

    def selected(self, name: Token) -> str:
        return str(name)

    def expand(self, *expansions: Any) -> tuple[Any, ...]:
        return expansions

    def expansion(self, *parts: Any) -> tuple[tuple[str, ...], dict[str, Any]]:
        names = tuple(str(one) for one in parts if isinstance(one, Token))
        options: dict[str, Any] = {}
        for one in parts:
            if isinstance(one, tuple):
                if one[0] in options:
                    raise BadQuery(f"${one[0]} stands twice for {'/'.join(names)}; give it once")
                options[one[0]] = one[1]
        return names, options

    def filter_option(self, node: Node) -> tuple[str, Any]:
        return "filter", node

    def orderby_option(self, orders: tuple[Order, ...]) -> tuple[str, Any]:
        return "orderby", orders

    def select_option(self, names: tuple[str, ...]) -> tuple[str, Any]:
        return "select", names

    def expand_option(self, expansions: tuple[Any, ...]) -> tuple[str, Any]:
        return "expand", expansions

    def top_option(self, number: Token) -> tuple[str, Any]:
        return "top", count("$top", str(number))

    def skip_option(self, number: Token) -> tuple[str, Any]:
        return "skip", count("$skip", str(number))

    def count_option(self, truth: Token) -> tuple[str, Any]:
        return "count", truth == "true"

    def or_(self, left: Node, right: Node) -> Node:
        return _chain("or", left, right)

    def and_(self, left: Node, right: Node) -> Node:
        return _chain("and", left, right)

    def not_(self, _word: Token, node: Node) -> Node:
        return Call("not", (node,))

    def infix(self, left: Node, operator: Token, right: Node) -> Node:
        return _also_as_number(Call(str(operator), (left, right)))

    def negative(self, node: Node) -> Node:
        return Call("sub", (Literal(0.0), node))

    def function(self, name: Token, *arguments: Node | None) -> Node:
        return Call(str(name), tuple(one for one in arguments if one is not None))

    def path(self, *names: Token) -> Path:
        return Path(tuple(str(one) for one in names))

    def string(self, token: Token) -> Literal:
        return Literal(token[1:-1].replace("''", "'"))

    def number(self, token: Token) -> Literal:
        value = float(token)
        if value in (float("inf"), float("-inf")):
            raise BadQuery(f"{token[:40]} is too large a number")
        return Literal(value)

    def truth(self, token: Token) -> Literal:
        return FALSE if token.startswith("f") else TRUE

    def null(self, _token: Token) -> Literal:
        return NULL

    def moment(self, token: Token) -> Literal:
        return Literal(moment(str(token)))

    def interval(self, token: Token) -> Literal:
        start, end = (moment(one) for one in token.split("/"))
        if end < start:
            raise BadQuery(f"{token} ends before it starts")
        return Literal(Interval(start, end))

    def date(self, token: Token) -> Literal:
        try:
            return Literal(date.fromisoformat(token))
        except ValueError as error:
            raise BadQuery(f"{token} is no date; write e.g. 2026-11-21") from error

    def clock(self, token: Token) -> Literal:
        try:
            return Literal(time.fromisoformat(token))
        except ValueError as error:
            raise BadQuery(f"{token} is no time of day; write e.g. 08:30:00") from error

    def duration(self, token: Token) -> Literal:
        return Literal(duration(token[len("duration'") : -1]))

    def geography(self, token: Token) -> Literal:
        return Literal(Geography(token[token.index("'") + 1 : -1]))


def _also_as_number(node: Call) -> Call:
    """`result gt '3'`: a result may be a text or a number, and clients quote either."""
    left, right = node.arguments
    text, result = (left, right) if isinstance(left, Literal) else (right, left)
    if not isinstance(result, Path) or result.segments[-1] != "result" or node.name not in _COMPARES:
        return node
    if not isinstance(text, Literal) or not isinstance(text.value, str) or not _FIGURE.fullmatch(text.value):
        return node
    number = Literal(float(text.value))
    as_number = (number, right) if text is left else (left, number)
    return Call("and" if node.name == "ne" else "or", (node, Call(node.name, as_number)))


def _chain(name: str, left: Node, right: Node) -> Node:
    """A long list of alternatives is one wide node, not a deep one."""
    if isinstance(left, Call) and left.name == name:
        return Call(name, (*left.arguments, right))
    return Call(name, (left, right))


def moment(written: str) -> datetime:
    """ISO 8601 with an offset; a plus that a form turned into a blank is put back."""
    try:
        return datetime.fromisoformat(written.replace(" ", "+")).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadQuery(f"{written} is no time; write e.g. 2026-11-21T08:00:00Z") from error


def duration(written: str) -> timedelta:
    """ISO 8601 without years and months, whose length nobody knows."""
    match = _DURATION.fullmatch(written)
    if match is None or not any(match.groups()[1:]):
        raise BadQuery(f"duration '{written}' cannot be read; write e.g. duration'PT24H'")
    days, hours, minutes, seconds = (float(one or 0) for one in match.groups()[1:])
    length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    if length > LONGEST_DURATION:
        raise BadQuery(f"duration '{written}' is longer than 10,000 years")
    return -length if match[1] else length


def count(name: str, written: str) -> int:
    """A number of entities, from 0."""
    if not re.fullmatch(r"\d{1,10}", written, re.ASCII) or int(written) > LARGEST_COUNT:
        raise BadQuery(f"{name}: {written[:40]!r} is no number from 0 to {LARGEST_COUNT}")
    return int(written)


@lru_cache(maxsize=1)
def _parser() -> Lark:
    starts = ["filter", "orderby", "select", "expand"]
    return Lark(_GRAMMAR, parser="lalr", start=starts, transformer=_Values(), maybe_placeholders=True)


@lru_cache(maxsize=512)
def parse(option: str, written: str) -> Any:
    """The value of `$filter`, `$orderby`, `$select` or `$expand`; BadQuery says where it breaks."""
    if len(written) > LONGEST:
        raise BadQuery(f"${option} has {len(written)} characters; {LONGEST} are possible")
    try:
        return _parser().parse(written, start=option)
    except VisitError as error:
        if isinstance(error.orig_exc, BadQuery):
            raise error.orig_exc from error
        raise
    except UnexpectedEOF as error:
        raise BadQuery(f"${option} ends too early: {written[-40:]!r}") from error
    except (UnexpectedToken, UnexpectedCharacters) as error:
        at = error.pos_in_stream or 0
        found = "its end" if at >= len(written) else repr(written[at : at + 30])
        raise BadQuery(f"${option} cannot be read at character {at + 1}: {found}") from error
