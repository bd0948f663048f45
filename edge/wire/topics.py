"""The MQTT topics of the platform's own protocol: `udp/v1/<agent>/up|ack|down|status`."""

from __future__ import annotations

import re
from functools import lru_cache

PREFIX = "udp/v1"
_AGENT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")

UP_OF_ALL_AGENTS = f"{PREFIX}/+/up"


@lru_cache(maxsize=1024)  # asked for every envelope, and agents are few
def agent_name(name: str) -> str:
    """Return `name` if it can stand in a topic, a file name and a certificate."""
    if not _AGENT.fullmatch(name):
        raise ValueError(f"{name!r} is no agent name: lower-case letters, digits and dashes, at most 63")
    return name


def up(agent: str) -> str:
    """Envelopes from the agent."""
    return f"{PREFIX}/{agent}/up"


def ack(agent: str) -> str:
    """Receipts to the agent."""
    return f"{PREFIX}/{agent}/ack"


def down(agent: str) -> str:
    """Commands to the agent."""
    return f"{PREFIX}/{agent}/down"


def status(agent: str) -> str:
    """Retained: `online`, or `offline` as the agent's last will."""
    return f"{PREFIX}/{agent}/status"


@lru_cache(maxsize=1024)
def agent_of(topic: str) -> str:
    """The agent a topic belongs to; ValueError for a topic that is not ours."""
    parts = topic.split("/")
    if len(parts) != 4 or "/".join(parts[:2]) != PREFIX:
        raise ValueError(f"topic {topic!r} is not {PREFIX}/<agent>/<up|ack|down|status>")
    return agent_name(parts[2])
