"""The past of many Datastreams in one answer, in as many points as a picture has room for: for boards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query
from starlette.responses import Response

from edge.wire.instants import EPOCH
from udp.api import columns_json, query, schemas
from udp.api.desk import Asking, AtDesk, cache_header
from udp.api.many_series import Line, Of, Sheet, rows, step_for
from udp.api.problems import InvalidRequest, TooMuch
from udp.api.representations import V1
from udp.api.v1 import From, Selected, To, add_readable
from udp.api.view import View
from udp.sensorthings import CITIZEN_NOTICE, Datastream
from udp.store.columns import Period

_SHORT_S = 30
_ACROSS = ("series", "district", "all")


def router() -> APIRouter:
    """One address."""
    api = APIRouter(prefix=V1, tags=["v1"])
    summary = "Many Datastreams over time: one line each, per district, or all in one"
    add_readable(api, [("/history", history, schemas.HistoryAnswer, summary)])
    return api


async def history(
    at: AtDesk,
    who: Asking,
    wish: Selected,
    *,
    start: From = None,
    end: To = None,
    every: Annotated[
        str | None, Query(max_length=32, examples=["1h"], description="default: chosen by `points`")
    ] = None,
    points: Annotated[int, Query(ge=10, le=2000, description="at most so many buckets per line")] = 300,
    value: Annotated[
        str,
        Query(
            max_length=8,
            description="of a bucket: mean, min, max, total of amounts, rise of a counter",
            json_schema_extra={"enum": [one.value for one in Of]},
        ),
    ] = "mean",
    across: Annotated[
        str,
        Query(
            max_length=8,
            description="one line per series, district or all",
            json_schema_extra={"enum": [*_ACROSS]},
        ),
    ] = "series",
) -> Response:
    """Buckets aligned to UTC without bad values, ascending by time; between the first and the last value
    of a line a bucket without one is null. A line over several series tells their median, and the lowest
    and highest of them as `low` and `high`."""
    if value not in tuple(Of):
        raise InvalidRequest(f"value: {value!r} is not known; known are {', '.join(Of)}")
    if across not in _ACROSS:
        raise InvalidRequest(f"across: {across!r} is not known; known are {', '.join(_ACROSS)}")
    view, now = await at.view(who), at.now()
    view.require_known(wish)
    streams = list(view.select(wish))
    step, asked = _steps(view, streams, query.period(start, end, now), every=every, points=points, now=now)
    lines = list(_lines(view, streams, across))
    _require_few(len(streams), asked, step, at.settings.most_rows)
    sheet = Sheet(asked, step, Of(value), lines)
    found = await anyio.to_thread.run_sync(rows, at.ports.store, sheet)
    head = (
        f'{{"now":"{columns_json.time(now)}","from":"{columns_json.time(asked.start)}",'
        f'"to":"{columns_json.time(asked.end)}","every":"{query.duration(step)}","count":{len(found)},"values":[\n'
    )
    body = head + ",\n".join(found) + "\n]}\n"
    return Response(body, headers=cache_header(who, _SHORT_S), media_type="application/json")


def _steps(
    view: View, streams: Sequence[Datastream], asked: Period, *, every: str | None, points: int, now: datetime
) -> tuple[timedelta, Period]:
    """The bucket, and the time asked for from the beginning of one on; what leaves in steps only, in
    whole ones that are over (udp.policy)."""
    finest = {view.finest[one.id] for one in streams if one.id in view.finest}
    if every is None:
        step = step_for(asked.end - asked.start, points, streams, finest)
    else:
        step = query.every(every)
        for one in streams:
            if one.id in view.finest:
                query.require_steps(every, one.observed_property.key, view.finest[one.id])
    if finest:
        return step, query.whole_steps(asked, step, now)
    begin = asked.start - (asked.start - EPOCH) % step
    return step, Period(begin, max(asked.end, begin))


def _lines(view: View, streams: Sequence[Datastream], across: str) -> Iterator[Line]:
    if across == "series":
        yield from _single(view, streams)
        return
    if len(units := {one.unit.symbol for one in streams}) > 1:
        raise InvalidRequest(f"across: {', '.join(sorted(units))} make no median; name one observed_property")
    groups: dict[tuple[str | None, str], list[Datastream]] = {}
    for one in streams:
        place = view.things[one.thing].location
        group_of = (place.district, place.district_name) if across == "district" else (None, "alle")
        groups.setdefault(group_of, []).append(one)
    for (district, name), group in sorted(groups.items(), key=lambda item: item[0][1]):
        label = _marked(view, name, group)
        yield Line(label, group[0].unit.symbol, tuple(one.id for one in group), None, district)


def _single(view: View, streams: Sequence[Datastream]) -> Iterator[Line]:
    """Named by their Thing, and by more where that would be the name of two."""
    things = Counter(view.things[one.thing].name for one in streams)
    names = {
        one.id: f"{name} · {one.name}" if things[name := view.things[one.thing].name] > 1 else name
        for one in streams
    }
    twice = Counter(names.values())
    for one in streams:
        label = names[one.id] if twice[names[one.id]] == 1 else f"{names[one.id]} ({one.thing}/{one.key})"
        place = view.things[one.thing]
        label = _marked(view, label, [one])
        yield Line(label, one.unit.symbol, (one.id,), one.thing, place.location.district)


def _marked(view: View, label: str, group: Sequence[Datastream]) -> str:
    """Whoever sees the line sees what it is, too."""
    marks = []
    if any(view.things[one.thing].simulated for one in group):
        marks.append("simuliert")
    if any(one.id in view.citizens for one in group):
        marks.append(CITIZEN_NOTICE)
    return f"{label} ({', '.join(marks)})" if marks else label


def _require_few(streams: int, asked: Period, step: timedelta, most: int) -> None:
    if (lines := streams * ((asked.end - asked.start) // step)) > most:
        raise TooMuch(
            f"{lines} values are too many at once, an answer holds {most}; ask for fewer points, for one "
            "observed_property, district or thing"
        )
