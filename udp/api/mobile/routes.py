"""Version 1 of the interface for the city's app, below /app/v1: small, stable, in words.

The rule of versions: within version 1 addresses, fields and words are only ever added; what a field
means never changes and none disappears. Anything else is version 2 at /app/v2, and version 1 answers on
for at least 24 months, with `Deprecation` and `Sunset` headers. Apps ignore fields they do not know and
show a word they do not know as `unbekannt`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import Response

from udp.api import representations
from udp.api.desk import Asking, AtDesk, Desk, answer
from udp.api.mobile import climate, places, schemas, warned
from udp.api.mobile.answers import Feature, collection, ordered
from udp.api.mobile.reading import Present, present
from udp.api.mobile.spot import Spot, checked_limit, spot
from udp.api.problems import InvalidRequest
from udp.api.v1 import add_readable
from udp.policy import Caller

PREFIX = "/app/v1"
_JSON = "application/json"
_GEOJSON = "application/geo+json"
_SECONDS = 15
_SOME = 20


class _OnMaps(Response):
    """Says in the description that these answers are GeoJSON."""

    media_type = _GEOJSON


@dataclass(frozen=True, slots=True)
class Around:
    """From where, and how many."""

    near: str | None
    limit: int | None

    def among(self, told: Present) -> tuple[Spot | None, int | None]:
        """The spot, and the most features; InvalidRequest for what cannot be meant in this city."""
        where = spot(self.near, (one.location for one in told.all_things()))
        return where, checked_limit(self.limit, None if where is None else _SOME)


def around(
    *,
    near: Annotated[
        str | None,
        Query(description="latitude,longitude in WGS 84", examples=["51.5649,7.3120"], max_length=64),
    ] = None,
    limit: Annotated[
        int | None,
        Query(description="at most so many, 1 to 500; default: 20 with `near`, else all", examples=[3]),
    ] = None,
) -> Around:
    """The parameters of every list."""
    return Around(near, limit)


_Around = Annotated[Around, Depends(around)]


def router() -> APIRouter:
    """All routes of the version."""
    api = APIRouter(prefix=PREFIX, tags=["app"])
    on_maps: tuple[tuple[str, Any, Any, str], ...] = (
        ("/near", near_by, schemas.Near, "Everything around a place, nearest first"),
        ("/bins", bins, schemas.Bins, "Public bins, with a word for how full where a sensor tells"),
        ("/containers", containers, schemas.Containers, "Paper containers by site, and the next with room"),
        ("/parking", parking, schemas.CarParks, "Free and taken bays by site"),
        ("/charging", charging, schemas.ChargingPoints, "Charging points"),
        ("/climate/now", climate_now, schemas.Climate, "How warm it is and how the air is"),
        ("/trees", trees, schemas.Trees, "Which trees need water"),
    )
    add_readable(api, on_maps, _OnMaps)
    add_readable(api, (("/warnings", warnings, schemas.Warnings, "Official warnings"),))
    return api


async def near_by(
    request: Request,
    at: AtDesk,
    who: Asking,
    asked: _Around,
    *,
    art: Annotated[
        str | None, Query(description="only these, with commas: " + ", ".join(places.ALL), max_length=128)
    ] = None,
) -> Response:
    """`near` is needed. Bins, containers, car parks, charging points and trees."""
    if asked.near is None:
        raise InvalidRequest("near: is missing; write latitude,longitude, e.g. near=51.5649,7.3120")
    wanted = list(places.ALL) if art is None else [one.strip() for one in art.split(",")]
    for one in wanted:
        if one not in places.ALL:
            raise InvalidRequest(f"art: {one!r} is not known; known are {', '.join(places.ALL)}")

    def made(told: Present) -> Iterable[Feature]:
        return (feature for one in dict.fromkeys(wanted) for feature in places.ALL[one](told))

    return await _listed(request, at, who, asked, made)


async def bins(request: Request, at: AtDesk, who: Asking, asked: _Around) -> Response:
    """Bins without a sensor and with a silent one are `unbekannt`."""
    return await _listed(request, at, who, asked, places.bins)


async def containers(request: Request, at: AtDesk, who: Asking, asked: _Around) -> Response:
    """With `near`, `naechster_freier` is the nearest site known to have room, however many are listed."""
    return await _listed(request, at, who, asked, places.containers, free=True)


async def parking(request: Request, at: AtDesk, who: Asking, asked: _Around) -> Response:
    """Per site how many bays are free, taken and unknown. How long a bay has been taken is never told."""
    return await _listed(request, at, who, asked, places.parking)


async def charging(request: Request, at: AtDesk, who: Asking, asked: _Around) -> Response:
    """Where they stand; whether one is in use only its operator knows."""
    return await _listed(request, at, who, asked, places.charging)


async def trees(request: Request, at: AtDesk, who: Asking, asked: _Around) -> Response:
    """Words by the Berlin method from soil tension, or from moisture where that is all there is."""
    return await _listed(request, at, who, asked, places.trees)


async def climate_now(request: Request, at: AtDesk, who: Asking, asked: _Around) -> Response:
    """The city as a whole, and its stations (nearest first with `near`)."""
    told = await _present(at, who)
    where, most = asked.among(told)

    def made() -> dict[str, Any]:
        return collection(ordered(climate.stations(told), where, most), stadt=climate.city(told))

    return _answered(request, who, await anyio.to_thread.run_sync(made), _GEOJSON)


async def warnings(request: Request, at: AtDesk, who: Asking) -> Response:
    """In the words of the weather service. `zustand` "unbekannt": the list proves nothing, nobody was asked
    or nobody answered; `quelle` null: no source is connected."""
    return _answered(request, who, warned.answer_of(await at.warned.get(), at.now()), _JSON)


async def _listed(
    request: Request,
    at: Desk,
    who: Caller,
    asked: Around,
    made: Callable[[Present], Iterable[Feature]],
    *,
    free: bool = False,
) -> Response:
    told = await _present(at, who)
    where, most = asked.among(told)

    def drawn() -> dict[str, Any]:
        found = list(made(told))
        more = {"naechster_freier": places.next_free(found, where)} if free else {}
        return collection(ordered(found, where, most), **more)

    return _answered(request, who, await anyio.to_thread.run_sync(drawn), _GEOJSON)


async def _present(at: Desk, who: Caller) -> Present:
    views, snapshot, told = await at.views.get(), await at.current.get(), await at.told.get()
    weeks = await at.weeks.get()
    view, listed = views.of(who), views.places(who)
    wanted = places.WANTED | climate.WANTED
    now = at.now()

    def read() -> Present:
        return present(view, snapshot, now, wanted, places=listed, told=told, weeks=weeks)

    return await anyio.to_thread.run_sync(read)


def _answered(request: Request, who: Caller, body: Any, media_type: str) -> Response:
    return answer(request, who, representations.dumps(body), media_type=media_type, seconds=_SECONDS)
