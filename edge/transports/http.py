"""Upwards without a broker: CBOR over HTTPS straight to the receiver, whose answer is the receipt."""

from __future__ import annotations

import http.client
import logging
import queue
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from edge.transports.port import Refusal, TransportEnded
from edge.wire import cbor
from edge.wire.broker import is_loopback
from edge.wire.messages import Command, Receipt
from edge.wire.settings import Secret

log = logging.getLogger(__name__)

MEDIA_TYPE: Final = "application/cbor"
_SHORTEST_PAUSE_S: Final = 0.5
_LONGEST_PAUSE_S: Final = 30.0
_LONGEST_ANSWER: Final = 100_000
_QUEUE: Final = 4


# The receiver is there but cannot take anything just now; every other 4xx is about this one envelope.
_NOT_THE_ENVELOPE: Final = frozenset({401, 403, 404, 408, 425, 429})


class Refused(Exception):
    """The receiver answered, but not with a receipt."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(_meaning(status, body))
        self.for_good = 400 <= status < 500 and status not in _NOT_THE_ENVELOPE
        self.too_large = status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where the receiver's door is; `url` without the path, for instance https://udp.example:8081."""

    url: str
    token: Secret
    ca_file: Path | None = None
    timeout_s: float = 20.0

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
            raise ValueError(f"url {self.url!r} is not https://host[:port]")
        if parts.scheme == "http" and not is_loopback(parts.hostname):
            raise ValueError(f"url {self.url!r}: the token would travel in clear text; use https")
        token = self.token.reveal()
        if not token or not all("!" <= character <= "~" for character in token):
            raise ValueError("token: only visible ASCII characters, no spaces or line breaks (RFC 6750, 2.1)")


class HttpTransport:
    """A thread that posts one envelope after the other over one connection, as long as there is one."""

    def __init__(self, settings: HttpSettings, agent: str, wake: Callable[[], None]) -> None:
        self._settings = settings
        self._path = f"/edge/v1/{agent}/up"
        self._wake = wake
        self._waiting: queue.Queue[bytes | None] = queue.Queue(maxsize=_QUEUE)
        self._answers: deque[Receipt | Refusal] = deque()
        self._closing = threading.Event()
        self._wire: http.client.HTTPConnection | None = None
        self._served = 0
        self._connections = 1
        # Optimistic: whether there is a receiver shows with the first envelope.
        self._connection: int | None = 1
        self._trouble = ""
        self._refusal = ""
        self._thread = threading.Thread(target=self._work, name=f"http-{agent}", daemon=True)
        self._thread.start()

    @property
    def connection(self) -> int | None:
        """Changes whenever the receiver answers again after it did not."""
        return self._connection

    def send(self, envelope: bytes) -> bool:
        """Queue for the thread; False when it has enough or the receiver does not answer."""
        if self._connection is None:
            return False
        try:
            self._waiting.put_nowait(envelope)
        except queue.Full:
            return False
        return True

    def take(self) -> Sequence[Receipt | Command | Refusal]:
        """Receipts and refusals only: this way has no down direction."""
        if not self._thread.is_alive() and not self._closing.is_set():
            raise TransportEnded(f"{self._settings.url}: the sending thread ended unexpectedly, see above")
        return [self._answers.popleft() for _ in range(len(self._answers))]

    def done(self) -> None:
        """Nothing to do: a receipt that is forgotten is fetched again by sending again."""

    def close(self) -> None:
        """Stop after the request under way, or without it when it takes too long."""
        self._closing.set()
        self._drop_waiting()
        self._waiting.put(None)
        self._thread.join(timeout=5.0)

    def _work(self) -> None:
        try:
            while (envelope := self._waiting.get()) is not None:
                self._deliver(envelope)
        finally:  # whatever it was, threading writes it to stderr; `take` then ends the process
            self._hang_up()
            self._wake()

    def _deliver(self, envelope: bytes) -> None:
        """Post until there is an answer that settles it: a receipt, or a refusal of this very envelope."""
        pause = _SHORTEST_PAUSE_S
        while not self._closing.is_set():
            try:
                self._answers.append(self._post(envelope))
            except (OSError, http.client.HTTPException, Refused, cbor.WireError) as error:
                stale = self._served > 0 and isinstance(error, OSError | http.client.HTTPException)
                self._hang_up()
                if stale:  # the receiver may close an idle connection at any time: that is no trouble yet
                    continue
                if isinstance(error, Refused) and error.for_good:
                    self._refused(envelope, error)
                else:
                    self._lost(error)
                    self._closing.wait(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE_S)
                    continue
            else:
                self._refusal = ""
            self._found()
            self._wake()
            return

    def _refused(self, envelope: bytes, error: Refused) -> None:
        # Once per reason: a receiver that refuses everything is one line.
        if str(error) != self._refusal:
            log.error("%s: %s; kept, set aside and tried again later", self._settings.url, error)
        self._refusal = str(error)
        opened = cbor.open_envelope(envelope)
        last = opened.sequence + len(opened.contents) - 1
        self._answers.append(Refusal(opened.spool, opened.sequence, last, error.too_large))

    def _lost(self, error: Exception) -> None:
        what = f"{type(error).__name__}: {error}"
        if what != self._trouble:
            log.error("%s: %s; trying again, nothing is lost", self._settings.url, what)
        self._trouble = what
        self._connection = None
        # What waits here waits in the spool too, and would be old by the time there is an answer.
        self._drop_waiting()
        self._wake()

    def _found(self) -> None:
        self._trouble = ""
        if self._connection is None:
            self._connections += 1
            self._connection = self._connections
            log.info("%s answers again", self._settings.url)

    def _drop_waiting(self) -> None:
        with self._waiting.mutex:
            self._waiting.queue.clear()

    def _post(self, envelope: bytes) -> Receipt:
        if self._wire is None:
            self._wire = self._connect()
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Accept": MEDIA_TYPE,
            "Authorization": f"Bearer {self._settings.token.reveal()}",
        }
        self._wire.request("POST", self._path, body=envelope, headers=headers)
        answer = self._wire.getresponse()
        body = answer.read(_LONGEST_ANSWER)
        if answer.status != HTTPStatus.OK:
            answer.close()
            raise Refused(answer.status, body)
        self._served += 1
        return cbor.decode_receipt(body)

    def _connect(self) -> http.client.HTTPConnection:
        parts = urlsplit(self._settings.url)
        host = parts.hostname or ""
        if parts.scheme == "http":
            return http.client.HTTPConnection(host, parts.port, timeout=self._settings.timeout_s)
        authorities = None if self._settings.ca_file is None else str(self._settings.ca_file)
        return http.client.HTTPSConnection(
            host, parts.port, timeout=self._settings.timeout_s,
            context=ssl.create_default_context(cafile=authorities),
        )  # fmt: skip

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None
        self._served = 0


def _meaning(status: int, body: bytes) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return f"HTTP {status}: the receiver does not know this agent's token; compare it there and here"
    if status == HTTPStatus.NOT_FOUND:
        return f"HTTP {status}: no receiver at this address; is the port the ingest door's?"
    return f"HTTP {status}: {body[:200].decode('utf-8', 'replace')}"
