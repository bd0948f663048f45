"""The one gate: whether a caller may know a Datastream. Every exit of the platform asks here.

No policy entry, no publication: only what is open and carries a licence is public.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from udp.registry.port import Inventory
from udp.sensorthings import Access, Datastream


class Role(StrEnum):
    """What a caller has proven to be."""

    PUBLIC = "public"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks; without a key, the public."""

    role: Role = Role.PUBLIC


PUBLIC = Caller()
OPERATOR = Caller(Role.OPERATOR)


def visible(datastream: Datastream, caller: Caller) -> bool:
    """Whether `caller` may know that this Datastream exists, and hence everything about it."""
    if caller.role is Role.OPERATOR:
        return True
    return datastream.access is Access.OPEN and bool(datastream.licence)


def agent_visible(agent: str, inventory: Inventory, caller: Caller) -> bool:
    """Whether `caller` may know that this agent exists.

    Agents and gateways are publicly audible, except those that carry a restricted Datastream.
    """
    if caller.role is Role.OPERATOR:
        return True
    carried = (
        inventory.datastreams.get(channel.datastream)
        for (name, _), sensor in inventory.wired.items()
        if name == agent
        for channel in sensor.channels
    )
    return not any(one is not None and one.access is Access.RESTRICTED for one in carried)
