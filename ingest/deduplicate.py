"""Recognise uplinks we have already handled, whichever gateway, way or replay brings them.

An uplink that is not remembered is new if its counter lies above everything that was ever forgotten
of its session: history that comes late from a spool is, a recorded frame that somebody sends again
after the end of our memory is not.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from enum import Enum
from typing import NamedTuple

from edge.wire.instants import EPOCH
from udp.ledger.port import Ledger, Page, Remembered, SeenUplink, SessionKey

ONE_TRANSMISSION = timedelta(minutes=10)
"""Gateways stamp one transmission within seconds; the same counter later than this is another one."""
_ASK_AGAIN_S = 86_400.0
_PAYLOAD, _SLOT = 8, 4  # octets of a payload's digest and of a slot of time


class Standing(Enum):
    """What a delivery is to us."""

    FIRST = "first"
    AGAIN = "again"
    DOUBTFUL = "doubtful"


class Recognised(NamedTuple):
    """A delivery, under the identity its transmission goes by, and why it is doubtful."""

    standing: Standing
    seen: SeenUplink
    why: str = ""


class Deduplicator:
    """The ledger's memory, with the latest identities kept at hand.

    Nothing is remembered before `remember` is called, when the ledger has it: a crash in between
    repeats the work and never skips it.
    """

    def __init__(
        self,
        ledger: Ledger,
        *,
        shared: bool = False,
        capacity: int = 100_000,
        restarts: Callable[[str], bool] = lambda _dev_eui: False,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`shared`: several pipelines write this ledger. `capacity`: identities kept in memory.
        `restarts`: whether a device (DevEUI as text) may begin its counter anew within a session."""
        self._ledger = ledger
        self._shared = shared
        self.beside_others = False
        """Whether another pipeline has written this ledger, whatever the settings say."""
        self._capacity = capacity
        self._restarts = restarts
        self._monotonic = monotonic
        self._recent: OrderedDict[bytes, Remembered] = OrderedDict()
        self._highest: dict[SessionKey, int] = {}
        self._asked = monotonic()

    def recognise(self, seen: Sequence[SeenUplink]) -> list[Recognised]:
        """Each delivery, in order: first of its uplink, one more of it, or not provably either."""
        named = [as_life(one) if self._restarts(one.dev_eui) else one for one in seen]
        names = {name for one in named for name in names_of(one)}
        done = {name: self._recent[name] for name in names if name in self._recent}
        known = self._ledger.remembered([name for name in names if name not in done])
        forgotten = self._forgotten([one for one in named if one.identity not in known and not one.also])
        found: list[Recognised] = []
        for one in named:
            recognised = self._recognise(one, done, known, forgotten)
            if recognised.standing is Standing.FIRST:
                done[recognised.seen.identity] = Remembered(one.received_at, one.payload)
            found.append(recognised)
        return self._claimed(found, known) if self._shared or self.beside_others else found

    def remember(self, seen: Sequence[SeenUplink]) -> None:
        """The ledger has these now."""
        recent = self._recent
        for one in seen:
            recent.setdefault(one.identity, Remembered(one.received_at, one.payload))
        while len(recent) > self._capacity:
            recent.popitem(last=False)

    def _recognise(
        self,
        one: SeenUplink,
        done: Mapping[bytes, Remembered],
        known: Mapping[bytes, Remembered],
        forgotten: Mapping[SessionKey, int],
    ) -> Recognised:
        if found := find(one, done) or find(one, known):
            before, same = found
            # Known under this very time means claimed by us, perhaps before a crash.
            claims = self._shared or self.beside_others
            if claims and same.identity not in done and before.received_at == one.received_at:
                return Recognised(Standing.FIRST, same)
            return again(before, same)
        limit = forgotten.get((one.dev_eui, one.session), -1)
        if not one.also and one.f_cnt <= limit:
            return Recognised(Standing.DOUBTFUL, one, memory_ended(limit))
        return Recognised(Standing.FIRST, one)

    def _forgotten(self, unknown: Sequence[SeenUplink]) -> Mapping[SessionKey, int]:
        """The highest forgotten counter of each session that one of these does not lie safely above."""
        if self._monotonic() - self._asked > _ASK_AGAIN_S:
            # Highest counters may be old, but not as old as the memory: what was noted since is in it.
            self._highest.clear()
            self._asked = self._monotonic()
        keys = {(one.dev_eui, one.session) for one in unknown}
        if new := [key for key in keys if key not in self._highest]:
            counters = self._ledger.session_counters(new)
            self._highest.update((key, counters[key].highest if key in counters else -1) for key in new)
        behind = {key for one in unknown if one.f_cnt <= self._highest[key := (one.dev_eui, one.session)]}
        if not behind:
            return {}
        counters = self._ledger.session_counters(list(behind))
        return {key: counter.forgotten for key, counter in counters.items()}

    def _claimed(self, found: Sequence[Recognised], known: Mapping[bytes, Remembered]) -> list[Recognised]:
        """Enter what nobody knows before it is stored: the ledger lets one of several workers be first."""
        claims = [
            one.seen for one in found if one.standing is Standing.FIRST and one.seen.identity not in known
        ]
        if not claims:
            return list(found)
        self._ledger.write(Page(uplinks=claims))
        owners = self._ledger.remembered([name for one in claims for name in names_of(one)])
        claimed = {one.identity: one for one in claims}
        return [
            _settled(one, owners) if one.seen.identity in claimed and one.standing is Standing.FIRST else one
            for one in found
        ]


def memory_ended(forgotten: int) -> str:
    """Why an uplink nobody remembers may still have been heard before."""
    return f"is not above {forgotten}, up to which the memory has ended"


def find(one: SeenUplink, known: Mapping[bytes, Remembered]) -> tuple[Remembered, SeenUplink] | None:
    """What is remembered of this transmission, and the delivery under the name it goes by there."""
    if not one.also:
        plain = known.get(one.identity)
        return None if plain is None else (plain, one)
    for name in names_of(one):
        before = known.get(name)
        if before is None or (one.also and name == _plain(one) and not _one_transmission(before, one)):
            continue
        return before, one if name == one.identity else one._replace(identity=name, also=())
    return None


def again(before: Remembered, one: SeenUplink) -> Recognised:
    """One more delivery of what is remembered, unless two transmissions bear the same counter."""
    if not another(before, one) or one.identity != _bare(one):
        return Recognised(Standing.AGAIN, one)
    return Recognised(
        Standing.DOUBTFUL, one, f"was heard with another payload at {before.received_at:%Y-%m-%d %H:%M} UTC"
    )


def _settled(one: Recognised, owners: Mapping[bytes, Remembered]) -> Recognised:
    name = next(name for name in names_of(one.seen) if name in owners)
    if owners[name].received_at == one.seen.received_at:
        return one
    return Recognised(Standing.AGAIN, one.seen._replace(identity=name, also=()))


def another(before: Remembered, one: SeenUplink) -> bool:
    """Whether one counter tells of two transmissions; gateways' clocks may be wrong, payloads are not."""
    differs = bool(before.payload and one.payload) and before.payload != one.payload
    return differs and abs(one.received_at - before.received_at) > ONE_TRANSMISSION


def _one_transmission(before: Remembered, one: SeenUplink) -> bool:
    near = abs(one.received_at - before.received_at) <= ONE_TRANSMISSION
    return near and before.payload in (b"", one.payload)


def as_life(one: SeenUplink) -> SeenUplink:
    """The uplink of a device that may restart its counter: payload and time tell its transmissions apart.

    Copies stamped on both sides of a limit are found by their neighbours. A gateway whose clock is
    wrong by more than ONE_TRANSMISSION makes a second uplink of its copy: the price of the switch.
    """
    slot = (one.received_at - EPOCH) // ONE_TRANSMISSION
    before, own, after = (
        one.identity + one.payload.ljust(_PAYLOAD, b"\0") + number.to_bytes(_SLOT, "big", signed=True)
        for number in (slot - 1, slot, slot + 1)
    )
    return one._replace(identity=own, also=(before, after))


def _bare(one: SeenUplink) -> bytes:
    return bytes.fromhex(one.dev_eui) + one.session + one.f_cnt.to_bytes(4, "big")


def _plain(one: SeenUplink) -> bytes:
    return one.identity[: -_PAYLOAD - _SLOT]


def names_of(one: SeenUplink) -> tuple[bytes, ...]:
    """All identities this transmission may be known by."""
    return (one.identity, *one.also, _plain(one)) if one.also else (one.identity,)
