"""The one gate: whether, and how finely, a caller may know a Datastream. Every exit asks here.

No policy entry, no publication: only what is open and carries a licence is public.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from udp.registry.port import Inventory
from udp.sensorthings import Access, Datastream


class Role(StrEnum):
    """What a caller has proven to be."""

    PUBLIC = "public"
    METRICS = "metrics"
    """A scraper of /metrics: sees the figures of the platform, of the data only what the public sees."""
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks; without a key, the public."""

    role: Role = Role.PUBLIC


PUBLIC = Caller()
OPERATOR = Caller(Role.OPERATOR)

# When a car comes and goes is somebody's affair; how full a place is by the quarter of an hour is not.
_FINEST: Mapping[str, timedelta] = {"parking_occupied": timedelta(minutes=15)}


def visible(datastream: Datastream, caller: Caller) -> bool:
    """Whether `caller` may know that this Datastream exists, and hence everything about it."""
    if caller.role is Role.OPERATOR:
        return True
    return datastream.access is Access.OPEN and bool(datastream.licence)


def finest(datastream: Datastream, caller: Caller) -> timedelta | None:
    """The finest step of time in which `caller` may know this Datastream; None: as it was measured.

    Steps are aligned to the UTC epoch. Every time that leaves the platform is rounded down to one, and
    history leaves in whole steps only.
    """
    return None if caller.role is Role.OPERATOR else _FINEST.get(datastream.observed_property.key)


def figures_visible(caller: Caller) -> bool:
    """Whether `caller` may know what the platform counts of itself: losses, gaps, quarantine, listeners."""
    return caller.role in (Role.OPERATOR, Role.METRICS)


def agent_visible(agent: str, inventory: Inventory, caller: Caller) -> bool:
    """Whether `caller` may know that this agent exists: the public only, if it carries something public."""
    if figures_visible(caller):
        return True
    carried = (
        inventory.datastreams.get(channel.datastream)
        for (name, _), sensor in inventory.wired.items()
        if name == agent
        for channel in sensor.channels
    )
    return any(one is not None and visible(one, caller) for one in carried)
