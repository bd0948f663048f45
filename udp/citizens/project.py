"""A citizen's project as the platform speaks of it, without the database behind it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edge.wire.identifiers import DevEUI
from udp.citizens.application import NamedDevice

_SLUG = re.compile(r"b-[a-km-np-z2-9]{8}")
_ORIGIN = re.compile(r"/things-stack/(b-[a-km-np-z2-9]{8})")
APPLICATION = re.compile(r"[a-z0-9](?:[-]?[a-z0-9]){2,35}(?:@[a-z0-9](?:[-]?[a-z0-9]){1,35})?")
"""Identifier of an application of The Things Stack, with its tenant where that is not `ttn`."""


class State(StrEnum):
    """Where a project stands; a withdrawn one is deleted and has no state."""

    APPLIED = "applied"
    APPROVED = "approved"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Project:
    """Everything about one project. `name` and `mail` are for those who decide and for the owner only."""

    slug: str
    state: State
    title: str
    name: str
    mail: str
    latitude: float
    longitude: float
    exact: bool
    district: str
    district_name: str
    kind: str
    fields: Mapping[str, str]
    interval_s: float
    licence: str
    consent: str
    devices: tuple[NamedDevice, ...]
    applied_at: datetime
    decided_at: datetime | None
    note: str
    has_webhook_key: bool
    ttn_application: str


@dataclass(frozen=True, slots=True)
class Door:
    """What ingest needs to let a project in: no name, no address. `sealed`: key for its MQTT server."""

    slug: str
    approved: bool
    webhook: bytes | None
    application: str
    sealed: bytes | None


@dataclass(frozen=True, slots=True)
class Erasure:
    """What is left of a withdrawn project, to be deleted by those who write store, ledger and journal."""

    number: int
    project: str
    datastreams: tuple[int, ...]
    things: tuple[str, ...]
    dev_euis: tuple[DevEUI, ...]
    ordered_at: datetime


def digest(secret: str) -> bytes:
    """What is kept of a link or key. A plain hash is enough: they hold 256 random bits."""
    return hashlib.sha256(secret.encode()).digest()


def is_slug(text: str) -> bool:
    """Whether `text` can name a citizen's project."""
    return _SLUG.fullmatch(text) is not None


def origin_of(slug: str) -> str:
    """Where a project's deliveries come in, by webhook or by MQTT: `Delivery.origin`."""
    return f"/things-stack/{slug}"


def project_of(origin: str) -> str | None:
    """The citizen's project a delivery came in for; None for everybody else's."""
    found = _ORIGIN.fullmatch(origin)
    return found[1] if found else None
