"""What callers may write as times and durations, and what they meant."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from edge.wire.instants import EPOCH
from udp.api.problems import InvalidRequest, TooMuch
from udp.store.columns import Function, Period

DEFAULT_SPAN = timedelta(hours=24)
LONGEST_RAW = timedelta(days=366)
SHORTEST_BUCKET = timedelta(seconds=1)
LONGEST_BUCKET = timedelta(days=366)
FUNCTIONS = {
    "mean": Function.MEAN,
    "min": Function.MINIMUM,
    "max": Function.MAXIMUM,
    "count": Function.COUNT,
}

_SHORT = re.compile(r"(\d{1,9})\s?(s|m|min|h|d)", re.ASCII)
_ISO = re.compile(
    r"P(?:(\d{1,6})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})S)?)?", re.ASCII
)
_SECONDS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
# An unescaped + in a query arrives as a blank: 2026-11-21T08:00:00+01:00.
_LOST_PLUS = re.compile(r"(T\S+) (\d\d:?\d\d)$")


def period(start: str | None, end: str | None, now: datetime) -> Period:
    """[from, to); the last 24 hours unless told otherwise."""
    until = moment("to", end) if end else now
    try:
        since = moment("from", start) if start else until - DEFAULT_SPAN
    except OverflowError as error:
        raise InvalidRequest(f"to: {end!r} is too early; use a time after the year 1") from error
    if since > until:
        raise InvalidRequest(f"from: {_text(since)} is after to: {_text(until)}; exchange them")
    return Period(since, until)


def moment(name: str, text: str) -> datetime:
    """ISO 8601 with offset or Z, or a date alone for its beginning in UTC."""
    try:
        found = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", text.strip()))
        if found.tzinfo is None:
            if len(text.strip()) > len("2026-11-21"):
                raise InvalidRequest(f"{name}: {text!r} has no offset; end it with Z or e.g. %2B01:00")
            found = found.replace(tzinfo=UTC)
        return found.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidRequest(f"{name}: {text!r} is no time; write e.g. 2026-11-21T08:00:00Z") from error


def every(text: str) -> timedelta:
    """A bucket: ISO 8601 duration (PT15M, P1D) or short (15m, 1h, 1d); 1 s to 366 days."""
    seconds = _short(text) or _iso(text)
    if seconds == 0:
        raise InvalidRequest(f"every: {text!r} is no duration; write e.g. 1h, 15m, 1d, PT1H or P1D")
    if not SHORTEST_BUCKET.total_seconds() <= seconds <= LONGEST_BUCKET.total_seconds():
        raise InvalidRequest(f"every: {text!r} is not between 1 second and 366 days")
    return timedelta(seconds=seconds)


def functions(text: str | None) -> dict[str, Function]:
    """Names as they will stand in the answer; all four unless told otherwise."""
    if not text:
        return dict(FUNCTIONS)
    names = [name.strip() for name in text.split(",")]
    for name in names:
        if name not in FUNCTIONS:
            raise InvalidRequest(f"functions: {name!r} is not known; known are {', '.join(FUNCTIONS)}")
    return {name: FUNCTIONS[name] for name in names}


def require_raw_span(asked: Period) -> None:
    """TooMuch for more than a year of single values."""
    if asked.end - asked.start > LONGEST_RAW:
        raise TooMuch(
            f"from, to: {(asked.end - asked.start).days} days of single values are too many at once; "
            "ask for at most 366 days and go on with from, or use every (e.g. every=1d)"
        )


def require_bucket_count(asked: Period, bucket: timedelta, most: int) -> None:
    """TooMuch for more buckets than an answer holds."""
    if (count := (asked.end - asked.start) // bucket) > most:
        raise TooMuch(
            f"every: {count} buckets are too many at once, an answer holds {most}; "
            "choose a longer every or a shorter time"
        )


def require_steps(text: str | None, observed_property: str, step: timedelta) -> None:
    """InvalidRequest unless `text`, the parameter `every`, is made of whole steps."""
    if text and every(text) % step == timedelta(0):
        return
    finest = f"{step // timedelta(minutes=1)}m"
    raise InvalidRequest(
        f"every: {observed_property} is public in steps of {finest} at the finest; "
        f"ask with every={finest} or a multiple of it"
    )


def whole_steps(asked: Period, step: timedelta, now: datetime) -> Period:
    """`asked` in whole steps that are over.

    Part of a step would tell its moments to whoever asks often enough with other ends, and the step
    that is running to whoever asks it again and again.
    """
    end = over = _down(now, step)
    if asked.end < over:
        end = _down(asked.end, step)
        end += step if end < asked.end else timedelta(0)
    return Period(min(_down(asked.start, step), end), end)


def _down(moment: datetime, step: timedelta) -> datetime:
    return moment - (moment - EPOCH) % step


def duration(bucket: timedelta) -> str:
    """As an ISO 8601 duration."""
    seconds = int(bucket.total_seconds())
    if seconds % 86400 == 0:
        return f"P{seconds // 86400}D"
    for size, letter in ((3600, "H"), (60, "M")):
        if seconds % size == 0:
            return f"PT{seconds // size}{letter}"
    return f"PT{seconds}S"


def _short(text: str) -> int:
    match = _SHORT.fullmatch(text.strip())
    return int(match[1]) * _SECONDS[match[2]] if match else 0


def _iso(text: str) -> int:
    match = _ISO.fullmatch(text.strip())
    if match is None:
        return 0
    counts = (int(group or 0) for group in match.groups())
    return sum(count * size for count, size in zip(counts, (604800, 86400, 3600, 60, 1), strict=True))


def _text(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
