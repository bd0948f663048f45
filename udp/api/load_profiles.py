"""Load profiles for energy software: what meters counted per quarter of an hour or hour, with OBIS codes."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

import anyio.to_thread
from fastapi import APIRouter, Query
from starlette.responses import Response

from udp.api import query, schemas
from udp.api.desk import Asking, AtDesk, cache_header
from udp.api.problems import InvalidRequest, TooMuch
from udp.api.representations import V1
from udp.api.v1 import From, ThingKey, To
from udp.api.view import View
from udp.energy import reading
from udp.energy.reading import STEPS
from udp.energy.sheet import Counter
from udp.errors import NotFound
from udp.store.columns import Period

_CSV = "text/csv; charset=utf-8; header=present"
_SHORT_S = 60
_EXAMPLE = (
    "messstelle;bezeichnung;datenreihe;obis;von;bis;verbrauch;zaehlerstand;einheit;status;mscons\r\n"
    "strom-01;Stromzähler Rathaus;energy;1-0:1.8.0*255;2026-11-21T00:00:00+01:00;2026-11-21T00:15:00+01:00;"
    "3,25;48211,5;kWh;W;220\r\n"
)


def router() -> APIRouter:
    """One address."""
    api = APIRouter(prefix=V1, tags=["v1"])
    refusal = {"model": schemas.ProblemAnswer}
    api.add_api_route(
        "/load-profiles",
        load_profiles,
        methods=["GET"],
        summary="Load profiles and readings of meters as CSV with OBIS codes (Lastgang)",
        response_class=Response,
        responses={
            200: {"content": {"text/csv": {"example": _EXAMPLE}}},
            401: {**refusal, "description": "the key is not known"},
            404: {**refusal, "description": "no such meter"},
            413: {**refusal, "description": "too much at once"},
            422: {**refusal, "description": "a parameter is wrong"},
            503: {**refusal, "description": "try again later"},
        },
    )
    return api


async def load_profiles(
    at: AtDesk,
    who: Asking,
    *,
    thing: ThingKey = None,
    start: From = None,
    end: To = None,
    every: Annotated[str, Query(max_length=16, description="15m, 1h or readings")] = "15m",
) -> Response:
    """Consumption per period that is over, in local time; status W measured, E replacement, V preliminary,
    U unusable (counter exchanged or run over), F missing, and the same as MSCONS qualifier. With
    `every=readings` each reading as it was measured, which `udp lastgang import` takes back."""
    if every not in STEPS:
        raise InvalidRequest(f"every: {every!r} is not known; known are {', '.join(STEPS)}")
    step, now = STEPS[every], at.now()
    asked = query.period(start, end, now)
    query.require_raw_span(asked)
    if step is not None:
        asked = query.whole_steps(asked, step, now)
    view = await at.view(who)
    wanted = _wanted(view, thing, step)
    _require_few(wanted, asked, step, at.settings.most_rows)
    text = await anyio.to_thread.run_sync(reading.csv_text, at.ports.store, wanted, asked, step)
    headers = cache_header(who, _SHORT_S)
    headers["Content-Disposition"] = f'attachment; filename="{_file(thing, asked.start)}"'
    return Response(text.encode(), headers=headers, media_type=_CSV)


def _wanted(view: View, thing: str | None, step: timedelta | None) -> list[Counter]:
    """What may leave in these steps; a single meter that may not says so."""
    found = reading.counters(view.things, view.datastreams.values())
    found = [one for one in found if thing in (None, one.thing.key)]
    fine = [one for one in found if _may_leave(view.finest.get(one.stream.id), step)]
    if thing is not None and not found:
        raise NotFound(f"thing {thing!r} is no meter that is known; see /api/v1/things?kind=meter")
    if thing is not None and not fine:
        raise InvalidRequest(
            f"every: {thing} is known in coarser steps only; see finest_s of its datastreams"
        )
    return fine


def _may_leave(finest: timedelta | None, step: timedelta | None) -> bool:
    """A reading at an edge is a single value: of what leaves as means of steps only, none does."""
    return finest is None or (step is not None and step % finest == timedelta(0))


def _require_few(wanted: list[Counter], asked: Period, step: timedelta | None, most: int) -> None:
    lines = sum(
        (asked.end - asked.start) / (step or timedelta(seconds=max(one.stream.expected_interval_s, 1.0)))
        for one in wanted
    )
    if lines > most:
        raise TooMuch(
            f"about {lines:.0f} lines are too many at once, an answer holds {most}; "
            "ask for a shorter time, for one thing, or use udp lastgang export"
        )


def _file(thing: str | None, start: datetime) -> str:
    return f"lastgang-{thing or 'alle'}-{start:%Y-%m-%d}.csv"
