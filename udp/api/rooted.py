"""The one way to say an address of ours: below the path at which this city is served.

A city at `https://daten.example.de/herne/` has the root `/herne`; the only city of a host has the root ``.
Routes are written without the root, links and cookies never: whatever leaves goes through `link`, in
templates `{{ root }}/...`.
"""

from __future__ import annotations

import re
from collections.abc import MutableMapping
from typing import Any

from starlette._utils import get_route_path
from starlette.requests import HTTPConnection

_ROOT = "root_path"
_NAMED = re.compile(r"(?<![\w/.-])/(?:api|app|ngsi-ld|opendata|v1\.1)\b")


def enter(scope: MutableMapping[str, Any], root: str) -> bool:
    """Let everything inside know where it is served; False for an address that lies beside it."""
    scope[_ROOT] = root
    path: str = scope["path"]
    return not root or path == root or path.startswith(f"{root}/")


def inside(scope: MutableMapping[str, Any]) -> str:
    """The address as the routes know it."""
    return get_route_path(scope)


def root_of(connection: HTTPConnection) -> str:
    """Where this city is served; also for what is mounted within it."""
    found: str = connection.scope.get("app_root_path", connection.scope.get(_ROOT, ""))
    return found


def link(connection: HTTPConnection, path: str) -> str:
    """The address of one of our routes, for links and redirections."""
    return root_of(connection) + path


def rooted(connection: HTTPConnection, text: str) -> str:
    """Words in which our addresses stand as the routes know them, with those that callers must write."""
    root = root_of(connection)
    return _NAMED.sub(lambda found: root + found[0], text) if root else text


def below(root: str, target: str) -> str:
    """`target` if it is an address of this city, else the like of it here."""
    if not root or target == root or target.startswith((f"{root}/", f"{root}?", f"{root}#")):
        return target
    return root + target


def cookie(connection: HTTPConnection, name: str, *, anywhere: bool = False) -> str:
    """The name of a cookie of this city; browsers send the one of `/` also to the cities below it.

    `anywhere`: it is good for all addresses of the city. By TLS such a cookie has the prefix that browsers
    accept from this host alone, or where the city has a path, by TLS alone (RFC 6265bis, 4.1.3).
    """
    root = root_of(connection)
    own = f"{owned(root)}{name}"
    if not anywhere or connection.url.scheme not in ("https", "wss"):
        return own
    return f"__Secure-{own}" if root else f"__Host-{own}"


def owned(root: str) -> str:
    """How the names of all cookies of a city begin."""
    return f"udp-{root.removeprefix('/')}_" if root else "udp_"
