"""Envelopes of our own agents: who may speak for whom, and what a receipt vouches for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge.wire import cbor, topics
from edge.wire.messages import Receipt
from ingest.heard import Unusable

ALL_ENVELOPES = topics.UP_OF_ALL_AGENTS
_UPDATE = "update ingest before the agents, then replay"
_LOOK = "look at what sends to this topic; only agents of this platform may"


def agent_of(origin: str) -> str:
    """The agent whose topic (`udp/v1/<agent>/up`) or path (`/edge/v1/<agent>/up`) this is."""
    return topics.agent_of(
        f"{topics.PREFIX}/{origin.removeprefix('/edge/v1/')}" if origin[:1] == "/" else origin
    )


def open_envelope(origin: str, octets: bytes) -> cbor.OpenedEnvelope:
    """The envelope, if it speaks for the agent it comes from; Unusable says what is wrong."""
    try:
        agent = agent_of(origin)
        envelope = cbor.open_envelope(octets)
    except cbor.UnknownVersion as error:
        raise Unusable(f"envelope by {origin}: {error}", _UPDATE) from error
    except ValueError as error:
        raise Unusable(f"envelope by {origin}: {error}", _LOOK) from error
    if envelope.agent != agent:
        raise Unusable(
            f"agent {envelope.agent} was named on the topic of {agent} ({origin})",
            f"check the configuration or certificate of {agent}: an agent speaks for itself only",
        )
    return envelope


def receipts(envelopes: Iterable[cbor.OpenedEnvelope]) -> Mapping[str, list[Receipt]]:
    """Per agent what may be confirmed once these envelopes are durable; neighbouring ranges are one."""
    runs: dict[tuple[str, bytes], list[tuple[int, int]]] = {}
    for envelope in envelopes:
        if count := len(envelope.contents):
            run = (envelope.sequence, envelope.sequence + count - 1)
            runs.setdefault((envelope.agent, envelope.spool), []).append(run)
    found: dict[str, list[Receipt]] = {}
    for (agent, spool), ranges in runs.items():
        found.setdefault(agent, []).append(Receipt(spool, tuple(_merged(ranges))))
    return found


def _merged(ranges: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged
