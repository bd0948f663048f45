"""Random conditions in the language of $filter, each with what it means of one entity's JSON.

Written from the standard alone, in plain Python, without a word of the program's own.
"""
# ruff: noqa: E501 - tables of questions are read line by line

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import ceil, copysign, floor, fmod, isfinite

from hypothesis import strategies as st

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Term:
    """A piece of a query, and what it means of one entity's JSON."""

    text: str
    value: object


def reach(entity, path):
    for key in path.split("/"):
        known = "@iot.id" if key == "id" else key
        entity = entity.get(known) if isinstance(entity, dict) else None
    return entity


def when(text):
    return None if text is None else datetime.fromisoformat(text)


def prop(path, convert=lambda value: value):
    return Term(path, lambda entity: convert(reach(entity, path)))


def literal(text, value):
    return Term(text, lambda _entity: value)


def kind(value):
    for name, types in (("bool", bool), ("number", (int, float)), ("text", str), ("time", datetime),
                        ("duration", timedelta)):  # fmt: skip
        if isinstance(value, types):
            return name
    return None


def strict(function, *kinds):
    """Null for null and for what is of another kind."""

    def applied(*values):
        if any(kind(one) != wanted for one, wanted in zip(values, kinds, strict=True)):
            return None
        try:
            found = function(*values)
        except (OverflowError, ZeroDivisionError):
            return None
        return None if isinstance(found, float) and not isfinite(found) else found

    return applied


def call(name, function, *terms):
    text = f"{name}({','.join(one.text for one in terms)})"
    return Term(text, lambda entity: function(*(one.value(entity) for one in terms)))


def infix(name, function, left, right):
    return Term(
        f"({left.text} {name} {right.text})", lambda entity: function(left.value(entity), right.value(entity))
    )


def equal(a, b):
    return (a is None and b is None) or (kind(a) is not None and kind(a) == kind(b) and a == b)


def order(function):
    return lambda a, b: kind(a) is not None and kind(a) == kind(b) and function(a, b)


COMPARE = {
    "eq": equal,
    "ne": lambda a, b: not equal(a, b),
    "gt": order(lambda a, b: a > b),
    "ge": order(lambda a, b: a >= b),
    "lt": order(lambda a, b: a < b),
    "le": order(lambda a, b: a <= b),
}
NUMBERS = {
    "add": lambda a, b: float(a) + b,
    "sub": lambda a, b: float(a) - b,
    "mul": lambda a, b: float(a) * b,
    "div": lambda a, b: float(a) / b,
    "mod": lambda a, b: fmod(a, b) if b else None,
}


def conjunction(a, b):
    if a is False or b is False:
        return False
    return True if a is True and b is True else None


def disjunction(a, b):
    if a is True or b is True:
        return True
    return False if a is False and b is False else None


def away(value):
    whole = floor(abs(value))
    return copysign(whole + (abs(value) - whole >= 0.5), value)


WORDS = st.sampled_from(
    ["", "f", "Füll", "O'Neil", "good", "1", "Mast O'Neil 1", "luft", "ding-2", "Verborgen", "a%b"]
)
PIECES = WORDS.map(lambda one: literal("'" + one.replace("'", "''") + "'", one))
FIGURES = st.one_of(
    st.integers(-50, 50).map(lambda one: literal(str(one), float(one))),
    st.floats(-60, 60).map(lambda one: round(one, 1)).map(lambda one: literal(repr(one), one)),
    st.sampled_from([literal("1e300", 1e300), literal("0", 0.0), literal("4711.25", 4711.25)]),
)
MOMENTS = (
    st.integers(-9 * 144, 3 * 144)
    .map(lambda n: NOW + timedelta(minutes=10 * n))
    .map(lambda one: literal(one.isoformat().replace("+00:00", "Z"), one))
)
# On the ten minutes of the city's values, or the five seconds behind them when they were known.
NEAR = (
    st.tuples(st.integers(-720, 0), st.sampled_from([0, 5]))
    .map(lambda one: NOW + timedelta(minutes=10 * one[0], seconds=one[1]))
    .map(lambda one: literal(one.isoformat().replace("+00:00", "Z"), one))
)
SPANS = st.sampled_from([(24, "PT24H"), (36, "P1DT12H"), (-5, "-PT5H"), (0, "PT0S")]).map(
    lambda one: literal(f"duration'{one[1]}'", timedelta(hours=one[0]))
)


def figures(texts, times, own):
    """Numbers, from properties by arithmetic and functions."""
    leaf = st.one_of(FIGURES, st.sampled_from(own))
    single = {"round": strict(away, "number"), "floor": strict(lambda a: float(floor(a)), "number"),
              "ceiling": strict(lambda a: float(ceil(a)), "number")}  # fmt: skip
    parts = {
        "year": lambda a: a.year, "month": lambda a: a.month, "day": lambda a: a.day, "hour": lambda a: a.hour,
        "minute": lambda a: a.minute, "second": lambda a: a.second,
        "fractionalseconds": lambda a: a.microsecond / 1e6, "totaloffsetminutes": lambda _a: 0,
    }  # fmt: skip
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(
                lambda name, a, b: infix(name, strict(NUMBERS[name], "number", "number"), a, b),
                st.sampled_from(sorted(NUMBERS)), inner, inner,
            ),
            st.builds(lambda name, a: call(name, single[name], a), st.sampled_from(sorted(single)), inner),
            st.builds(lambda a: call("length", strict(len, "text"), a), texts),
            st.builds(lambda a, b: call("indexof", strict(str.find, "text", "text"), a, b), texts, texts),
            st.builds(lambda name, a: call(name, strict(parts[name], "time"), a), st.sampled_from(sorted(parts)), times),
        ),
        max_leaves=4,
    )  # fmt: skip


def texts(own):
    leaf = st.one_of(PIECES, st.sampled_from(own))
    single = {"tolower": str.lower, "toupper": str.upper, "trim": str.strip}
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda name, a: call(name, strict(single[name], "text"), a), st.sampled_from(sorted(single)), inner),
            st.builds(lambda a, b: call("concat", strict(lambda x, y: x + y, "text", "text"), a, b), inner, inner),
            st.builds(
                lambda a, n: call("substring", strict(lambda x, y: x[int(y):], "text", "number"), a, literal(str(n), n)),
                inner, st.integers(0, 9),
            ),
            st.builds(
                lambda a, n, m: call(
                    "substring", strict(lambda x, y, z: x[int(y):int(y) + int(z)], "text", "number", "number"),
                    a, literal(str(n), n), literal(str(m), m),
                ),
                inner, st.integers(0, 9), st.integers(0, 9),
            ),
        ),
        max_leaves=3,
    )  # fmt: skip


def times(own):
    leaf = st.one_of(MOMENTS, st.just(literal("now()", NOW)), st.sampled_from(own))
    moved = st.builds(
        lambda name, a, b: infix(name, strict((lambda x, y: x + y) if name == "add" else (lambda x, y: x - y), "time", "duration"), a, b),
        st.sampled_from(["add", "sub"]), leaf, SPANS,
    )  # fmt: skip
    return st.one_of(leaf, moved)


def boxed(path):
    """The place of `path` in a box, judged by its two numbers."""

    def inside(entity, box):
        at = reach(entity, path)
        if at is None:
            return None
        (x, y), (west, south, east, north) = at["coordinates"], box
        return west < x < east and south < y < north

    def build(name, west, south, width):
        box = (7 + west / 100, 51 + south / 100, 7 + (west + width) / 100, 51 + (south + width) / 100)
        ring = ",".join(f"{box[a]} {box[b]}" for a, b in ((0, 1), (2, 1), (2, 3), (0, 3), (0, 1)))
        return Term(f"{name}({path},geography'POLYGON (({ring}))')", lambda entity: inside(entity, box))

    # Half steps, so that no point lies on an edge, where within and intersects differ.
    half = st.integers(20, 60).map(lambda n: n + 0.5)
    return st.builds(
        build,
        st.sampled_from(["st_within", "st_intersects", "geo.intersects"]),
        half,
        half,
        st.integers(1, 20),
    )


def plain(kinds):
    """One property beside one value: what people write most, and where edges are hit."""
    return st.one_of(
        *(
            st.builds(
                lambda name, a, b: infix(name, COMPARE[name], a, b), st.sampled_from(sorted(COMPARE)), *pair
            )
            for own, values in kinds
            for pair in ((st.sampled_from(own), values), (values, st.sampled_from(own)))
        )
    )


def conditions(figure, word, moment, extra):
    spans = st.one_of(
        SPANS,
        st.builds(
            lambda a, b: infix("sub", strict(lambda x, y: x - y, "time", "time"), a, b), moment, moment
        ),
    )
    tests = {
        "startswith": strict(str.startswith, "text", "text"),
        "endswith": strict(str.endswith, "text", "text"),
        "substringof": strict(lambda a, b: a in b, "text", "text"),
    }
    null = st.just(literal("null", None))
    compared = [
        st.builds(lambda name, a, b: infix(name, COMPARE[name], a, b), st.sampled_from(sorted(COMPARE)), left, right)
        for left, right in ((figure, figure), (word, word), (moment, moment), (spans, spans), (figure, word),
                            (moment, figure), (word, null), (figure, null))
    ]  # fmt: skip
    leaf = st.one_of(
        *compared,
        st.builds(
            lambda name, a, b: call(name, tests[name], a, b), st.sampled_from(sorted(tests)), word, word
        ),
        *extra,
    )
    return st.recursive(
        leaf,
        lambda inner: st.one_of(
            st.builds(lambda a, b: infix("and", conjunction, a, b), inner, inner),
            st.builds(lambda a, b: infix("or", disjunction, a, b), inner, inner),
            st.builds(
                lambda a: Term(f"not ({a.text})", lambda entity: None if a.value(entity) is None else not a.value(entity)),
                inner,
            ),
        ),
        max_leaves=5,
    )  # fmt: skip


O_TIMES = times([prop("phenomenonTime", when), prop("resultTime", when)])
O_TEXTS = texts([prop(one) for one in (
    "id", "resultQuality/quality", "resultQuality/rule", "Datastream/name", "Datastream/Thing/name",
    "Datastream/Thing/properties/theme", "Datastream/ObservedProperty/name", "FeatureOfInterest/name",
)])  # fmt: skip
O_FIGURES = figures(O_TEXTS, O_TIMES, [prop(one) for one in (
    "result", "Datastream/id", "Datastream/properties/expected_interval_s", "parameters/lead_s",
    "Datastream/Thing/properties/volumen_l",
)])  # fmt: skip
O_PLAIN = plain([
    ([prop("phenomenonTime", when), prop("resultTime", when)], NEAR),
    ([prop("result")], FIGURES),
    ([infix(name, strict(NUMBERS[name], "number", "number"), prop("result"), literal("7", 7.0)) for name in NUMBERS],
     FIGURES),
    ([prop("resultQuality/quality"), prop("Datastream/name")], PIECES),
])  # fmt: skip
OBSERVATIONS = conditions(O_FIGURES, O_TEXTS, O_TIMES, [
    O_PLAIN, O_PLAIN, O_PLAIN, boxed("FeatureOfInterest/feature"), st.just(prop("Datastream/Thing/properties/neu")),
])  # fmt: skip
D_TIMES = times([literal("mindatetime()", datetime.min.replace(tzinfo=UTC))])
D_TEXTS = texts([prop(one) for one in (
    "name", "description", "unitOfMeasurement/symbol", "Thing/name", "Thing/properties/kind", "Sensor/name",
    "ObservedProperty/definition",
)])  # fmt: skip
D_FIGURES = figures(D_TEXTS, D_TIMES, [prop("id"), prop("properties/expected_interval_s"),
                                       prop("Thing/properties/volumen_l"), prop("Thing/properties/none/at/all")])  # fmt: skip
DATASTREAMS = conditions(D_FIGURES, D_TEXTS, D_TIMES, [st.just(prop("Thing/properties/neu"))])
O_EXPAND = "Datastream/Thing,Datastream/ObservedProperty,FeatureOfInterest"
D_EXPAND = "Thing,Sensor,ObservedProperty"
