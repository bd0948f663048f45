"""What models expect: forecasts with their issue time, how good the models are, and cases of waste.

Whoever may know a measured series as it was measured may know what is forecast of it, and nobody else:
a forecast of a series that leaves in coarse steps only would tell more than the steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import anyio.to_thread
import numpy as np
from fastapi import APIRouter, Body, Query, Request
from starlette.responses import Response

from udp.api import columns_json, forecast_schemas, representations
from udp.api.desk import Asking, AtDesk, answer
from udp.api.problems import InvalidRequest, KeyRequired
from udp.api.query import moment
from udp.api.v1 import Selected, When, add_readable, refusals
from udp.api.view import View
from udp.errors import NotFound
from udp.forecasting.port import Card, Case, Statement, Told, Verdict
from udp.forecasting.port import Kind as Holds
from udp.policy import operates
from udp.store.columns import Period
from udp.store.port import ObservationStore

_JSON = "application/json"
_SECONDS = 30
_LONGEST = timedelta(days=22)
_BANDS = frozenset({Holds.QUANTILE, Holds.LOAD})
_VERDICTS = {one.value: one for one in Verdict if one}


def router() -> APIRouter:
    """The routes below /api/v1."""
    api = APIRouter(prefix=representations.V1, tags=["forecasts"])
    routes: tuple[tuple[str, Any, Any, str], ...] = (
        ("/forecasts", forecasts, forecast_schemas.ForecastsAnswer, "The newest forecast of every series"),
        (
            "/datastreams/{number}/forecast",
            forecast,
            forecast_schemas.ForecastAnswer,
            "The newest forecast of a Datastream, or the one issued at a moment",
        ),
        ("/models", models, forecast_schemas.ModelsAnswer, "How good the models are: their cards"),
        ("/cases", cases, forecast_schemas.CasesAnswer, "Cases of conspicuous consumption"),
    )
    add_readable(api, routes)
    api.add_api_route(
        "/cases/{number}/verdict",
        judge,
        methods=["POST"],
        summary="Say whether a case was fine or a fault (operator key)",
        responses=refusals(forecast_schemas.CaseAnswer),
        response_class=Response,
    )
    return api


async def forecasts(request: Request, at: AtDesk, who: Asking, wish: Selected) -> Response:
    """`forecast: true` marks every entry; without `values` the `reason` says why there is no forecast.
    Values of the product `last` are what a meter counts in each hour, not its reading."""
    view, told = await at.view(who), await at.told.get()
    view.require_known(wish)
    wanted = {one.id for one in view.select(wish)}
    listed = [
        content(one, view, told)
        for (of, _), one in sorted(told.statements.items())
        if of in wanted and knows(view, of)
    ]
    body = representations.dumps({"count": len(listed), "forecasts": listed})
    return answer(request, who, body, media_type=_JSON, seconds=_SECONDS)


async def forecast(
    request: Request,
    at: AtDesk,
    who: Asking,
    number: int,
    *,
    issued_at: Annotated[When, Query(description="default: the newest")] = None,
) -> Response:
    """404 where nothing is forecast, and for what you may not see."""
    view, told = await at.view(who), await at.told.get()
    view.datastream(number)
    said = next((one for (of, _), one in told.statements.items() if of == number and one.bands), None)
    said = said or next((one for (of, _), one in told.statements.items() if of == number), None)
    if said is None or not knows(view, number):
        raise NotFound(f"datastream {number} is not forecast; see /api/v1/forecasts for all that are")
    body = content(said, view, told)
    if issued_at is not None:
        when = moment("issued_at", issued_at)
        body = await anyio.to_thread.run_sync(_earlier, at.ports.store, told, number, when, body)
    return answer(request, who, representations.dumps(body), media_type=_JSON, seconds=_SECONDS)


async def models(request: Request, at: AtDesk, who: Asking) -> Response:
    """One card per model; those of series you may not see are left out."""
    view, told = await at.view(who), await at.told.get()
    listed = [_card(one, view) for one in told.cards if any(knows(view, of) for of in one.of)]
    body = representations.dumps({"count": len(listed), "models": listed})
    return answer(request, who, body, media_type=_JSON, seconds=_SECONDS)


async def cases(
    request: Request,
    at: AtDesk,
    who: Asking,
    *,
    everything: Annotated[bool, Query(alias="all", description="closed ones too")] = False,
) -> Response:
    """The dearest first. Meters are not public, so without a key this list is empty."""
    view, told = await at.view(who), await at.told.get()
    wanted = [one for one in told.cases if knows(view, one.of) and (everything or one.closed_at is None)]
    listed = [_case(one, view) for one in sorted(wanted, key=lambda one: (-one.cost_eur, one.id))]
    body = representations.dumps({"count": len(listed), "cases": listed})
    return answer(request, who, body, media_type=_JSON, seconds=1)


async def judge(
    at: AtDesk,
    who: Asking,
    number: int,
    *,
    verdict: Annotated[str, Body(description="fine or fault", max_length=16)],
    note: Annotated[str, Body(description="why", max_length=500)] = "",
) -> Response:
    """A case that was fine teaches its meter: what was seen then belongs to its health from now on."""
    if not operates(who):
        raise KeyRequired("verdicts are for operators; send the key as Authorization: Bearer <key>")
    if verdict not in _VERDICTS:
        raise InvalidRequest(f"verdict: {verdict!r} is not known; known are {', '.join(_VERDICTS)}")
    if at.ports.forecasts is None:
        raise NotFound(f"case {number} is not known")
    judged = await anyio.to_thread.run_sync(at.ports.forecasts.judge, number, _VERDICTS[verdict], note)
    body = representations.dumps(_case(judged, await at.view(who)))
    return Response(body, headers={"Cache-Control": "no-store"}, media_type=_JSON)


def knows(view: View, of: int) -> bool:
    """Whether the caller may know this series as it was measured, and so what is expected of it."""
    return of in view.datastreams and of not in view.finest


def content(one: Statement, view: View, told: Told) -> dict[str, Any]:
    """A statement with what it is about."""
    stream = view.datastreams[one.of]
    place = view.things[stream.thing]
    return {
        "forecast": True,
        "datastream": one.of,
        "name": stream.name,
        "thing": place.key,
        "thing_name": place.name,
        "kind": place.kind,
        "theme": place.theme,
        "district": place.location.district,
        "simulated": place.simulated,
        "observed_property": stream.observed_property.key,
        "unit": stream.unit.symbol,
        "licence": stream.licence,
        "product": one.product,
        "issued_at": columns_json.time(one.issued_at),
        "model": one.model,
        "fallback": one.fallback,
        "reason": one.reason or None,
        "remarks": list(one.remarks),
        "summary": dict(one.summary),
        "values": _values(one.issued_at, one.leads_s, one.bands),
        "probability": _probability(one),
        "streams": _streams(told, one.of),
    }


def _values(issued_at: datetime, leads_s: tuple[int, ...], bands: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "valid_time": columns_json.time(issued_at + timedelta(seconds=lead)),
            "lead_s": lead,
            "quantiles": {level: values[place] for level, values in bands.items()},
        }
        for place, lead in enumerate(leads_s)
    ]


def _probability(one: Statement) -> dict[str, Any] | None:
    if one.chance is None:
        return None
    return {
        "level": one.chance.level,
        "values": [
            {
                "valid_time": columns_json.time(one.issued_at + timedelta(seconds=lead)),
                "lead_s": lead,
                "probability": value,
            }
            for lead, value in zip(one.chance.leads_s, one.chance.values, strict=True)
        ],
    }


def _streams(told: Told, of: int) -> dict[str, int]:
    """The forecast Datastreams in the store, by quantile level."""
    found = sorted((key.level, number) for key, number in told.streams.items() if key.of == of
                   and key.kind in _BANDS)  # fmt: skip
    return {f"{level:g}": number for level, number in found}


def _earlier(
    store: ObservationStore, told: Told, of: int, when: datetime, newest: dict[str, Any]
) -> dict[str, Any]:
    """The forecast issued at `when`, from the store; NotFound where none was."""
    numbers = {number: key.level for key, number in told.streams.items()
               if key.of == of and key.kind in _BANDS}  # fmt: skip
    found = store.read(list(numbers), Period(when, when + _LONGEST))
    issued = found.phenomenon_time - found.lead * np.timedelta64(1_000_000, "us")
    found = found.take(issued == columns_json.micros(when))
    if not len(found):
        raise NotFound(f"datastream {of} was not forecast at {columns_json.time(when)}")
    leads = tuple(sorted(set(found.lead.tolist())))
    bands: dict[str, list[float | None]] = {
        f"{level:g}": [None] * len(leads) for level in sorted(numbers.values())
    }
    for number, lead, value in zip(
        found.datastream.tolist(), found.lead.tolist(), found.result.tolist(), strict=True
    ):
        bands[f"{numbers[number]:g}"][leads.index(lead)] = value
    # What was said beside the values then is not kept: only the values speak for that moment.
    unknown: dict[str, Any] = {
        "model": None,
        "fallback": None,
        "reason": None,
        "remarks": [],
        "summary": {},
        "probability": None,
    }
    return newest | unknown | {"issued_at": columns_json.time(when), "values": _values(when, leads, bands)}


def _card(one: Card, view: View) -> dict[str, Any]:
    known = [of for of in one.of if knows(view, of)]
    return {
        "product": one.product,
        "group": one.group,
        "fitted_at": columns_json.time(one.fitted_at),
        "usable": one.usable,
        "verdict": one.verdict,
        "datastreams": known,
        "things": sorted({view.datastreams[of].thing for of in known}),
        "card": dict(one.content) or None,
    }


def _case(one: Case, view: View) -> dict[str, Any]:
    stream = view.datastreams.get(one.of)
    place = view.things.get(stream.thing) if stream is not None else None
    return {
        "id": one.id,
        "datastream": one.of,
        "thing": place.key if place else None,
        "thing_name": place.name if place else None,
        "kind": one.kind,
        "opened_at": columns_json.time(one.opened_at),
        "last_seen_at": columns_json.time(one.last_seen_at),
        "closed_at": columns_json.time(one.closed_at) if one.closed_at else None,
        "strangeness": one.strangeness,
        "excess": one.excess,
        "unit": one.unit,
        "cost_eur": one.cost_eur,
        "reason": one.reason,
        "verdict": one.verdict.value or None,
        "note": one.note,
    }
