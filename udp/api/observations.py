"""The values of one Datastream over time: single ones by pages, or aggregated in buckets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from udp.api import columns_json, query, representations
from udp.api.problems import InvalidRequest
from udp.api.settings import ApiSettings
from udp.api.view import View
from udp.sensorthings import Datastream
from udp.store.columns import Function, Observations, Period
from udp.store.port import ObservationStore

FORMATS = {"json": "application/json", "csv": "text/csv; charset=utf-8; header=present"}


@dataclass(frozen=True, slots=True)
class Wish:
    """The parameters as they came; None where none came."""

    start: str | None
    end: str | None
    every: str | None
    functions: str | None
    limit: int | None
    format: str


@dataclass(frozen=True, slots=True)
class Question:
    """Which Datastream, as whom (`view`), what of it, when it was asked; `root` as in udp.api.rooted."""

    view: View
    stream: Datastream
    wish: Wish
    now: datetime
    root: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A finished answer; `following` is the address of the next page, if there is one."""

    text: str
    media_type: str
    following: str | None


def sheet(store: ObservationStore, question: Question, settings: ApiSettings) -> Sheet:
    """Read and write it; blocking."""
    wish = question.wish
    if wish.format not in FORMATS:
        raise InvalidRequest(f"format: {wish.format!r} is not known; known are {', '.join(FORMATS)}")
    asked = query.period(wish.start, wish.end, question.now)
    limit = _limit(wish.limit, settings)
    step = question.view.finest.get(question.stream.id)
    if step is not None:
        query.require_steps(wish.every, question.stream.observed_property.key, step)
        asked = query.whole_steps(asked, step, question.now)
    if wish.every:
        bucket, functions = query.every(wish.every), query.functions(wish.functions)
        query.require_bucket_count(asked, bucket, limit)
        return _aggregated(store, question, asked, bucket, functions)
    if wish.functions:
        raise InvalidRequest("functions: needs every, e.g. every=1h")
    query.require_raw_span(asked)
    return _single(store, question, asked, limit)


def _single(store: ObservationStore, question: Question, asked: Period, limit: int) -> Sheet:
    view, stream, wish, now = question.view, question.stream, question.wish, question.now
    found, more = _page(store, stream, asked, limit)
    following = _following(question, found, asked) if more else None
    if wish.format == "csv":
        text = representations.raw_csv(found, stream, view, now)
    else:
        about = representations.datastream(stream, view, question.root)
        head = representations.envelope(about, asked, now, every=None, following=following)
        text = head + representations.raw_json(found) + "\n]}\n"
    return Sheet(text, FORMATS[wish.format], following)


def _aggregated(
    store: ObservationStore,
    question: Question,
    asked: Period,
    bucket: timedelta,
    functions: Mapping[str, Function],
) -> Sheet:
    view, stream, wish, now = question.view, question.stream, question.wish, question.now
    found = store.aggregate([stream.id], asked, bucket, list(functions.values()))
    if wish.format == "csv":
        text = representations.aggregate_csv(found, functions, stream, view, now)
    else:
        about = representations.datastream(stream, view, question.root)
        head = representations.envelope(about, asked, now, every=bucket, following=None)
        text = head + representations.aggregate_json(found, functions) + "\n]}\n"
    return Sheet(text, FORMATS[wish.format], None)


def _limit(asked: int | None, settings: ApiSettings) -> int:
    if asked is None:
        return settings.default_rows
    if not 1 <= asked <= settings.most_rows:
        raise InvalidRequest(f"limit: {asked} is not possible; choose 1 to {settings.most_rows}")
    return asked


def _page(
    store: ObservationStore, stream: Datastream, asked: Period, limit: int
) -> tuple[Observations, bool]:
    """The first `limit` measurements, and whether there are more.

    Reads on in windows that should hold a page each, so that a year of a talkative sensor is not
    read for its first page; a window without enough doubles the next, so that silence costs little.
    """
    window = timedelta(seconds=min(max(60.0, limit * stream.expected_interval_s), 366 * 86400.0))
    parts: list[Observations] = []
    count, start = 0, asked.start
    while start < asked.end and count <= limit:
        end = start + window if window < asked.end - start else asked.end
        part = store.read([stream.id], Period(start, end))
        parts.append(part.take(part.lead == 0))
        count += len(parts[-1])
        start, window = end, window * 2
    found = Observations.concatenate(parts)
    return found.take(slice(0, limit)), count > limit


def _following(question: Question, found: Observations, asked: Period) -> str:
    wish, address = question.wish, f"{question.root}{representations.V1}/datastreams/{question.stream.id}"
    last = found.phenomenon_time[-1].astype(datetime).replace(tzinfo=UTC)
    parameters = {
        "from": columns_json.time(last + timedelta(microseconds=1)),
        "to": columns_json.time(asked.end),
        "format": wish.format,
    }
    if wish.limit is not None:
        parameters["limit"] = str(wish.limit)
    return f"{address}/observations?{urlencode(parameters)}"
