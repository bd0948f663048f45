"""An Observation that comes by MQTT: the same right, checks and durability as one that comes by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from udp.access.limits import TooOften
from udp.api.desk import Desk
from udp.api.problems import BadEntity, BadQuery, BodyTooLarge, Conflict, WrongFormat
from udp.api.sensorthings import drafts
from udp.api.sensorthings.mqtt.packets import Publish
from udp.api.sensorthings.mqtt.topics import ROOT, publish_path
from udp.api.sensorthings.routes import SensorThings, writer_for
from udp.auth import Grant, KeyRefused
from udp.errors import NotFound, PlatformError, RegistryUnavailable, StoreUnavailable
from udp.policy import PUBLIC, Caller

# Reasons of MQTT 5 (table 2-6).
_TOPIC_INVALID, _NOT_AUTHORIZED, _PAYLOAD_INVALID, BUSY, QUOTA = 0x90, 0x87, 0x99, 0x89, 0x97
_REASONS: Mapping[type[PlatformError], int] = {
    NotFound: _TOPIC_INVALID,
    BadEntity: _PAYLOAD_INVALID,
    BadQuery: _PAYLOAD_INVALID,
    BodyTooLarge: _PAYLOAD_INVALID,
    Conflict: _PAYLOAD_INVALID,
    WrongFormat: _PAYLOAD_INVALID,
}
_LATER: Mapping[type[PlatformError], int] = {
    StoreUnavailable: BUSY, RegistryUnavailable: BUSY, TooOften: QUOTA,
}  # fmt: skip


class NotNow(PlatformError):
    """It was not taken, and may be sent again: whoever hears it must not confirm."""

    def __init__(self, text: str, reason: int) -> None:
        super().__init__(text)
        self.reason = reason


class Refused(PlatformError):
    """It will never be taken so; `reason` is the code of MQTT 5."""

    def __init__(self, text: str, reason: int) -> None:
        super().__init__(text)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is connected: by a key, or nobody in particular. `origin`: shortened address for the records."""

    origin: str
    key: str | None = None
    grant: Grant | None = None

    @property
    def caller(self) -> Caller:
        """For the gate."""
        return self.grant.caller if self.grant is not None else PUBLIC

    @property
    def name(self) -> str:
        """For logs and lists; never the key itself."""
        return f"key {self.grant.key}" if self.grant is not None else "nobody"

    def require(self, path: str) -> None:
        """OutOfScope for an address the key is not for."""
        if self.grant is not None:
            self.grant.require_path(path)


def identify(desk: Desk, origin: str, key: str | None) -> Visitor:
    """KeyRefused; TooOften past the key's limits: connecting counts as a request. Blocking."""
    if key is None:
        return Visitor(origin)
    grant = desk.ports.keys.grant(key)
    visitor = Visitor(origin, key, grant)
    admit(desk, visitor)
    return visitor


def admit(desk: Desk, visitor: Visitor) -> None:
    """Count one request of a key. TooOften. Blocking."""
    porter, grant = desk.ports.porter, visitor.grant
    if porter is not None and grant is not None and grant.counted:
        porter.usage.admit(grant.key, grant.quota)


def still_good(desk: Desk, visitor: Visitor) -> bool:
    """Whether the key has not been revoked and has not expired since. Blocking."""
    if visitor.key is None:
        return True
    try:
        desk.ports.keys.grant(visitor.key)
    except KeyRefused:
        return False
    except RegistryUnavailable:
        return True
    return True


def create(desk: Desk, room: SensorThings, visitor: Visitor, message: Publish, *, audited: bool) -> str:
    """On disk on return: the path of the Observation. Refused for good, or NotNow. Blocking.

    `audited`: whether a line in the audit log shall say it; one per Observation would bury all others.
    """
    try:
        path = publish_path(message.topic, desk.ports.root.removeprefix("/"))
        visitor.require(f"/{ROOT}/{path}")
        writer = writer_for(room, visitor.caller)
        admit(desk, visitor)
        made = writer.create(path, drafts.load(message.payload))
        if audited and desk.ports.porter is not None:
            who, subject = visitor.caller.name or visitor.name, f"MQTT PUBLISH {message.topic[:200]}"
            desk.ports.porter.audit.write(who, "sensorthings", subject=subject, origin=visitor.origin)
    except PlatformError as error:
        for kind, reason in _LATER.items():
            if isinstance(error, kind):
                raise NotNow(str(error), reason) from error
        reason = next((one for kind, one in _REASONS.items() if isinstance(error, kind)), _NOT_AUTHORIZED)
        raise Refused(str(error), reason) from error
    return made
