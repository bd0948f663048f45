"""What every source promises: hear without waiting, acknowledge only what is on disk."""

from __future__ import annotations

from collections.abc import Sequence
from socket import socket
from typing import Protocol

from edge.wire.messages import Message


class Source(Protocol):
    """Something the agent hears through."""

    @property
    def sockets(self) -> Sequence[socket]:
        """Readable when there is something to hear; a source with a thread has none and calls `wake`."""

    def hear(self) -> list[Message]:
        """Everything that has come in since last time, bounded; never waits, never raises for bad input."""

    def settle(self, *, stored: bool) -> None:
        """What `hear` last returned is on disk (acknowledge it), or could not be stored (do not)."""

    def close(self) -> None:
        """Let go of sockets and threads; takes at most a few seconds."""
