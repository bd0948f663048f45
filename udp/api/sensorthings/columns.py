"""Filters over Observations, a column at a time: what `functions` says of one value, said of many.

Comparison, arithmetic, logic and parts of times run in numpy. Everything else asks `functions` once
per different value: words of quality are few, and a page of ids is short.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from edge.wire.instants import EPOCH, instant, microseconds
from udp.api import columns_json
from udp.api.sensorthings import functions
from udp.api.sensorthings.model import Reference, refer
from udp.api.sensorthings.noted import Told
from udp.api.sensorthings.syntax import Call, Literal, Node, Path
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Observations

Bools: TypeAlias = NDArray[np.bool_]
_MICROSECOND = timedelta(microseconds=1)
_DAY_US = 86_400_000_000
_LONGEST_US = timedelta(days=4_400_000) // _MICROSECOND
_FIRST_US = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_LAST_US = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MICROSECOND
_NUMPY = {"gt": np.greater, "ge": np.greater_equal, "lt": np.less, "le": np.less_equal}
_SLOW = 10
_FAST = frozenset({"number", "moment", "duration", "bool"})
_NOTED = frozenset({"phenomenonTime", "result", "resultQuality", "validTime", "parameters"})


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One value per Observation. number: float64; moment, duration: int64 microseconds; bool; else objects.

    Where `null` is set the value means nothing.
    """

    kind: str
    values: NDArray[Any]
    null: Bools


@dataclass(frozen=True, slots=True)
class _Asked:
    """`told`: what is noted of the rows, where anything may be."""

    rows: Observations
    now: datetime
    told: Told | None


def holds(condition: Node, rows: Observations, now: datetime, told: Told | None = None) -> Bools:
    """For which rows `condition` (without paths to other entities) is true."""
    with np.errstate(all="ignore"):
        found = _column(condition, _Asked(rows, now, told))
    if found.kind != "bool":
        return np.zeros(len(rows), bool)
    truth: Bools = found.values & ~found.null
    return truth


def weight(condition: Node) -> int:
    """How many plain rows one row costs: what numpy cannot do is done once per value in Python."""
    if isinstance(condition, Call):
        known = condition.name in _IN_NUMPY or condition.name in functions.ARITHMETIC
        return max([1 if known else _SLOW, *(weight(one) for one in condition.arguments)])
    slow = isinstance(condition, Path) and condition.segments in (("id",), ("@iot.id",))
    return _SLOW if slow else 1


def own(rows: Observations, reference: Reference, told: Told | None = None) -> Column:
    """A property of the Observations themselves; what is noted of one stands before what the store holds."""
    held = _held(rows, reference)
    given = told.of(reference.name) if told is not None and reference.name in _NOTED else {}
    if not given:
        return held
    values = _objects(held)
    for place, value in given.items():
        values[place] = _within(value, reference.keys, values[place])
    return _column_of(values)


def _within(value: Any, keys: tuple[str, ...], otherwise: Any) -> Any:
    """What lies under `keys`; the store's own word where the note has none."""
    for key in keys:
        if not isinstance(value, Mapping) or key not in value:
            return otherwise
        value = value[key]
    return value


def _held(rows: Observations, reference: Reference) -> Column:
    size = len(rows)
    if reference.keys:
        return _part(rows, reference)
    if reference.name == "result":
        return _number(rows.result)
    if reference.name in ("phenomenonTime", "resultTime"):
        times = rows.phenomenon_time if reference.name == "phenomenonTime" else rows.result_time
        return Column("moment", times.astype(np.int64), np.zeros(size, bool))
    if reference.name == "id":
        return Column("text", np.array(identifiers(rows), object), np.zeros(size, bool))
    # resultQuality and parameters are objects, which compare with nothing, but are there.
    present = reference.name == "resultQuality"
    null = (
        np.zeros(size, bool)
        if present
        else (rows.lead == 0 if reference.name == "parameters" else _all(size))
    )
    return Column("other", np.full(size, None, object), null)


def _part(rows: Observations, reference: Reference) -> Column:
    size = len(rows)
    if reference.name == "resultQuality" and reference.keys in (("quality",), ("rule",)):
        words = columns_json.QUALITY if reference.keys == ("quality",) else columns_json.RULE
        flags = verdicts(rows)[0 if reference.keys == ("quality",) else 1]
        named = np.array([words.get(flag, f"{reference.keys[0]}_{flag}") for flag in range(256)], object)
        return Column("text", named[flags], np.zeros(size, bool))
    if reference.name == "parameters" and reference.keys == ("lead_s",):
        return Column("number", rows.lead.astype(np.float64), rows.lead == 0)
    return _nothing(size)


def verdicts(rows: Observations) -> tuple[Any, Any]:
    """Quality and rule; that the store has no number for a result says nothing against the result."""
    wordy = rows.rule == QualityRule.NO_NUMBER
    if not wordy.any():
        return rows.quality, rows.rule
    return (
        np.where(wordy, Quality.UNCHECKED, rows.quality),
        np.where(wordy, QualityRule.NONE, rows.rule),
    )


def identifiers(rows: Observations) -> list[str]:
    """@iot.id: datastream, microseconds of phenomenon time and, for forecasts, the lead in seconds."""
    return [
        f"{stream}-{moment}-{lead}" if lead else f"{stream}-{moment}"
        for stream, moment, lead in zip(
            rows.datastream.tolist(),
            rows.phenomenon_time.astype(np.int64).tolist(),
            rows.lead.tolist(),
            strict=True,
        )
    ]


def _column(node: Node, asked: _Asked) -> Column:
    if isinstance(node, Literal):
        return constant(node.value, len(asked.rows))
    if not isinstance(node, Call):
        return own(asked.rows, refer("Observation", node), asked.told)
    if node.name in ("and", "or"):
        return _junction(node, asked)
    arguments = [_column(one, asked) for one in node.arguments]
    if node.name == "not":
        return _negation(arguments[0])
    fast = _fast(node.name, arguments)
    return fast if fast is not None else _slow(node, arguments, asked.now)


def _fast(name: str, arguments: list[Column]) -> Column | None:
    kinds = [one.kind for one in arguments]
    if name in _NUMPY or name in ("eq", "ne"):
        return _compared(name, *arguments)
    if name in functions.ARITHMETIC:
        if kinds == ["number", "number"]:
            return _number(_NUMBERS[name](arguments[0].values, arguments[1].values), _nulls(arguments))
        return _times(name, *arguments)
    if name in _PARTS and kinds == ["moment"]:
        return Column("number", _PARTS[name](arguments[0].values), arguments[0].null)
    if name in _ROUNDINGS and kinds == ["number"]:
        return _number(_ROUNDINGS[name](arguments[0].values), arguments[0].null)
    return None


def _compared(name: str, left: Column, right: Column) -> Column | None:
    if {left.kind, right.kind} & {"object", "interval"}:
        return None
    none = np.zeros(len(left.values), bool)
    same = left.kind == right.kind and (left.kind in _FAST or left.kind == "text")
    both = ~left.null & ~right.null
    if name in ("eq", "ne"):
        equal = both & (left.values == right.values).astype(bool) if same else none
        equal = equal | (left.null & right.null)
        return Column("bool", equal if name == "eq" else ~equal, none)
    if not same:
        return Column("bool", none, none)
    if left.kind == "text":
        ordered = np.zeros(len(none), bool)
        ordered[both] = _NUMPY[name](left.values[both], right.values[both]).astype(bool)
        return Column("bool", ordered, none)
    return Column("bool", _NUMPY[name](left.values, right.values) & both, none)


def _times(name: str, left: Column, right: Column) -> Column | None:
    """Arithmetic with times; null where `functions.compute` says null."""
    kinds, null = (left.kind, right.kind), left.null | right.null
    a, b = left.values, right.values
    if name == "sub" and kinds == ("moment", "moment"):
        return _bounded("duration", a - b, null)
    if name in ("add", "sub") and kinds in (("moment", "duration"), ("duration", "duration")):
        return _bounded(left.kind, a + b if name == "add" else a - b, null)
    if name == "add" and kinds == ("duration", "moment"):
        return _bounded("moment", a + b, null)
    if name == "mul" and kinds == ("number", "duration"):
        return _scaled(b, a, null)
    if name in ("mul", "div") and kinds == ("duration", "number"):
        return _scaled(a, b if name == "mul" else 1.0 / b, null)
    return None if "object" in kinds or "interval" in kinds else _nothing(len(a))


def _scaled(length: NDArray[Any], factor: NDArray[Any], null: Bools) -> Column:
    product = np.rint(length.astype(np.float64) * factor)
    wrong = ~np.isfinite(product) | (np.abs(product) > _LONGEST_US)
    return Column("duration", np.where(wrong, 0, product).astype(np.int64), null | wrong)


def _bounded(kind: str, values: NDArray[Any], null: Bools) -> Column:
    low, high = (_FIRST_US, _LAST_US) if kind == "moment" else (-_LONGEST_US, _LONGEST_US)
    wrong = (values < low) | (values > high)
    return Column(kind, np.where(wrong, 0, values), null | wrong)


def _number(values: NDArray[Any], null: Bools | None = None) -> Column:
    wrong = ~np.isfinite(values)
    return Column("number", np.where(wrong, 0.0, values), wrong if null is None else null | wrong)


def _junction(node: Call, asked: _Asked) -> Column:
    decisive, size = node.name == "or", len(asked.rows)
    decided, unknown = np.zeros(size, bool), np.zeros(size, bool)
    for one in node.arguments:
        column = _column(one, asked)
        null = column.null if column.kind == "bool" else _all(size)
        if column.kind == "bool":
            decided |= ~null & (column.values == decisive)
        unknown |= null
    return Column("bool", decided if decisive else ~decided, unknown & ~decided)


def _negation(column: Column) -> Column:
    return (
        Column("bool", ~column.values, column.null) if column.kind == "bool" else _nothing(len(column.null))
    )


def _slow(node: Call, arguments: list[Column], now: datetime) -> Column:
    """Once per different combination of values."""
    columns = [_objects(one) for one in arguments]
    answers: dict[tuple[Any, ...], Any] = {}
    found: list[Any] = []
    for values in zip(*columns, strict=True):
        key = tuple((type(one), id(one) if isinstance(one, dict | list) else one) for one in values)
        if key not in answers:
            answers[key] = functions.apply(node.name, values, now)
        found.append(answers[key])
    return _column_of(found)


def _column_of(values: list[Any]) -> Column:
    kinds = {functions.kind_of(one) for one in values} - {"null"}
    null = np.fromiter((one is None for one in values), bool, len(values))
    kind = kinds.pop() if len(kinds) == 1 else ("null" if not kinds else "object")
    return _typed(kind, values, null)


def _typed(kind: str, values: list[Any], null: Bools) -> Column:
    if kind == "null":
        return _nothing(len(values))
    if kind == "number":
        return _number(np.array([0.0 if one is None else float(one) for one in values]), null)
    if kind == "bool":
        return Column("bool", np.array([one is True for one in values], bool), null)
    if kind == "duration":
        return Column(kind, np.array([_of_duration(one) for one in values], np.int64), null)
    if kind == "moment" and all(one is None or isinstance(one, datetime) for one in values):
        return Column(kind, np.array([_of_moment(one) for one in values], np.int64), null)
    held = np.empty(len(values), object)
    held[:] = values
    return Column(kind if kind == "text" else "object", held, null)


def _of_duration(value: timedelta | None) -> int:
    return 0 if value is None else value // _MICROSECOND


def _of_moment(value: datetime | None) -> int:
    return 0 if value is None else microseconds(value)


def constant(value: Any, size: int) -> Column:
    """The same value for every row."""
    one = _typed(functions.kind_of(value), [value], np.array([value is None]))
    return Column(one.kind, np.broadcast_to(one.values, size), np.broadcast_to(one.null, size))


def _objects(column: Column) -> list[Any]:
    values = column.values.tolist()
    if column.kind == "moment":
        values = [instant(one) for one in values]
    elif column.kind == "duration":
        values = [timedelta(microseconds=one) for one in values]
    return [None if null else one for one, null in zip(values, column.null.tolist(), strict=True)]


def _nulls(columns: list[Column]) -> Bools:
    null: Bools = columns[0].null | columns[1].null
    return null


def _nothing(size: int) -> Column:
    return Column("null", np.full(size, None, object), _all(size))


def _all(size: int) -> Bools:
    return np.ones(size, bool)


def _modulo(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    rest: NDArray[Any] = np.fmod(a, b)
    return rest


def _half_up(values: NDArray[Any]) -> NDArray[Any]:
    whole = np.floor(np.abs(values))
    rounded: NDArray[Any] = np.copysign(whole + (np.abs(values) - whole >= 0.5), values)
    return rounded


def _divided(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    return np.where(b == 0, np.nan, a / b)


def _of_calendar(unit: str, within: str, first: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def part(micros: NDArray[Any]) -> NDArray[Any]:
        moments = micros.astype("datetime64[us]")
        inner = moments.astype(f"datetime64[{within}]") if within else np.datetime64(0, "Y")
        return (moments.astype(f"datetime64[{unit}]") - inner).astype(np.float64) + first

    return part


def _of_clock(size_us: int, wrap_us: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    return lambda micros: (micros % wrap_us // size_us).astype(np.float64)


_NUMBERS: Mapping[str, Callable[[Any, Any], NDArray[Any]]] = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "div": _divided, "mod": _modulo,
}  # fmt: skip
_ROUNDINGS: Mapping[str, Callable[[Any], NDArray[Any]]] = {
    "round": _half_up, "floor": np.floor, "ceiling": np.ceil,
}  # fmt: skip
_PARTS: Mapping[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "year": _of_calendar("Y", "", 1970),
    "month": _of_calendar("M", "Y", 1),
    "day": _of_calendar("D", "M", 1),
    "hour": _of_clock(3_600_000_000, _DAY_US),
    "minute": _of_clock(60_000_000, 3_600_000_000),
    "second": _of_clock(1_000_000, 60_000_000),
    "fractionalseconds": lambda micros: (micros % 1_000_000) / 1e6,
    "totaloffsetminutes": lambda micros: np.zeros(len(micros)),
}
_IN_NUMPY = frozenset({"and", "or", "not", "eq", "ne", *_NUMPY, *_PARTS, *_ROUNDINGS})
