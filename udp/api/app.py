"""The data API as one application: routes, refusals, headers. Nothing is built by importing it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from html import escape
from importlib.metadata import PackageNotFoundError, version

import anyio.to_thread
from fastapi import Depends, FastAPI, Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import WebSocketRoute

from udp.api import (
    devices,
    events,
    forecasts,
    health,
    history,
    load_profiles,
    metrics,
    operations,
    policy_answer,
    problems,
    schemas,
    signing,
    v1,
    weather_ahead,
)
from udp.api.citizens import installing as citizens
from udp.api.compressing import Compressing
from udp.api.cross_origin import CrossOrigin
from udp.api.description import describer
from udp.api.desk import Asking, AtDesk, Desk, Ports
from udp.api.headers import HeadAsGet, Outermost
from udp.api.live import LiveFeed
from udp.api.mobile import routes as mobile
from udp.api.ngsild import routes as ngsild
from udp.api.opendata import routes as opendata
from udp.api.pages import Pages
from udp.api.parameters import known_parameters
from udp.api.rooted import link
from udp.api.sensorthings import routes as sensorthings
from udp.api.sensorthings.mqtt.listener import PATH as MQTT_PATH
from udp.api.sensorthings.mqtt.listener import Listener
from udp.api.sensorthings.warming import warmed
from udp.policy import figures_visible


def create_app(ports: Ports) -> FastAPI:
    """The application over `ports`; who made the ports closes them."""
    desk = Desk(ports)
    app = FastAPI(
        title="Urban Data Platform",
        version=_version(),
        summary="What the city measures, as open data",
        openapi_url="/api/openapi.json",
        # The ready-made pages load scripts from foreign hosts; /api lists the routes instead.
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.openapi = describer(app)  # type: ignore[method-assign]
    app.state.desk = desk
    app.state.feed = _feed(desk)
    app.state.event_feed = events.EventFeed()
    app.state.metrics = metrics.RequestMetrics()
    problems.install(app)
    # SensorThings has options of its own, and judges them itself.
    ours = [Depends(known_parameters)]
    app.include_router(v1.router(), dependencies=ours)
    app.include_router(history.router(), dependencies=ours)
    app.include_router(load_profiles.router(), dependencies=ours)
    app.include_router(operations.router(), dependencies=ours)
    app.include_router(events.router(), dependencies=ours)
    app.include_router(forecasts.router(), dependencies=ours)
    app.include_router(weather_ahead.router(), dependencies=ours)
    app.include_router(devices.router(), dependencies=ours)
    app.include_router(policy_answer.router(), dependencies=ours)
    app.include_router(mobile.router(), dependencies=ours)
    app.include_router(ngsild.router())
    app.include_router(signing.router())
    app.state.sensorthings = sensorthings.made(desk)
    app.state.mqtt = Listener(desk, app.state.sensorthings, ports.mqtt)
    app.include_router(sensorthings.router())
    app.router.routes.append(WebSocketRoute(MQTT_PATH, app.state.mqtt.by_websocket, name="mqtt"))
    app.add_api_route(
        "/health",
        _health,
        response_model=schemas.HealthAnswer,
        # Not a problem document: the same body in both cases says which part has failed.
        responses={503: {"description": "a part has failed, the body says which"}},
        summary="Ready or why not",
        dependencies=ours,
    )
    app.add_api_route(
        "/metrics", _metrics, response_class=Response, summary="Figures for Prometheus", dependencies=ours
    )
    app.add_api_route("/api", _list, response_class=HTMLResponse, include_in_schema=False, dependencies=ours)
    pages = None
    if ports.pages is not None:
        pages = Pages(ports.pages, ports.keys, ports.monotonic, ports.porter)
    citizens.install(app, ports, pages, ours)
    app.state.opendata = opendata.made(desk)
    app.include_router(opendata.router())
    if pages is not None:
        app.mount("/", pages, name="pages")
    app.add_middleware(Compressing)
    app.add_middleware(CrossOrigin, writing=ports.settings.write_origins)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Outermost, metrics=app.state.metrics, monotonic=ports.monotonic, root=ports.root)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    await app.state.mqtt.start()
    async with AsyncExitStack() as beside:
        if app.state.desk.ports.standing is not None:
            await beside.enter_async_context(warmed(app.state.desk, app.state.sensorthings.catalogues))
        yield
    await app.state.mqtt.close()
    app.state.feed.close()
    app.state.event_feed.close()


def _feed(desk: Desk) -> LiveFeed:
    settings = desk.settings
    return LiveFeed(
        desk.views,
        desk.current,
        desk.now,
        every_s=settings.refresh_s,
        most_listeners=settings.most_listeners,
        most_per_client=settings.most_listeners_per_client,
        queue_size=settings.listener_queue,
        heartbeat_s=settings.heartbeat_s,
        listening_s=settings.listening_s,
    )


async def _health(request: Request, at: AtDesk, who: Asking, response: Response) -> schemas.HealthAnswer:
    """503 when a part has failed; `warning` still answers 200."""
    parts = await health.examine(at, who)
    parts["mqtt"] = health.mqtt(request.app.state.mqtt, who)
    status = health.worst(parts)
    response.status_code = 503 if status is health.Status.FAILED else 200
    response.headers["Cache-Control"] = "no-store"
    return schemas.HealthAnswer(
        status=status.value,
        checked_at=at.now(),
        parts={
            name: schemas.PartHealth(status=part.status.value, detail=part.detail)
            for name, part in parts.items()
        },
    )


async def _metrics(request: Request, at: AtDesk, who: Asking) -> Response:
    """How the API answers, for everybody; what the platform counts of itself for operators and scrapers.

    A scraper's key: `udp keys create --role metrics`.
    """
    own = request.app.state.metrics.text() + metrics.build_text(_version())
    headers = {"Cache-Control": "no-store"}
    if not figures_visible(who):
        return Response(own, headers=headers, media_type=metrics.MEDIA_TYPE)
    report, views = await at.report.get(), await at.views.get()
    opened = await anyio.to_thread.run_sync(at.ports.events.open_events)
    own += metrics.events_text(opened) + metrics.mqtt_text(request.app.state.mqtt)
    text = metrics.ledger_text(
        report,
        request.app.state.feed,
        at.now(),
        lambda agent: views.gate.agent_visible(agent, views.inventory, who),
    )
    return Response(own + text, headers=headers, media_type=metrics.MEDIA_TYPE)


async def _list(request: Request) -> HTMLResponse:
    """All addresses and all refusals on one plain page."""
    app: FastAPI = request.app
    described = link(request, "/api/openapi.json")
    routes = "".join(
        f"<dt><code>{verb.upper()} {escape(link(request, path))}</code></dt>"
        f"<dd>{escape(one.get('summary', ''))}</dd>"
        for path, methods in app.openapi()["paths"].items()
        for verb, one in methods.items()
    )
    refusals = "".join(
        f'<dt id="{kind.slug}">{kind.status} {escape(kind.german)}</dt>'
        f'<dd lang="en">{escape(kind.english)}</dd>'
        for kind in problems.TABLE.values()
    )
    return HTMLResponse(
        '<!doctype html><html lang="de"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<title>Schnittstelle</title><h1>Schnittstelle der Urbanen Datenplattform</h1>"
        f'<p>Beschreibung für Programme: <a href="{described}">{described}</a> (OpenAPI 3.1)</p>'
        f"<h2>Adressen</h2><dl>{routes}</dl><h2>Absagen</h2><dl>{refusals}</dl></html>"
    )


def _version() -> str:
    try:
        return version("urban-data-platform")
    except PackageNotFoundError:
        return "0"
