"""What operators and functions of $filter mean for single values (OGC 18-088, tables 17-20).

Null as in OData 4.0: `eq` and `ne` compare it, an order with it is false, everything else with it is
null, `and`/`or`/`not` are three-valued. Values of different kinds are unequal and have no order.
A number that is no number any more (division by zero, overflow) is null. All times are UTC.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, TypeAlias

from udp.api.problems import BadQuery
from udp.api.sensorthings import geometry
from udp.api.sensorthings.syntax import Interval

Value: TypeAlias = Any
# 12,000 years: what stays below can be added to a time in 64 bits of microseconds.
_LONGEST = timedelta(days=4_400_000)
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "gt": operator.gt,
    "ge": operator.ge,
    "lt": operator.lt,
    "le": operator.le,
}


def kind_of(value: Value) -> str:
    """The kind two values must share to be compared."""
    for kind, types in _KINDS:
        if isinstance(value, types):
            return kind
    return "other"


_KINDS: tuple[tuple[str, Any], ...] = (
    ("bool", bool),
    ("number", (int, float)),
    ("text", str),
    ("moment", (datetime, Interval)),
    ("date", date),
    ("clock", time),
    ("duration", timedelta),
    ("null", type(None)),
)


def equal(left: Value, right: Value) -> bool:
    """`eq`."""
    kind = kind_of(left)
    if kind != kind_of(right) or kind == "other":
        return False
    return bool(ends(left) == ends(right)) if kind == "moment" else bool(left == right)


def ordered(name: str, left: Value, right: Value) -> bool:
    """`gt`, `ge`, `lt`, `le`; of times as FROST-Server has them, which clients know."""
    kind = kind_of(left)
    if kind != kind_of(right) or kind in ("other", "null"):
        return False
    if kind == "moment":
        first, second = (left, right) if name in ("lt", "le") else (right, left)
        return _before(ends(first), ends(second), touching=name in ("le", "ge"))
    return _ORDER[name](left, right)


def _before(one: tuple[datetime, datetime], other: tuple[datetime, datetime], *, touching: bool) -> bool:
    """An interval holds its beginning and not its end: it is before what begins there.

    With `touching` two intervals may also overlap, if neither beginning nor end comes later.
    """
    lasts = one[0] < one[1]
    if touching and lasts and other[0] < other[1]:
        return one[0] <= other[0] and one[1] <= other[1]
    return one[1] <= other[0] if lasts or touching else one[1] < other[0]


def ends(value: Any) -> tuple[datetime, datetime]:
    """Start and end; twice the same for a single moment."""
    return (value.start, value.end) if isinstance(value, Interval) else (value, value)


def compute(name: str, left: Value, right: Value) -> Value:
    """`add`, `sub`, `mul`, `div`, `mod`."""
    try:
        return _bounded(_compute(name, left, right))
    except (OverflowError, ZeroDivisionError):
        return None


def _compute(name: str, left: Value, right: Value) -> Value:  # noqa: PLR0911 - one line per pair of kinds
    kinds = (kind_of(left), kind_of(right))
    if kinds == ("number", "number"):
        a, b = float(left), float(right)
        return _NUMBERS[name](a, b)
    if name == "sub" and kinds == ("moment", "moment") and not _has_interval(left, right):
        return left - right
    if name in ("add", "sub") and kinds in (("moment", "duration"), ("duration", "duration")):
        return _shifted(left, right if name == "add" else -right)
    if name == "add" and kinds == ("duration", "moment"):
        return _shifted(right, left)
    if name in ("mul", "div") and kinds == ("duration", "number"):
        return _scaled(left, float(right) if name == "mul" else 1.0 / float(right))
    if name == "mul" and kinds == ("number", "duration"):
        return _scaled(right, float(left))
    return None


def _shifted(value: Value, by: timedelta) -> Value:
    return Interval(value.start + by, value.end + by) if isinstance(value, Interval) else value + by


def _scaled(length: timedelta, factor: float) -> timedelta:
    # Through whole microseconds, as numpy does it: both evaluators must agree to the last digit.
    return timedelta(microseconds=round(length / timedelta(microseconds=1) * factor))


_NUMBERS: Mapping[str, Callable[[float, float], float]] = {
    "add": operator.add,
    "sub": operator.sub,
    "mul": operator.mul,
    "div": operator.truediv,
    "mod": lambda a, b: math.fmod(a, b) if b and math.isfinite(a) else math.nan,
}


def _has_interval(*values: Value) -> bool:
    return any(isinstance(one, Interval) for one in values)


def _bounded(value: Value) -> Value:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, timedelta) and abs(value) > _LONGEST:
        return None
    return value


def conjunction(values: tuple[Value, ...]) -> Value:
    """`and`, three-valued."""
    if any(one is False for one in values):
        return False
    return True if all(one is True for one in values) else None


def disjunction(values: tuple[Value, ...]) -> Value:
    """`or`, three-valued."""
    if any(one is True for one in values):
        return True
    return False if all(one is False for one in values) else None


def negation(value: Value) -> Value:
    """`not`, three-valued."""
    return not value if isinstance(value, bool) else None


def _on(kind: type | tuple[type, ...], function: Callable[..., Value]) -> Callable[..., Value]:
    """Null unless all arguments are of this kind."""

    def applied(*values: Value) -> Value:
        if any(isinstance(one, bool) or not isinstance(one, kind) for one in values):
            return None
        return function(*values)

    return applied


def _of_time(kind: type | tuple[type, ...], function: Callable[..., Value]) -> Callable[..., Value]:
    """Of an interval, where it begins."""
    inner = _on(kind, function)
    return lambda value: inner(value.start if isinstance(value, Interval) else value)


def _substring(word: Value, start: Value, length: Value = None) -> Value:
    if not isinstance(word, str) or kind_of(start) != "number":
        return None
    begin = max(int(start), 0)
    if length is None:
        return word[begin:]
    return word[begin : begin + max(int(length), 0)] if kind_of(length) == "number" else None


def half_up(value: float) -> float:
    """The nearest whole number, halves away from zero."""
    whole = math.floor(abs(value))
    return math.copysign(whole + (abs(value) - whole >= 0.5), value)


_MOMENT, _DAY = datetime, (datetime, date)
_HOURS = (datetime, time)
TABLE: Mapping[str, tuple[int, int, Callable[..., Value]]] = {
    "substringof": (2, 2, _on(str, lambda part, word: part in word)),
    "contains": (2, 2, _on(str, lambda word, part: part in word)),
    "startswith": (2, 2, _on(str, str.startswith)),
    "endswith": (2, 2, _on(str, str.endswith)),
    "length": (1, 1, _on(str, lambda word: float(len(word)))),
    "indexof": (2, 2, _on(str, lambda word, part: float(word.find(part)))),
    "substring": (2, 3, _substring),
    "tolower": (1, 1, _on(str, str.lower)),
    "toupper": (1, 1, _on(str, str.upper)),
    "trim": (1, 1, _on(str, str.strip)),
    "concat": (2, 2, _on(str, operator.add)),
    "year": (1, 1, _of_time(_DAY, lambda one: float(one.year))),
    "month": (1, 1, _of_time(_DAY, lambda one: float(one.month))),
    "day": (1, 1, _of_time(_DAY, lambda one: float(one.day))),
    "hour": (1, 1, _of_time(_HOURS, lambda one: float(one.hour))),
    "minute": (1, 1, _of_time(_HOURS, lambda one: float(one.minute))),
    "second": (1, 1, _of_time(_HOURS, lambda one: float(one.second))),
    "fractionalseconds": (1, 1, _of_time(_HOURS, lambda one: one.microsecond / 1e6)),
    "date": (1, 1, _of_time(_MOMENT, lambda one: one.date())),
    "time": (1, 1, _of_time(_MOMENT, lambda one: one.time())),
    "totaloffsetminutes": (1, 1, _of_time(_MOMENT, lambda _one: 0.0)),
    "round": (1, 1, _on((int, float), half_up)),
    "floor": (1, 1, _on((int, float), lambda one: float(math.floor(one)))),
    "ceiling": (1, 1, _on((int, float), lambda one: float(math.ceil(one)))),
    **{name: (arity, arity, function) for name, (arity, function) in geometry.TABLE.items()},
}
ARITHMETIC = frozenset(_NUMBERS)
_CONDITIONS = frozenset(
    {"and", "or", "not", "eq", "ne", "substringof", "contains", "startswith", "endswith"}
    | _ORDER.keys()
    | {name for name in geometry.TABLE if name not in ("geo.distance", "geo.length")}
)
_ARITY = {
    "not": (1, 1), "and": (2, 999), "or": (2, 999), "now": (0, 0), "mindatetime": (0, 0),
    "maxdatetime": (0, 0),
}  # fmt: skip


def require(name: str, given: int) -> None:
    """BadQuery for a function that does not exist or gets the wrong number of arguments."""
    if name in _ORDER or name in _NUMBERS or name in ("eq", "ne"):
        return
    known = _ARITY.get(name) or TABLE.get(name)
    if known is None:
        raise BadQuery(f"function {name[:40]!r} is not known; known are {', '.join(sorted({*TABLE, 'now'}))}")
    if not known[0] <= given <= known[1]:
        raise BadQuery(f"{name} takes {known[0]} argument(s), not {given}")


def is_condition(name: str) -> bool:
    """Whether its value is true, false or null."""
    return name in _CONDITIONS


def apply(name: str, values: tuple[Value, ...], now: datetime) -> Value:  # noqa: PLR0911 - one line per kind
    """The value of one operator or function."""
    if name == "and":
        return conjunction(values)
    if name == "or":
        return disjunction(values)
    if name == "not":
        return negation(values[0])
    if name in ("eq", "ne"):
        return equal(*values) is (name == "eq")
    if name in _ORDER:
        return ordered(name, *values)
    if not values:
        moments = {"mindatetime": datetime.min.replace(tzinfo=UTC), "maxdatetime": _LAST}
        return moments.get(name, now)
    if any(one is None for one in values):
        return None
    return compute(name, *values) if name in _NUMBERS else TABLE[name][2](*values)


_LAST = datetime.max.replace(tzinfo=UTC)
