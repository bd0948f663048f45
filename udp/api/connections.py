"""What a connection may cost before it has asked anything: time, octets and places are limited.

uvicorn waits for the end of a request's head for ever, and opens as many connections as there are file
descriptors: a few hundred callers that say nothing would keep everybody else out (RFC 9110, 17; the
attack is called Slowloris). Refusals here are problem documents too, made before there is a request.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
import resource
from collections import Counter
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, ClassVar

import h11

from udp.framing import Unambiguous

_MOST_DESCRIPTORS = 65_536
# Databases, Parquet files, logs, and connections of our own.
_OWN_DESCRIPTORS = 256
# Whoever still sends when the refusal is written must be let finish, or loses it (RFC 9112, 9.6).
_LINGER_S = 5.0
_LINGER_OCTETS = 64_000_000


@dataclass(frozen=True, slots=True)
class Patience:
    """head_s: until a request's head is whole; body_s: until its body is. `connections`: at a time, and
    `per_address` from one address that is neither this machine's nor `proxy` (addresses or networks)."""

    head_s: float = 20.0
    body_s: float = 120.0
    connections: int = 4_000
    per_address: int = 200
    proxy: str = ""


def room_for(wanted: int, each: int = 1) -> int:
    """How many connections there is room for, after asking the system for as many descriptors as it gives;
    `each` needs so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MOST_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
        soft = most
    left = (most if soft == resource.RLIM_INFINITY else soft) - _OWN_DESCRIPTORS
    return max(16, min(wanted, left // each))


def patient(patience: Patience, each: int = 1) -> type[Unambiguous]:
    """The protocol class of one server; `each` connection needs so many descriptors."""
    most = room_for(patience.connections, each)
    proxies = tuple(ipaddress.ip_network(one.strip()) for one in patience.proxy.split(",") if one.strip())

    class Patient(_Patient):
        limits = patience
        room = most
        trusted = proxies
        callers = Counter[str]()  # noqa: RUF012 - one for all connections of a server is meant

    return Patient


class _Patient(Unambiguous):
    """uvicorn's protocol with an end to its patience; the attributes belong to all of one server."""

    limits: ClassVar[Patience]
    room: ClassVar[int]
    trusted: ClassVar[tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]]
    callers: ClassVar[Counter[str]]

    _deadline: asyncio.TimerHandle | None = None
    _counted: str | None = None
    _lingering = False
    _left_to_drain = _LINGER_OCTETS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Counted, and asked to say something."""
        super().connection_made(transport)
        address = _limited(self.client[0] if self.client else "", self.trusted)
        if len(self.connections) > self.room:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections are open; try again later")
            return
        if address is not None:
            self._counted = address
            self.callers[address] += 1
            if self.callers[address] > self.limits.per_address:
                self._refuse(
                    HTTPStatus.TOO_MANY_REQUESTS,
                    f"{self.limits.per_address} connections of your address are open; close some first",
                )
                return
        self._wait(self.limits.head_s, "head")

    def connection_lost(self, exc: Exception | None) -> None:
        """Its place is free again."""
        self._end_wait()
        self._uncount()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """From here on it is another protocol's, which has limits of its own."""
        self._end_wait()
        self._uncount()
        super().handle_websocket_upgrade(event)

    def data_received(self, data: bytes) -> None:
        """As uvicorn does; then look how far the request has come."""
        if self._lingering:
            self._left_to_drain -= len(data)
            if self._left_to_drain < 0:
                self.transport.abort()
            return
        before = self.cycle
        super().data_received(data)
        self._watch(begun=self.cycle is not before)

    def on_response_complete(self) -> None:
        """The next request may already wait in the buffer."""
        super().on_response_complete()
        if not self.transport.is_closing():
            self._watch(begun=True)

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP, or a head that is too large, with the reason."""
        too_large = self.conn.trailing_data[0] and len(self.conn.trailing_data[0]) > 16_000
        if too_large:
            status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE
            self._refuse(status, "address and headers have more than 16 kB; ask for less at a time")
        else:
            self._refuse(HTTPStatus.BAD_REQUEST, f"{msg} Send HTTP/1.1 as in RFC 9112.")

    def _uncount(self) -> None:
        if self._counted is not None:
            self.callers[self._counted] -= 1
            if self.callers[self._counted] <= 0:
                del self.callers[self._counted]
            self._counted = None

    def _watch(self, *, begun: bool) -> None:
        """One deadline for the head, another for the body, none while the answer is made."""
        upgraded = self.transport.get_protocol() is not self
        if self._lingering or upgraded or self.transport.is_closing():
            return
        theirs = self.conn.their_state
        if theirs is h11.SEND_BODY:
            if begun or self._deadline is None:
                self._wait(self.limits.body_s, "body")
        elif theirs is h11.IDLE and self.conn.trailing_data[0]:
            if begun or self._deadline is None:
                self._wait(self.limits.head_s, "head")
        else:
            self._end_wait()

    def _wait(self, seconds: float, part: str) -> None:
        self._end_wait()
        self._deadline = self.loop.call_later(seconds, self._out_of_patience, part, seconds)

    def _end_wait(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _out_of_patience(self, part: str, seconds: float) -> None:
        if self.transport.is_closing():
            return
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE) and not self._answering():
            self._refuse(
                HTTPStatus.REQUEST_TIMEOUT, f"the request's {part} was not complete after {seconds:.0f} s"
            )
        else:
            self.transport.close()

    def _answering(self) -> bool:
        return self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """Written past the state machine: there may be no request it would answer."""
        self._end_wait()
        slug = status.phrase.lower().replace(" ", "-")
        body: dict[str, Any] = {"type": f"/api#{slug}", "title": status.phrase, "status": status.value}
        octets = json.dumps({**body, "detail": detail, "instance": ""}).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(octets)}\r\ncache-control: no-store\r\nretry-after: 5\r\n"
            "x-content-type-options: nosniff\r\nconnection: close\r\n\r\n"
        )
        self._lingering = True
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(head.encode() + octets)
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        self.loop.call_later(_LINGER_S, self._close)

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def _limited(host: str, trusted: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]) -> str | None:
    """The address, if connections from it are counted."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if address.is_loopback or any(address in network for network in trusted):
        return None
    return str(address)
