"""Which methods an address knows: for the `Allow` of a refusal (RFC 9110, 15.5.6), whoever refuses.

The pages stand behind all routes and take every method, so the router itself never gets to say it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastapi.routing import APIRoute
from starlette.routing import BaseRoute


def allowed(routes: Iterable[BaseRoute], path: str) -> tuple[str, ...]:
    """Methods of all routes at `path`, in order; none where there is no route."""
    found = {method for one in _flat(routes) if one.path_regex.match(path) for method in one.methods or ()}
    # Every address of the interface that knows GET knows HEAD (udp.api.headers).
    return tuple(sorted(found | ({"HEAD"} if "GET" in found else set())))


def _flat(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    """Included routers stand among the routes as they are."""
    for one in routes:
        inside = getattr(one, "original_router", None)
        if inside is not None:
            yield from _flat(inside.routes)
        elif isinstance(one, APIRoute):
            yield one
