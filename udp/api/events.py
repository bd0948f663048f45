"""What went wrong and was well again, for apps and for alarms: as a list, and as it happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Query, Request
from starlette.responses import Response, StreamingResponse

from udp.api import columns_json, representations, staff_schemas
from udp.api.desk import Asking, AtDesk, Desk, cache_header
from udp.api.headers import head_only
from udp.api.problems import InvalidRequest, KeyRequired, NotAllowed, Overloaded
from udp.api.query import moment
from udp.api.view import View
from udp.events.port import Event, EventKind
from udp.policy import PUBLIC, Caller, operates

_STATES = ("open", "all")
_EVERY_S = 2.0
_MOST_LISTENERS = 50
_LISTENING_S = 3600.0
_RECENT = 200


def router() -> APIRouter:
    """Both routes."""
    api = APIRouter(prefix=representations.V1, tags=["events"])
    api.add_api_route(
        "/events",
        events,
        methods=["GET"],
        summary="Silent, stuck, battery low: what is open, or all of late",
        responses={200: {"model": staff_schemas.EventsAnswer}},
        response_class=Response,
    )
    api.add_api_route(
        "/events/live",
        live,
        methods=["GET"],
        summary="Open events, then every change, as server-sent events (operator key)",
        responses={200: {"content": {"text/event-stream": {}}}},
        response_class=StreamingResponse,
    )
    return api


async def events(
    at: AtDesk,
    who: Asking,
    *,
    state: Annotated[
        str, Query(description="open or all", max_length=8, json_schema_extra={"enum": list(_STATES)})
    ] = "open",
    kind: Annotated[str | None, Query(description="silent, stuck or battery", max_length=16)] = None,
    since: Annotated[str | None, Query(max_length=64, description="opened or closed at or after")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """Newest first. Without an operator's key only what concerns open Datastreams, and no identifiers."""
    if state not in _STATES:
        raise InvalidRequest(f"state: {state!r} is not known; known are {', '.join(_STATES)}")
    if kind is not None and kind not in tuple(EventKind):
        raise InvalidRequest(f"kind: {kind!r} is not known; known are {', '.join(EventKind)}")
    after = None if since is None else moment("since", since)
    view = await at.view(who)
    found = await anyio.to_thread.run_sync(at.ports.events.recent, 1000 if kind else limit, after)
    opened = await anyio.to_thread.run_sync(at.ports.events.open_events)
    listed = list(reversed(opened)) if state == "open" and after is None else found
    told = [
        described(one, view, staff=operates(who))
        for one in listed
        if (kind is None or one.kind == kind)
        and (state == "all" or one.closed_at is None)
        and visible(one, view, who)
    ][:limit]
    body = {"now": columns_json.time(at.now()), "count": len(told), "events": told}
    return Response(representations.dumps(body), headers=cache_header(who, 5), media_type="application/json")


def visible(event: Event, view: View, who: Caller) -> bool:
    """Staff sees all. Others: a Datastream they may see, or the silence of a device at a Thing they may."""
    if operates(who):
        return True
    if event.datastream is not None:
        return event.datastream in view.datastreams
    of_device = event.kind is EventKind.SILENT and event.subject.startswith("device:")
    return of_device and event.thing in view.things


def described(event: Event, view: View, *, staff: bool) -> dict[str, Any]:
    """One event as JSON; times are ISO 8601, for others than staff whole hours."""
    fine: Callable[[datetime], datetime] = (lambda moment: moment) if staff else _hour
    thing = view.things.get(event.thing or "")
    return {
        "id": event.id,
        "kind": event.kind.value,
        "subject": event.subject if staff else f"thing:{event.thing}",
        "thing": event.thing,
        "thing_name": None if thing is None else thing.name,
        "datastream": event.datastream,
        "reason": event.reason,
        "since": columns_json.time(fine(event.since)),
        "opened_at": columns_json.time(fine(event.opened_at)),
        "closed_at": None if event.closed_at is None else columns_json.time(fine(event.closed_at)),
        "detail": dict(event.detail) if staff else {},
    }


@dataclass(slots=True)
class EventFeed:
    """Those who listen now; `close` lets all of them go."""

    listening: int = 0
    _closed: asyncio.Event = field(default_factory=asyncio.Event)

    def close(self) -> None:
        """End every stream; browsers connect again."""
        self._closed.set()

    async def stream(self, at: Desk, who: Caller) -> AsyncIterator[bytes]:
        """Open events first, then each one that opens or closes."""
        self.listening += 1
        try:
            known: dict[int, bool] = {}
            ends = asyncio.get_running_loop().time() + _LISTENING_S
            yield b"retry: 5000\n\n"
            while not self._closed.is_set() and asyncio.get_running_loop().time() < ends:
                view = await at.view(who)
                told = [one for one in _changed(await _newest(at), known) if visible(one, view, who)]
                if told:
                    body = representations.dumps([described(one, view, staff=True) for one in told])
                    yield f"event: events\ndata: {' '.join(body.splitlines())}\n\n".encode()
                else:
                    yield b": still here\n\n"
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), _EVERY_S)
        finally:
            self.listening -= 1


async def live(request: Request, at: AtDesk, who: Asking) -> Response:
    """Event `events` with a list of events as in /events. KeyRequired without an operator's key."""
    if who != PUBLIC and not operates(who):
        raise NotAllowed("live events are for those who run the platform; ask /api/v1/events instead")
    if not operates(who):
        raise KeyRequired("live events are for operators; ask /api/v1/events instead")
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    if head_only(request.scope):
        return Response(headers=headers, media_type="text/event-stream")
    feed: EventFeed = request.app.state.event_feed
    if feed.listening >= _MOST_LISTENERS:
        raise Overloaded(f"{_MOST_LISTENERS} listeners are connected already; ask /api/v1/events instead")
    return StreamingResponse(feed.stream(at, who), headers=headers, media_type="text/event-stream")


async def _newest(at: Desk) -> Sequence[Event]:
    opened = await anyio.to_thread.run_sync(at.ports.events.open_events)
    recent = await anyio.to_thread.run_sync(at.ports.events.recent, _RECENT)
    return [*opened, *(one for one in recent if one.closed_at is not None)]


def _changed(events: Sequence[Event], known: dict[int, bool]) -> list[Event]:
    """Those whose state this listener has not heard; at first only what is open."""
    first = not known
    told = [one for one in events if known.get(one.id) != (one.closed_at is None)]
    known.update({one.id: one.closed_at is None for one in events})
    known.setdefault(0, True)
    return [one for one in told if one.closed_at is None] if first else told


def _hour(moment: datetime) -> datetime:
    """What a bay or a room did when is nobody's business to the minute."""
    return moment.replace(minute=0, second=0, microsecond=0)
