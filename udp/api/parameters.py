"""No wish is swallowed: a parameter nobody reads, or one given twice, is refused by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute

from udp.api.problems import InvalidRequest


async def known_parameters(request: Request) -> None:
    """InvalidRequest for what the route does not read: a typing error must not pass as no wish."""
    route = request.scope.get("route")
    given = Counter(name for name, _ in request.query_params.multi_items())
    if not given or not isinstance(route, APIRoute):
        return
    known = list(_names(route.dependant))
    for name, count in given.items():
        if name not in known:
            told = f"known here are {', '.join(known)}" if known else "nothing can be asked for here"
            raise InvalidRequest(f"{name}: this parameter is not known; {told}")
        if count > 1:
            raise InvalidRequest(f"{name}: stands {count} times in the address; give it once")


def _names(dependant: Dependant) -> Iterator[str]:
    """What the route and all it depends on read of the address."""
    yield from (one.alias for one in dependant.query_params)
    for one in dependant.dependencies:
        yield from _names(one)
