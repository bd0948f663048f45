"""The agent's loop: hear, keep, acknowledge, say upwards; on one screen."""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final

from edge.health import Health
from edge.outbox import Outbox, SendingSettings
from edge.sources.port import Source
from edge.spool import Spool, SpoolUnavailable
from edge.transports.port import Refusal, Transport
from edge.wire import cbor
from edge.wire.messages import Command, CommandResult, CommandState, Message, Receipt

log = logging.getLogger(__name__)

_LONGEST_WAIT_S: Final = 1.0
_REPORT_EVERY_S: Final = 60.0


class Wake:
    """Lets threads interrupt the loop's waiting; calling it costs one octet."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._reader, self._writer = socket.socketpair()
        for end in (self._reader, self._writer):
            end.setblocking(False)
        self.watch(self._reader)

    def __call__(self) -> None:
        with contextlib.suppress(OSError):  # full: the loop is awake already
            self._writer.send(b"!")

    def watch(self, source: socket.socket) -> None:
        """Wake up too when this socket is readable."""
        self._selector.register(source, selectors.EVENT_READ)

    def wait(self, seconds: float) -> None:
        """Until something happens, at most `seconds`."""
        if any(key.fileobj is self._reader for key, _ in self._selector.select(seconds)):
            with contextlib.suppress(BlockingIOError):
                while self._reader.recv(4096):
                    pass


class Agent:
    """Everything wired together; `run` until somebody calls `stop`."""

    def __init__(
        self,
        name: str,
        *,
        sources: Sequence[Source],
        spool: Spool,
        transport: Transport,
        outbox: Outbox,
        sending: SendingSettings,
        health: Health,
        wake: Wake,
        now: Callable[[], datetime],
        refresh: Callable[[], object] = lambda: None,
    ) -> None:
        """`refresh` is called each turn: what may change on disk (sessions) is read again there."""
        self._name = name
        self._sources = sources
        self._spool = spool
        self._transport = transport
        self._outbox = outbox
        self._sending = sending
        self._health = health
        self._wake = wake
        self._now = now
        self._refresh = refresh
        self._stopping = False
        self._connection: int | None = None
        self._spool_identity = b""
        self._results: dict[str, CommandResult] = {}  # by command; not in the spool yet
        self._unsettled = False  # something came down that the transport may not forget yet
        self._reported_at = float("-inf")
        for source in sources:
            for listening in source.sockets:
                wake.watch(listening)

    def run(self) -> None:
        """Work until `stop`."""
        while not self._stopping:
            self._wake.wait(_LONGEST_WAIT_S)
            self.turn()
        self.turn()  # what came in while we were told to stop

    def stop(self) -> None:
        """End `run` after the present turn; may be called from a signal handler."""
        self._stopping = True
        self._wake()

    def turn(self) -> None:
        """Once round."""
        self._refresh()
        came_down = self._transport.take()
        receipts = [item for item in came_down if isinstance(item, Receipt)]
        for refusal in (item for item in came_down if isinstance(item, Refusal)):
            self._refused(refusal)
        heard = [message for source in self._sources for message in source.hear()]
        for command in (item for item in came_down if isinstance(item, Command)):
            self._results.setdefault(command.command_id, self._answer(command))
        heard += self._results.values()
        heard += self._own_readings()
        stored = self._keep(heard, receipts)
        for source in self._sources:
            source.settle(stored=stored)
        self._unsettled = self._unsettled or bool(came_down)
        if stored:
            self._results.clear()
            if self._unsettled:
                self._transport.done()
                self._unsettled = False
        self._send()

    def _keep(self, heard: list[Message], receipts: list[Receipt]) -> bool:
        """One commit for all; without room for what was heard, at least forget what is confirmed."""
        try:
            self._spool.write(heard, receipts)
        except SpoolUnavailable as error:
            self._report(error, len(heard))
            heard_stored = False
            with contextlib.suppress(SpoolUnavailable):
                self._spool.write([], receipts)
                self._confirmed(receipts)
        else:
            heard_stored = True
            self._confirmed(receipts)
        return heard_stored

    def _confirmed(self, receipts: list[Receipt]) -> None:
        for receipt in receipts:
            if receipt.spool == self._spool.identity:
                self._outbox.confirmed(receipt.ranges)

    def _refused(self, refusal: Refusal) -> None:
        if refusal.spool == self._spool.identity:
            moment = time.monotonic()
            self._outbox.refuse(refusal.first, refusal.last, moment, too_large=refusal.too_large)

    def _send(self) -> None:
        """As much as the window allows; what cannot be read now is tried again next turn."""
        try:
            self._send_window()
        except SpoolUnavailable as error:
            self._report(error, 0)

    def _send_window(self) -> None:
        self._notice_changes()
        while self._connection is not None:
            moment = time.monotonic()
            span = self._outbox.next(moment, self._spool.last)
            if span is None:
                return
            run = self._spool.run(
                span.first, span.last,
                max_messages=self._sending.max_messages, max_bytes=self._sending.max_bytes,
            )  # fmt: skip
            if run is None:
                self._outbox.vanished(span)
                continue
            if not self._transport.send(self._envelope(run.first, run.bodies)):
                return
            self._outbox.sent(span, run.first, run.last, moment)

    def _notice_changes(self) -> None:
        if self._spool_identity != self._spool.identity:
            self._spool_identity = self._spool.identity
            self._outbox.begin(self._spool.floor, self._spool.last)
        if self._connection != (connection := self._transport.connection):
            self._connection = connection
            if connection is not None:
                self._outbox.connected(self._spool.last)

    def _envelope(self, first: int, bodies: Sequence[bytes]) -> bytes:
        return cbor.assemble(
            agent=self._name,
            spool=self._spool.identity,
            sequence=first,
            floor=self._spool.floor,
            sent_at=self._now(),
            messages=bodies,
        )

    def _own_readings(self) -> list[Message]:
        moment = self._now()
        if not self._health.due(moment):
            return []
        try:
            state = self._spool.state()
        except SpoolUnavailable as error:
            self._report(error, 0)
            return []
        folder = self._spool.settings.path.parent
        return [self._health.reading(moment, state, folder, refused=self._outbox.refused)]

    def _answer(self, command: Command) -> CommandResult:
        moment = self._now()
        if command.expires_at <= moment:
            return CommandResult(command.command_id, CommandState.EXPIRED, moment, "came too late")
        detail = f"agent {self._name} has no actuator {command.target!r}"
        return CommandResult(command.command_id, CommandState.FAILED, moment, f"no actuator: {detail}")

    def _report(self, error: SpoolUnavailable, lost: int) -> None:
        moment = time.monotonic()
        if moment - self._reported_at >= _REPORT_EVERY_S:
            self._reported_at = moment
            log.error("%s (%d messages just now not taken)", error, lost)
