"""Pass datagrams on to another packet-forwarder server, and its downlinks back; never in anybody's way.

Each server has its own thread: a name that does not resolve or a host that is gone costs nobody else
anything. What it cannot take in time is dropped, as UDP would.
"""

from __future__ import annotations

import contextlib
import logging
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from edge.sources import semtech
from edge.sources.semtech import Datagram
from edge.wire.identifiers import GatewayEUI

log = logging.getLogger(__name__)

_WAITING: Final = 1_000
_GATEWAYS: Final = 64
_RESOLVE_AGAIN_S: Final = 300.0
_AFTER_TROUBLE_S: Final = 30.0
_LONGEST_DATAGRAM: Final = 65_535
_TOKENS_REMEMBERED: Final = 32


def host_and_port(target: str) -> tuple[str, int]:
    """Split `host:port` (or `[address]:port`); ValueError says how it is meant."""
    host, colon, port = target.rpartition(":")
    if not colon or not host or not port.isdigit() or not 0 < int(port) < 65_536:
        raise ValueError(f"{target!r} is not host:port")
    return host.strip("[]"), int(port)


class Relay:
    """One further server; `forward` from any thread."""

    def __init__(self, target: str, downlink: Callable[[GatewayEUI, bytes], None]) -> None:
        """`downlink(gateway, datagram)` is called from the relay's thread for each PULL_RESP."""
        self._target = target
        self._host, self._port = host_and_port(target)
        self._downlink = downlink
        self._waiting: deque[tuple[Datagram, bytes]] = deque(maxlen=_WAITING)
        self._sockets: dict[GatewayEUI, socket.socket] = {}
        self._opened_at: dict[GatewayEUI, float] = {}
        self._tokens: dict[GatewayEUI, deque[bytes]] = {}
        self._trouble_at = float("-inf")
        self._trouble = ""
        self._selector = selectors.DefaultSelector()
        self._wake_reader, self._wake_writer = socket.socketpair()
        for end in (self._wake_reader, self._wake_writer):
            end.setblocking(False)
        self._selector.register(self._wake_reader, selectors.EVENT_READ, None)
        self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"relay-{target}", daemon=True)
        self._thread.start()

    def forward(self, datagram: Datagram, octets: bytes) -> None:
        """Pass on, some time soon; the oldest waiting datagram gives way when there are too many."""
        self._waiting.append((datagram, octets))
        self._poke()

    def close(self) -> None:
        """Stop; a thread that hangs in name resolution is left behind, it ends with the process."""
        self._closing = True
        self._poke()
        self._thread.join(timeout=2.0)

    def _poke(self) -> None:
        with contextlib.suppress(OSError):  # full: it is awake already; closed: it is gone
            self._wake_writer.send(b"!")

    def _work(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._wake_reader.recv(4096)
                else:
                    self._answer(key.data)
            while self._waiting and not self._closing:
                self._send(*self._waiting.popleft())
        for gateway in list(self._sockets):
            self._close(gateway)
        self._selector.close()
        self._wake_reader.close()
        self._wake_writer.close()

    def _send(self, datagram: Datagram, octets: bytes) -> None:
        known = self._tokens.get(datagram.gateway, ())
        if datagram.kind is semtech.Kind.TX_ACK and datagram.token not in known:
            return  # the downlink it answers was another server's
        upstream = self._upstream(datagram.gateway)
        if upstream is None:
            return
        try:
            upstream.send(octets)
        except OSError as error:  # nobody listens there; it may come back at the same address
            self._complain(f"{error.strerror or error}")

    def _upstream(self, gateway: GatewayEUI) -> socket.socket | None:
        now = time.monotonic()
        if now - self._opened_at.get(gateway, now) > _RESOLVE_AGAIN_S:
            self._close(gateway)
        if gateway in self._sockets:
            return self._sockets[gateway]
        if now - self._trouble_at < _AFTER_TROUBLE_S:
            return None
        if len(self._sockets) >= _GATEWAYS:
            self._close(min(self._opened_at, key=self._opened_at.__getitem__))
        return self._open(gateway, now)

    def _open(self, gateway: GatewayEUI, now: float) -> socket.socket | None:
        try:
            family, _, _, _, address = socket.getaddrinfo(self._host, self._port, type=socket.SOCK_DGRAM)[0]
            upstream = socket.socket(family, socket.SOCK_DGRAM)
            upstream.setblocking(False)
            upstream.connect(address)
        except OSError as error:
            self._trouble_at = now
            self._complain(f"{error.strerror or error}")
            return None
        self._sockets[gateway] = upstream
        self._opened_at[gateway] = now
        self._selector.register(upstream, selectors.EVENT_READ, gateway)
        return upstream

    def _answer(self, gateway: GatewayEUI) -> None:
        upstream = self._sockets.get(gateway)
        if upstream is None:
            return
        try:
            octets = upstream.recv(_LONGEST_DATAGRAM)
        except BlockingIOError:
            return
        except OSError as error:
            self._complain(f"{error.strerror or error}")
            return
        self._trouble = ""
        if semtech.is_downlink(octets):
            self._tokens.setdefault(gateway, deque(maxlen=_TOKENS_REMEMBERED)).append(octets[1:3])
            self._downlink(gateway, octets)

    def _close(self, gateway: GatewayEUI) -> None:
        upstream = self._sockets.pop(gateway)
        self._opened_at.pop(gateway, None)
        self._selector.unregister(upstream)
        upstream.close()

    def _complain(self, what: str) -> None:
        if what != self._trouble:
            log.warning("relay to %s: %s; everything else goes on", self._target, what)
        self._trouble = what
