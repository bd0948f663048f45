"""What every way upwards promises: it may lose anything, as long as it never says what is not so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from edge.wire.messages import Command, Receipt


class TransportEnded(Exception):
    """The background work ended although nobody closed it: end the process, its supervisor starts it anew."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The receiver will not take messages [first, last] of `spool`, however often they are sent.

    `too_large`: not as one envelope; smaller ones may pass.
    """

    spool: bytes
    first: int
    last: int
    too_large: bool


class Transport(Protocol):
    """Carries envelopes up and brings receipts, refusals and commands down.

    Nothing is lost with an envelope that is lost: the spool forgets only what a receipt names.
    Works in the background and calls the `wake` it was built with when there is something to take.
    """

    @property
    def connection(self) -> int | None:
        """The number of the present connection, None without one.

        A new number means: whatever was not confirmed should be sent again now.
        """

    def send(self, envelope: bytes) -> bool:
        """Take over one envelope without waiting; False if it cannot at present."""

    def take(self) -> Sequence[Receipt | Command | Refusal]:
        """What has come down since last time, in order; TransportEnded if nothing ever will again."""

    def done(self) -> None:
        """Everything `take` returned so far is on disk: it need not come again."""

    def close(self) -> None:
        """Say goodbye; takes at most a few seconds."""
