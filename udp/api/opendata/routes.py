"""Catalogue, pages and files below /opendata: the public's door, whatever key the caller brings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Depends, Request
from starlette.responses import FileResponse, RedirectResponse, Response

from udp.api.desk import AtDesk, Desk, answer, caller
from udp.api.opendata.page import describe, summary
from udp.api.opendata.reading import OpenData
from udp.api.rooted import link
from udp.errors import NotFound
from udp.opendata.catalogue import build
from udp.opendata.coverage import Coverage
from udp.opendata.packing import ENDINGS
from udp.policy import PUBLIC

_SECONDS = 60
_SYNTAXES = {
    "ttl": ("turtle", "text/turtle"),
    "rdf": ("pretty-xml", "application/rdf+xml"),
    "jsonld": ("json-ld", "application/ld+json"),
}
_FILE = re.compile(r"(?P<name>[\d-]{7,10})\.(?P<ending>parquet|csv\.gz)(?P<sum>\.sha256)?", re.ASCII)
_MEDIA_TYPES = {"parquet": "application/vnd.apache.parquet", "csv.gz": "application/gzip"}


def made(desk: Desk) -> OpenData:
    """What the routes answer from."""
    return OpenData(desk)


def opendata(request: Request) -> OpenData:
    """The one of this application."""
    found: OpenData = request.app.state.opendata
    return found


Data = Annotated[OpenData, Depends(opendata)]


def router() -> APIRouter:
    """Everybody gets the same here: what a key opens beyond open data does not leave by this door."""
    # Who asks is known as everywhere, for keys have limits; it changes nothing in the answer.
    api = APIRouter(tags=["opendata"], dependencies=[Depends(caller)])
    add: Any = api.add_api_route
    add("/opendata", _home, include_in_schema=False)
    add("/opendata/", _index, include_in_schema=False)
    add(
        "/opendata/catalog.{syntax}",
        _catalogue,
        summary="Catalogue, DCAT-AP.de 2.0: ttl, rdf, jsonld",
        response_class=Response,
    )
    add("/opendata/catalog", _to_catalogue, include_in_schema=False)
    add("/opendata/{dataset}", _to_page, include_in_schema=False)
    add("/opendata/{dataset}/", _page, include_in_schema=False)
    add(
        "/opendata/{dataset}/{file}",
        _file,
        summary="A month or day as .parquet or .csv.gz, and its .sha256",
        response_class=Response,
    )
    return api


async def _home(request: Request) -> Response:
    return RedirectResponse(link(request, "/opendata/"), 308)


async def _index(request: Request, data: Data) -> Response:
    covers = await data.covers()
    text = data.frame.text("verzeichnis.html", datasets=[summary(one) for one in covers])
    return answer(request, PUBLIC, text, media_type="text/html; charset=utf-8", seconds=_SECONDS)


async def _catalogue(request: Request, at: AtDesk, data: Data, syntax: str) -> Response:
    if syntax not in _SYNTAXES:
        raise NotFound(
            f"catalog.{syntax} is not known; known are catalog.ttl, catalog.rdf and catalog.jsonld"
        )
    form, media_type = _SYNTAXES[syntax]
    covers = await data.covers()
    base = _base(request, data)
    issued = max((one.last for one in covers if one.last), default=at.now())
    text = await anyio.to_thread.run_sync(_written, covers, data, base, issued, form)
    return answer(request, PUBLIC, text, media_type=media_type, seconds=_SECONDS)


async def _to_catalogue(request: Request) -> Response:
    """The catalogue's name leads to its words, in the syntax the caller reads (Cool URIs, W3C 2008)."""
    accepted = request.headers.get("accept", "")
    ending = next((one for one, (_, kind) in _SYNTAXES.items() if kind in accepted), "ttl")
    address = link(request, f"/opendata/catalog.{ending}")
    return RedirectResponse(address, 303, headers={"Vary": "Accept"})


def _written(covers: Sequence[Coverage], data: OpenData, base: str, issued: datetime, form: str) -> str:
    graph = build(covers, data.settings, base, issued=issued)
    return graph.serialize(format=form, encoding=None)


async def _to_page(request: Request, dataset: str, data: Data) -> Response:
    await _require(data, dataset)
    return RedirectResponse(link(request, f"/opendata/{dataset}/"), 308)


async def _page(request: Request, data: Data, dataset: str) -> Response:
    await _require(data, dataset)
    (found,) = [one for one in await data.covers() if one.offer.dataset.key == dataset]
    text = data.frame.text("datensatz.html", **describe(found, _base(request, data)))
    return answer(request, PUBLIC, text, media_type="text/html; charset=utf-8", seconds=_SECONDS)


async def _file(request: Request, data: Data, dataset: str, file: str) -> Response:
    """Only names of one form, only of datasets in the policy: no path is ever made of anything else."""
    await _require(data, dataset)
    offer = (await data.offers())[dataset]
    asked = _FILE.fullmatch(file)
    note = await anyio.to_thread.run_sync(data.dumps.note, offer, asked["name"]) if asked else None
    if asked is None or note is None or asked["ending"] not in ENDINGS:
        raise NotFound(
            f"there is no file {file[:40]!r} of this dataset; see /opendata/{dataset}/ for all of them"
        )
    told = note.files[asked["ending"]]
    plain = file.removesuffix(".sha256")
    if asked["sum"]:
        line = f"{told['sha256']}  {plain}\n"
        return answer(request, PUBLIC, line, media_type="text/plain; charset=utf-8", seconds=_SECONDS)
    return FileResponse(
        data.dumps.path(offer, note.name, asked["ending"]),
        media_type=_MEDIA_TYPES[asked["ending"]],
        headers={
            # Compressed already: the application would else compress it again and forget its length.
            "Content-Encoding": "identity",
            "Cache-Control": f"public, max-age={_SECONDS}",
            "ETag": f'"{told["sha256"]}"',
            "Content-Disposition": f'attachment; filename="{dataset}-{plain}"',
        },
    )


async def _require(data: OpenData, dataset: str) -> None:
    """The same words for what does not exist and what is not open."""
    if dataset not in await data.offers():
        raise NotFound(f"there is no open dataset {dataset[:40]!r}; see /opendata/ for all of them")


def _base(request: Request, data: OpenData) -> str:
    return data.settings.public_url.rstrip("/") or str(request.base_url).rstrip("/")
