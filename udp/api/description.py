"""The OpenAPI document: what the generator cannot know of refusals, keys and other forms of an answer.

Programs are written and tested against it, so every status an address can give stands in it; the tests
hold the answers against it with invented questions (tests/contracts/siege).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from udp.api import problems, schemas

_TEXT = """
Open data need no key. Times are ISO 8601 in UTC, units are UCUM codes, places are WGS 84.
`simulated: true` marks values of the virtual city: nobody measured them.
Keys go in `Authorization: Bearer <key>` or `X-Api-Key`. Refusals are problem documents (RFC 9457),
titled in German or English by `Accept-Language`. Without a key an address may ask a few thousand times a
minute, dear questions count more; 429 says by `Retry-After` when to come again.
""".strip()
_SCHEMES = {
    "bearer": {"type": "http", "scheme": "bearer", "description": "a key of this platform"},
    "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
}
_BY_KEY: list[dict[str, list[str]]] = [{"bearer": []}, {"key": []}]
# Without a right key these say 401; everywhere else a key only opens more.
_STAFF_ONLY = (
    "/api/v1/operations",
    "/api/v1/events/live",
    "/api/v1/cases/{number}/verdict",
    "/api/v1/devices",
    "/api/v1/devices/{dev_eui}",
    "/api/v1/citizens/projects/{slug}/approval",
    "/api/v1/citizens/projects/{slug}/refusal",
)
# The secret of a personal link, in the place of a key.
_OWN = "/api/v1/citizens/mine"
_RETRY = {"Retry-After": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}}}
# Every address can say these: keys are looked at before anything else.
_EVERYWHERE: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "401": ("the key is not known, or one is needed", {}),
    "403": ("the key or person may not do this here", {}),
    "422": ("a parameter is wrong or not known", {}),
    "429": ("asked too often", _RETRY),
    "503": ("try again later", _RETRY),
}
_BINARY = {"schema": {"type": "string", "contentMediaType": "application/octet-stream"}}
_LINE = {"schema": {"type": "string"}}
# Other forms of the same answer, by parameter or ending of the address.
_FORMS: Mapping[str, Mapping[str, Any]] = {
    "/api/v1/things": {"application/geo+json": {"schema": {"type": "object"}}},
    "/api/v1/datastreams/{number}/observations": {"text/csv": _LINE},
    "/metrics": {"text/plain": _LINE},
    "/opendata/catalog.{syntax}": {
        "text/turtle": _LINE, "application/rdf+xml": _LINE, "application/ld+json": {"schema": {}},
    },
    "/opendata/{dataset}/{file}": {
        "application/vnd.apache.parquet": _BINARY, "application/gzip": _BINARY, "text/plain": _LINE,
    },
}  # fmt: skip


def describer(app: FastAPI) -> Callable[[], dict[str, Any]]:
    """To be put in the place of `app.openapi`; made at the first question, kept afterwards."""

    def describe() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    return describe


def _described(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=app.title,
        version=app.version,
        summary=app.summary,
        description=_TEXT,
        routes=app.routes,
        license_info={"name": "EUPL-1.2", "identifier": "EUPL-1.2"},
    )
    known = made.setdefault("components", {}).setdefault("schemas", {})
    known["ProblemAnswer"] = schemas.ProblemAnswer.model_json_schema()
    made["components"]["securitySchemes"] = _SCHEMES
    for path, methods in made["paths"].items():
        for operation in methods.values():
            _complete(path, operation)
    # What the generator believes refusals look like; nothing here does.
    for name in ("HTTPValidationError", "ValidationError"):
        known.pop(name, None)
    return made


def _complete(path: str, operation: dict[str, Any]) -> None:
    # Nothing is needed for open data: an empty requirement says so (OpenAPI 3.1, 4.8.2).
    closed = path in _STAFF_ONLY or path.startswith(_OWN)
    operation["security"] = _BY_KEY if closed else [{}, *_BY_KEY]
    responses = operation["responses"]
    forms = _FORMS.get(path)
    if forms:
        responses["200"].setdefault("content", {}).update(forms)
    for form in responses.get("200", {}).get("content", {}).values():
        # For answers that are not application/json the generator puts "string" beside the real schema.
        if "$ref" in form.get("schema", {}):
            form["schema"].pop("type", None)
    if path == "/health":
        responses["503"]["content"] = responses["200"]["content"]
    for status, (description, headers) in _EVERYWHERE.items():
        told = responses.setdefault(status, {"description": description})
        if headers and not _says_which_part(path, status):
            told["headers"] = headers
    if "requestBody" in operation:
        responses["400"] = {"description": "the body cannot be read"}
    if path.startswith("/ngsi-ld/"):
        # ETSI GS CIM 009, 6.3.2: what cannot be meant is 400 there.
        responses["400"] = {"description": "the query cannot be meant"}
    if "{" in path:
        responses.setdefault("404", {"description": "not known"})
    for status, response in responses.items():
        if status >= "400" and not _says_which_part(path, status):
            response["content"] = {
                problems.MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemAnswer"}}
            }
    operation["responses"] = dict(sorted(responses.items()))


def _says_which_part(path: str, status: str) -> bool:
    """Of /health the body is the same whether it is well or not."""
    return path == "/health" and status == "503"
