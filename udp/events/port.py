"""An event: something began to be wrong, and one day it ended. One port, for everybody who tells of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class EventKind(StrEnum):
    """What went wrong."""

    SILENT = "silent"
    STUCK = "stuck"
    BATTERY = "battery"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something wrong now, before it is an event.

    `subject`: device:<DevEUI>, gateway:<agent>, module:<agent>/<sensor>, agent:<agent>,
    datastream:<id> or network. `reason`: a German sentence for people, without identifiers of
    devices. `since`: when it began, as far as can be told.
    """

    kind: EventKind
    subject: str
    reason: str
    since: datetime
    thing: str | None = None
    datastream: int | None = None
    detail: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Event:
    """A trouble that was noticed at `opened_at`; open while `closed_at` is None."""

    id: int
    kind: EventKind
    subject: str
    reason: str
    since: datetime
    opened_at: datetime
    closed_at: datetime | None
    thing: str | None
    datastream: int | None
    detail: Mapping[str, float]


class EventLog(Protocol):
    """Events, kept for good; several writers may share one. RegistryUnavailable when it cannot answer."""

    def open_events(self) -> Sequence[Event]:
        """All that are not over, oldest first."""

    def recent(self, limit: int, since: datetime | None = None) -> Sequence[Event]:
        """Newest first: opened or closed at or after `since`."""

    def begin(self, troubles: Sequence[Trouble], at: datetime) -> int:
        """Open events; how many are new. One whose kind and subject is open already changes nothing."""

    def end(self, numbers: Sequence[int], at: datetime) -> int:
        """Close these events; how many were open."""


class NoEvents:
    """`EventLog` of a platform that watches nothing."""

    def open_events(self) -> Sequence[Event]:
        """None."""
        return ()

    def recent(self, limit: int, since: datetime | None = None) -> Sequence[Event]:  # noqa: ARG002
        """None."""
        return ()

    def begin(self, troubles: Sequence[Trouble], at: datetime) -> int:  # noqa: ARG002
        """Nothing is kept."""
        return 0

    def end(self, numbers: Sequence[int], at: datetime) -> int:  # noqa: ARG002
        """Nothing is open."""
        return 0
