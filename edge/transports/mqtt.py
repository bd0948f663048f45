"""Upwards through an MQTT broker; the broker's PUBACK means little, the receiver's receipt everything."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from edge.wire import cbor, topics
from edge.wire.arrivals import Token
from edge.wire.broker import SessionSettings
from edge.wire.messages import Command, Receipt
from edge.wire.session import Session

log = logging.getLogger(__name__)

_AT_ONCE: Final = 200


class MqttTransport:
    """One agent's session: publishes to `up`, listens to `ack` and `down`, is present on `status`."""

    def __init__(
        self, settings: SessionSettings, agent: str, wake: Callable[[], None], *, expiry: timedelta
    ) -> None:
        """`expiry`, a little more than the pause before an envelope is repeated: a receiver that comes
        back is spared old copies. Mosquitto 2.0 counts expired copies in its queue limits all the
        same, which is why ingest listens to agents in a session of their own.
        """
        self._expiry = expiry
        self._up = topics.up(agent)
        self._down = topics.down(agent)
        self._tokens: list[Token | None] = []
        self._session = Session(
            settings,
            client_id=f"udp-edge-{agent}",
            subscriptions=(topics.ack(agent), self._down),
            presence=topics.status(agent),
            wake=wake,
        )
        self._session.start()

    @property
    def connection(self) -> int | None:
        """Number of the present connection."""
        return self._session.connection

    def send(self, envelope: bytes) -> bool:
        """Publish with QoS 1."""
        return self._session.publish(self._up, envelope, expiry=self._expiry)

    def take(self) -> Sequence[Receipt | Command]:
        """Receipts and commands; what is neither is reported and passed over."""
        taken: list[Receipt | Command] = []
        for topic, payload, token in self._session.take(_AT_ONCE):
            self._tokens.append(token)
            try:
                taken += commands_in(payload) if topic == self._down else [cbor.decode_receipt(payload)]
            except cbor.WireError as error:
                log.warning("%d octets on %s are not understood: %s", len(payload), topic, error)
        return taken

    def done(self) -> None:
        """Acknowledge to the broker what was taken."""
        self._session.acknowledge(self._tokens)
        self._tokens.clear()

    def close(self) -> None:
        """Disconnect; the broker keeps receipts and commands for the next start."""
        self._session.close()


def commands_in(payload: bytes) -> list[Command]:
    """The commands of an envelope that came down; WireError if it is none."""
    return [message for message in cbor.decode(payload).messages if isinstance(message, Command)]
