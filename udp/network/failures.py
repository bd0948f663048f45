"""Turn what gRPC and ChirpStack answer into errors that name the thing and the remedy.

Facts from ChirpStack 4 (api/auth/mod.rs, api/auth/validator.rs, api/error.rs): a token that is none is
UNAUTHENTICATED with a reason; whatever a good token may not do or see, also what does not exist for a key of
a tenant, is UNAUTHENTICATED with an empty text; a breach of the database's rules is INTERNAL in the
database's words, so that a second object of one name must be recognised by them.
"""

from __future__ import annotations

import re

import grpc

from udp.errors import ConfigurationError, PlatformError
from udp.network.port import NetworkRefused, NetworkUnavailable

AGAIN = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED})
_UNIQUE = re.compile(r"unique constraint", re.IGNORECASE)
_FOREIGN = re.compile(r"foreign key constraint", re.IGNORECASE)
# gRPC's own words for an answer that was none: UNAVAILABLE while it says hello, UNKNOWN afterwards.
_NOT_GRPC = re.compile(r"parsing HTTP/2|SETTINGS frame|http2 header|content-type|trailers", re.IGNORECASE)
_NONSENSE = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL})


class NotPermitted(NetworkRefused):
    """The token is good, but not for this; for a tenant's key also: there is no such thing."""


class Missing(NetworkRefused):
    """There is no such thing."""


class Exists(NetworkRefused):
    """There is such a thing already, perhaps somebody else's."""


def translated(error: grpc.RpcError, server: str, what: str) -> PlatformError:
    """The error for a person; `what` says in German what was tried. UNAVAILABLE is not explained further."""
    code, details = error.code(), (error.details() or "").strip()
    where = f"ChirpStack {server}: {what}"
    if code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED):
        return _unwelcome(code, details, server, where)
    if code is grpc.StatusCode.UNIMPLEMENTED or (code in _NONSENSE and _NOT_GRPC.search(details)):
        return ConfigurationError(
            f"{where}: dort antwortet kein ChirpStack v4 oder ein zu altes ({details or code.name}); "
            "[chirpstack] server prüfen, ChirpStack auf eine aktuelle Version 4 bringen"
        )
    if code in AGAIN:
        late = code is grpc.StatusCode.DEADLINE_EXCEEDED
        return NetworkUnavailable(f"{where}: {'keine Antwort in der Frist' if late else details}")
    return _about_the_thing(code, details, where)


def _unwelcome(code: grpc.StatusCode, details: str, server: str, where: str) -> PlatformError:
    if details and code is grpc.StatusCode.UNAUTHENTICATED:
        return ConfigurationError(
            f"ChirpStack {server}: das Token wird nicht angenommen ({details}); in ChirpStack einen neuen "
            "API-Schlüssel anlegen und in die Datei schreiben, die [chirpstack] token nennt"
        )
    return NotPermitted(
        f"{where}: dazu berechtigt das Token nicht; es ist widerrufen, darf nur lesen, gehört einem "
        "anderen Mandanten oder es gibt das Gesuchte nicht"
    )


def _about_the_thing(code: grpc.StatusCode, details: str, where: str) -> PlatformError:
    database = code is grpc.StatusCode.INTERNAL
    if code is grpc.StatusCode.NOT_FOUND:
        return Missing(f"{where}: gibt es nicht ({details})")
    if code is grpc.StatusCode.ALREADY_EXISTS or (database and _UNIQUE.search(details)):
        return Exists(f"{where}: gibt es schon, in einer anderen Anwendung oder bei einem anderen Mandanten")
    if database and _FOREIGN.search(details):
        return Missing(f"{where}: etwas, worauf es sich bezieht, gibt es nicht ({details})")
    return NetworkRefused(f"{where}: abgelehnt ({code.name}: {details})")
