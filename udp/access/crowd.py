"""How much of the server one address may take without a key, so that one cannot take it from all others.

An address has a bucket of requests that fills again evenly. A request costs one, and one more for every
started `WORTH_S` the server worked on it: whoever asks what is dear gets less of it. An emptied bucket is
a polite refusal that says when to come again. Of what one address asks at the same time a few are worked
on and the others wait their turn, so nobody holds all threads.

Addresses of this machine are ours: the pages are drawn by a process here. Limits hold per process.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from udp.access.limits import TooOften

# A page of values takes 2 to 15 ms; what takes longer counts for more.
WORTH_S = 0.02
_LOG = logging.getLogger(__name__)
_MOST_ADDRESSES = 20_000
_MOST_WAITING = 64
_LONGEST_WAIT_S = 15.0
_IPV6_SUBSCRIBER = 64
# Where a proxy of ours can stand (RFC 1918, RFC 4193); the addresses carriers share (RFC 6598) are callers.
_INSIDE = tuple(
    ipaddress.ip_network(one) for one in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")
)


@dataclass(slots=True)
class _Guest:
    """One address: what is left in its bucket at `seen`, and what it is having worked on."""

    left: float
    seen: float
    working: int = 0
    waiting: list[asyncio.Future[None]] = field(default_factory=list)


@dataclass(slots=True)
class Visit:
    """One request of one address while it is worked on; `leave` when its answer begins."""

    crowd: Crowd
    guest: _Guest
    began: float

    def leave(self) -> None:
        """Settle what it cost and let the next one of the same address in; a second call does nothing."""
        if self.began < 0:
            return
        self.crowd.settle(self.guest, self.began)
        self.began = -1.0


class Crowd:
    """All who come without a key; belongs to one event loop."""

    def __init__(self, per_minute: int, at_once: int, monotonic: Callable[[], float]) -> None:
        """`per_minute` 0: no limits at all."""
        self._most = float(per_minute)
        self._at_once = at_once
        self._monotonic = monotonic
        self._guests: OrderedDict[str, _Guest] = OrderedDict()
        self._warned = False

    async def enter(self, host: str | None, *, forwarded: bool) -> Visit | None:
        """None for who is not limited. TooOften, with Retry-After, for who has had its share.

        `forwarded`: the request still carries the header of a proxy, though none was believed.
        """
        address = self._address(host, forwarded=forwarded) if self._most else None
        if address is None:
            return None
        guest = self._guest(address)
        if guest.left < 1:
            self._refuse(guest)
        guest.left -= 1
        if guest.working >= self._at_once:
            await self._wait(guest)
        guest.working += 1
        return Visit(self, guest, self._monotonic())

    def settle(self, guest: _Guest, began: float) -> None:
        """What took long costs more; the next in line is let in."""
        guest.left -= int((self._monotonic() - began) / WORTH_S)
        guest.working -= 1
        while guest.waiting:
            following = guest.waiting.pop(0)
            if not following.done():
                following.set_result(None)
                return

    async def _wait(self, guest: _Guest) -> None:
        if len(guest.waiting) >= _MOST_WAITING:
            raise _too_often(
                f"{self._at_once} requests of your address are being worked on and {_MOST_WAITING} wait; "
                "ask again when one is answered",
                1.0,
            )
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        guest.waiting.append(turn)
        try:
            await asyncio.wait_for(turn, _LONGEST_WAIT_S)
        except TimeoutError:
            guest.waiting = [one for one in guest.waiting if one is not turn]
            raise _too_often(
                f"{self._at_once} requests of your address have been worked on for {_LONGEST_WAIT_S:.0f} s; "
                "ask fewer at the same time, or for less",
                _LONGEST_WAIT_S,
            ) from None

    def _refuse(self, guest: _Guest) -> None:
        wait_s = (1 - guest.left) * 60 / self._most
        raise _too_often(
            f"your address has used up its {self._most:.0f} requests a minute (dear ones count more); ask "
            f"again in {_whole(wait_s)} seconds, or ask the city for a key of your own",
            wait_s,
        )

    def _guest(self, address: str) -> _Guest:
        now = self._monotonic()
        guest = self._guests.get(address)
        if guest is None:
            self._make_room()
            guest = self._guests[address] = _Guest(self._most, now)
        self._guests.move_to_end(address)
        guest.left = min(self._most, guest.left + (now - guest.seen) * self._most / 60)
        guest.seen = now
        return guest

    def _make_room(self) -> None:
        """The one not seen for longest goes, unless it is being served; its bucket is the fullest by now."""
        if len(self._guests) < _MOST_ADDRESSES:
            return
        oldest = next((key for key, one in self._guests.items() if not one.working), None)
        if oldest is not None:
            del self._guests[oldest]

    def _address(self, host: str | None, *, forwarded: bool) -> str | None:
        """What is limited as one: an IPv4 address, the /64 a subscriber of IPv6 has; None: without limit."""
        try:
            address = ipaddress.ip_address(host or "")
        except ValueError:
            return None  # a socket file: only processes of this machine reach it
        address = getattr(address, "ipv4_mapped", None) or address
        if address.is_loopback:
            self._warn(host, forwarded=forwarded)
            return None
        if forwarded and any(address in one for one in _INSIDE):
            # All citizens would share the proxy's address: better no limit than one for all together.
            self._warn(host, forwarded=True)
            return None
        if address.version == 6:
            return str(ipaddress.ip_network((address, _IPV6_SUBSCRIBER), strict=False))
        return str(address)

    def _warn(self, host: str | None, *, forwarded: bool) -> None:
        if forwarded and not self._warned:
            self._warned = True
            _LOG.warning(
                'callers come through a proxy at %s that is not named: write proxy = "%s" below [server], '
                "else nobody is limited by address and audit lines name the proxy",
                host, host,
            )  # fmt: skip


def _too_often(text: str, wait_s: float) -> TooOften:
    return TooOften(text, {"Retry-After": str(_whole(wait_s))})


def _whole(seconds: float) -> int:
    return max(1, int(seconds + 0.999))
