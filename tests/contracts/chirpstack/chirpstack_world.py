"""What ChirpStack v4 keeps and how it answers where something is wrong, from its source (Rust, 4.20).

api/auth: no token, or one it did not sign, is UNAUTHENTICATED with a reason; a key that may not, and for a
key of a tenant also whatever does not exist, is UNAUTHENTICATED with an empty text. api/error.rs: ids that
are no UUID are INVALID_ARGUMENT, bad hexadecimals and the database's own refusals are INTERNAL.
"""

from __future__ import annotations

import struct
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NoReturn

import grpc
from chirpstack_api import api

BAD_INPUT, BROKEN = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL
ZEROS = "0" * 32


class Refused(Exception):
    """Becomes the call's status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code, self.details = code, details


@dataclass(frozen=True)
class ApiKey:
    """An API key: of everything, or of one tenant."""

    tenant_id: str | None = None
    read_only: bool = False


@dataclass
class World:
    """ChirpStack's tables. `before`: called with method and request, to break what is next."""

    api_keys: dict[str, ApiKey] = field(default_factory=dict)
    tenants: dict[str, Any] = field(default_factory=dict)
    applications: dict[str, Any] = field(default_factory=dict)
    profiles: dict[str, Any] = field(default_factory=dict)
    gateways: dict[str, Any] = field(default_factory=dict)
    devices: dict[str, Any] = field(default_factory=dict)
    keys: dict[str, Any] = field(default_factory=dict)
    sessions: dict[str, Any] = field(default_factory=dict)
    queues: dict[str, list[Any]] = field(default_factory=dict)
    nonces: Counter[str] = field(default_factory=Counter)
    seen: dict[str, datetime] = field(default_factory=dict)
    status: dict[str, Any] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    before: Callable[[str, Any], None] = lambda _method, _request: None
    after: Callable[[str, Any], None] = lambda _method, _request: None
    lock: threading.RLock = field(default_factory=threading.RLock)

    def __post_init__(self) -> None:
        # ChirpStack ships thousands of device profiles that belong to no tenant.
        made = api.DeviceProfile(id=str(uuid.uuid4()), name="Weltweites Profil", supports_otaa=True)
        self.profiles[made.id] = made

    def tenant_of_device(self, dev_eui: str) -> str:
        """Whose it is, "" if nobody's."""
        device = self.devices.get(dev_eui)
        return self.applications[device.application_id].tenant_id if device is not None else ""


@dataclass(frozen=True)
class Caller:
    """Who calls, and whether it may."""

    key: ApiKey | None

    def must(self, *, tenant_id: str = "", admin: bool = False, writing: bool = False) -> None:
        """Refuse as ChirpStack's validator does. `tenant_id` "" is: what belongs to nobody."""
        if self.key is None:
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, "no authorization provided")
        whole = self.key.tenant_id is None
        allowed = whole or (not admin and bool(tenant_id) and self.key.tenant_id == tenant_id)
        if not allowed or (writing and self.key.read_only):
            raise Refused(grpc.StatusCode.UNAUTHENTICATED, "")


def caller(world: World, context: grpc.ServicerContext) -> Caller:
    """By the `authorization` metadata."""
    given = dict(context.invocation_metadata()).get("authorization")
    if given is None:
        return Caller(None)
    if not given.startswith("Bearer "):
        text = "authorization metadata must be in format 'Bearer <TOKEN>"
        raise Refused(grpc.StatusCode.UNAUTHENTICATED, text)
    key = world.api_keys.get(given.removeprefix("Bearer "))
    if key is None:
        raise Refused(grpc.StatusCode.UNAUTHENTICATED, "InvalidToken")
    return Caller(key)


def uuid_of(text: str) -> str:
    """An id, in ChirpStack's spelling."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Refused(
            BAD_INPUT, f"invalid length: expected length 32 for simple format, found {len(text)}"
        ) from None


def eui_of(text: str) -> str:
    """An EUI64, lower case; empty is all zeros."""
    return _hexadecimal(text, 8)


def key_of(text: str) -> str:
    """An AES key, lower case; empty is all zeros."""
    return _hexadecimal(text, 16)


def _hexadecimal(text: str, octets: int) -> str:
    if not text:
        return "00" * octets
    try:
        value = bytes.fromhex(text)
    except ValueError:
        raise Refused(BROKEN, "Invalid character in hexadecimal string") from None
    if len(value) != octets:
        raise Refused(BROKEN, "Invalid string length")
    return value.hex()


def not_there(name: str) -> NoReturn:
    """As storage::error::Error::NotFound."""
    raise Refused(grpc.StatusCode.NOT_FOUND, f"Object does not exist (id: {name})")


def there_already(constraint: str) -> NoReturn:
    """PostgreSQL's words, which ChirpStack passes on."""
    raise Refused(BROKEN, f'duplicate key value violates unique constraint "{constraint}"')


def dangling(table: str, constraint: str) -> NoReturn:
    """PostgreSQL's words, which ChirpStack passes on."""
    text = f'insert or update on table "{table}" violates foreign key constraint "{constraint}"'
    raise Refused(BROKEN, text)


def fitting(name: str) -> str:
    """Names are varchar(100)."""
    if len(name) > 100:
        raise Refused(BROKEN, "value too long for type character varying(100)")
    return name


def named(name: str) -> str:
    """What `validate` asks for where it is called."""
    if not name:
        raise Refused(BAD_INPUT, "Validation error: name is not set")
    return fitting(name)


def single(number: float) -> float:
    """Altitudes are kept in 32 bits."""
    return float(struct.unpack("f", struct.pack("f", number))[0])


def page(found: list[Any], request: Any, answer: Any) -> Any:
    """`limit` 0 gives the count only."""
    answer.total_count = len(found)
    answer.result.extend(found[request.offset : request.offset + request.limit])
    return answer


def stamp(message: Any, moment: datetime | None) -> None:
    """Set `last_seen_at` if it was ever seen."""
    if moment is not None:
        message.last_seen_at.FromDatetime(moment.astimezone(UTC))


class Answers:
    """One service, answering from the tables."""

    def __init__(self, world: World) -> None:
        self.world = world
