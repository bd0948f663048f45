"""What a query option says, as values: expressions, orders, expansions. Nothing here knows any data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import TypeAlias

from udp.api.problems import BadQuery

DEEPEST = 60
LARGEST = 600


@dataclass(frozen=True, slots=True)
class Interval:
    """A time interval as ISO 8601 writes it, both ends aware UTC."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Geography:
    """A geometry in WKT, WGS 84, longitude first."""

    wkt: str


Constant: TypeAlias = bool | float | str | datetime | date | time | timedelta | Interval | Geography | None


@dataclass(frozen=True, slots=True)
class Literal:
    """A value. `kind` keeps 1 and true apart, which Python calls equal."""

    value: Constant
    kind: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", type(self.value).__name__)

    @property
    def depth(self) -> int:
        """Levels below and with this one."""
        return 1

    @property
    def size(self) -> int:
        """Nodes below and with this one."""
        return 1


@dataclass(frozen=True, slots=True)
class Path:
    """A property, perhaps of a related entity: ("Datastream", "name")."""

    segments: tuple[str, ...]

    @property
    def depth(self) -> int:
        """As for Literal."""
        return 1

    @property
    def size(self) -> int:
        """As for Literal."""
        return 1

    def __str__(self) -> str:
        return "/".join(self.segments)


@dataclass(frozen=True, slots=True)
class Call:
    """An operator or function with its arguments; `and` and `or` take any number."""

    name: str
    arguments: tuple[Node, ...]
    depth: int = field(init=False, compare=False)
    size: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        """BadQuery for expressions nobody writes by hand: they would only cost time and stack."""
        object.__setattr__(self, "depth", 1 + max((one.depth for one in self.arguments), default=0))
        object.__setattr__(self, "size", 1 + sum(one.size for one in self.arguments))
        if self.depth > DEEPEST or self.size > LARGEST:
            raise BadQuery(f"an expression may nest {DEEPEST} levels and hold {LARGEST} parts; ask simpler")


Node: TypeAlias = Literal | Path | Call
TRUE = Literal(True)
FALSE = Literal(False)
_FLIPPED = {"gt": "lt", "lt": "gt", "ge": "le", "le": "ge", "eq": "eq"}


def conjuncts(condition: Node) -> Sequence[Node]:
    """What all must hold for the condition to hold."""
    return condition.arguments if isinstance(condition, Call) and condition.name == "and" else (condition,)


def compared(node: Node, path: Path) -> tuple[str, Constant] | None:
    """How the node compares `path` with a constant, read with the path on the left; None if it does not."""
    if not isinstance(node, Call) or node.name not in _FLIPPED:
        return None
    left, right = node.arguments
    name = node.name
    if isinstance(left, Literal):
        left, right, name = right, left, _FLIPPED[name]
    return (name, right.value) if left == path and isinstance(right, Literal) else None


NULL = Literal(None)


@dataclass(frozen=True, slots=True)
class Order:
    """One key of $orderby."""

    path: Path
    descending: bool


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one collection or entity; None and () where nothing was said."""

    filter: Node | None = None
    orderby: tuple[Order, ...] = ()
    expand: tuple[Expand, ...] = ()
    select: tuple[str, ...] = ()
    top: int | None = None
    skip: int = 0
    count: bool = False
    data_array: bool = False
    token: str | None = None


@dataclass(frozen=True, slots=True)
class Expand:
    """One related entity or collection to be put into the answer."""

    name: str
    options: Options


def text(node: Node) -> str:
    """The expression as it may stand in an address again."""
    if isinstance(node, Path):
        return str(node)
    if isinstance(node, Literal):
        return _constant(node.value)
    if node.name == "not":
        return f"not ({text(node.arguments[0])})"
    if node.name in INFIX:
        return "(" + f" {node.name} ".join(text(one) for one in node.arguments) + ")"
    return f"{node.name}({','.join(text(one) for one in node.arguments)})"


INFIX = frozenset(["or", "and", "eq", "ne", "gt", "ge", "lt", "le", "add", "sub", "mul", "div", "mod"])


def _constant(value: Constant) -> str:  # noqa: PLR0911 - one line per kind of value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Interval):
        return f"{_constant(value.start)}/{_constant(value.end)}"
    if isinstance(value, timedelta):
        micros = value // timedelta(microseconds=1)
        return f"duration'{'-' if micros < 0 else ''}PT{abs(micros) / 1e6:.6f}S'"
    if isinstance(value, Geography):
        return f"geography'{value.wkt}'"
    if isinstance(value, str):
        return "'" + value.replace("'", "''") + "'"
    return value.isoformat()
