"""What goes first when a spool is full."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from edge.wire.messages import Frame, GatewayStatus, Message, Reading

AGENT_SENSOR: Final = "agent"  # the agent's readings about itself


class Priority(IntEnum):
    """What goes first when there is no room: the smallest number, and of that the oldest."""

    HEALTH = 0
    FOREIGN = 1  # frames we hold no key for: perhaps ours, perhaps the neighbours'
    DATA = 2


def priority_of(message: Message) -> Priority:
    """How dear a message is to us."""
    if isinstance(message, GatewayStatus) or (
        isinstance(message, Reading) and message.sensor == AGENT_SENSOR
    ):
        return Priority.HEALTH
    return Priority.FOREIGN if isinstance(message, Frame) else Priority.DATA
