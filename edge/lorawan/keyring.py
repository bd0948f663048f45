"""Find out which device a data frame came from: DevAddr and 16 counter bits say less than one thinks.

Several devices may share a DevAddr and a device has a new one after each join; only the MIC decides.
"""

from __future__ import annotations

import logging
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from edge.lorawan.frame import DataUp, SessionKeys
from edge.lorawan.sessions import Session, SessionsFileError, read_sessions
from edge.wire.identifiers import DevAddr, DevEUI

log = logging.getLogger(__name__)

_ROLL_OVER: Final = 0x1_0000
_COUNTER_END: Final = 0x1_0000_0000
# High halves tried where nothing is known yet: 128 x 65,536 frames are 14 years at one frame per
# minute. A chance hit of the 32-bit MIC stays below 1 in 30 million foreign frames.
_HIGH_HALVES_OF_A_STRANGER: Final = 128


class Unresolved(Exception):
    """No session vouches for the frame, which travels on as it is; the text says why."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A frame whose sender is proven, with its full counter and its payload in clear."""

    session: Session
    f_cnt: int
    f_port: int | None
    payload: bytes


class _Held:
    """A session in use: keys made ready, the highest counter seen, when it was replaced."""

    __slots__ = ("highest", "keys", "replaced_at", "session")

    def __init__(self, session: Session) -> None:
        self.session = session
        self.keys = SessionKeys(session.nwk_s_key, session.app_s_key)
        self.highest: int | None = None
        self.replaced_at: datetime | None = None


class Keyring:
    """The sessions somebody trusts us with; not for use from several threads at once."""

    def __init__(
        self,
        sessions: Iterable[Session] = (),
        *,
        reordering: int | None = 64,
        keep_replaced: timedelta = timedelta(hours=24),
    ) -> None:
        """`reordering`: how far a counter may lie behind the highest seen, None for any distance.

        At the antenna frames come in order, give or take retransmissions, and an old counter is
        somebody replaying; behind a spool that sends history last, any distance is honest.
        `keep_replaced`: how long a session is kept after its device got another one.
        """
        self._reordering = reordering
        self._keep_replaced = keep_replaced
        self._by_address: dict[bytes, list[_Held]] = {}
        self._new: set[DevAddr] = set()
        self.restarting: set[str] = set()
        """Devices (DevEUI as text) that may begin their counter anew within the session they have now."""
        for session in sessions:
            self.add(session)

    def __len__(self) -> int:
        return sum(map(len, self._by_address.values()))

    def add(self, session: Session, replaced_at: datetime | None = None) -> None:
        """Trust one more session; one that is already held keeps its counter."""
        if session.counter_reset and replaced_at is None:
            self.restarting.add(str(session.dev_eui))
        held = self._by_address.setdefault(session.dev_addr, [])
        for one in held:
            if _identity(one.session) == _identity(session):
                if one.session.app_s_key != session.app_s_key:
                    one.keys = SessionKeys(session.nwk_s_key, session.app_s_key)
                one.session = session  # codec or AppSKey may have been corrected, the counter stays
                one.replaced_at = replaced_at
                return
        held.append(_Held(session))
        held[-1].replaced_at = replaced_at
        self._new.add(session.dev_addr)

    def take_new(self) -> Collection[DevAddr]:
        """The addresses of sessions added since this was asked last."""
        new, self._new = self._new, set()
        return new

    def sessions(self) -> list[tuple[Session, datetime | None]]:
        """Every session that is held, with the time since when it is only kept for stragglers."""
        return [(one.session, one.replaced_at) for one in self._all()]

    def resume(self, dev_eui: DevEUI, dev_addr: DevAddr, highest: int) -> None:
        """Somebody who remembers longer than we do has heard this counter in the session."""
        for one in self._by_address.get(dev_addr, ()):
            if one.session.dev_eui == dev_eui:
                one.highest = highest if one.highest is None else max(one.highest, highest)

    def _note_restarts(self) -> None:
        current = (one.session for one in self._all() if one.replaced_at is None)
        self.restarting = {str(session.dev_eui) for session in current if session.counter_reset}

    def replace_all(self, sessions: Iterable[Session], now: datetime) -> None:
        """Trust these sessions from now on.

        A session that is gone although its device is still listed was replaced by a join: frames
        of it may still be under way, so it is kept for `keep_replaced`. A device that is not listed
        any more is forgotten at once.
        """
        listed = list(sessions)
        devices = {session.dev_eui for session in listed}
        kept = {_identity(session) for session in listed}
        for session in listed:
            self.add(session)
        for one in list(self._all()):
            if _identity(one.session) in kept:
                continue
            if one.session.dev_eui not in devices:
                self._forget(one)
            elif one.replaced_at is None:
                one.replaced_at = now
        self.forget_replaced(now)
        self._note_restarts()

    def forget_replaced(self, now: datetime) -> None:
        """Drop sessions whose time of grace is over."""
        for one in list(self._all()):
            if one.replaced_at is not None and now - one.replaced_at > self._keep_replaced:
                self._forget(one)

    def open(self, frame: DataUp) -> Opened:
        """Prove the sender, complete the counter, decrypt; Unresolved if no session does."""
        candidates = self._by_address.get(frame.dev_addr)
        if not candidates:
            raise Unresolved(f"DevAddr {frame.dev_addr}: no session known")
        for one in candidates:
            f_cnt = self._counter(one, frame)
            if f_cnt is not None:
                self._check_order(one, f_cnt)
                one.highest = f_cnt if one.highest is None else max(one.highest, f_cnt)
                return Opened(one.session, f_cnt, frame.f_port, one.keys.decrypt(frame, f_cnt))
        raise Unresolved(
            f"DevAddr {frame.dev_addr}, FCnt {frame.f_cnt16} (16 bits): MIC {frame.mic.hex()} fits none "
            f"of {len(candidates)} session(s)"
        )

    def _counter(self, one: _Held, frame: DataUp) -> int | None:
        return next(
            (
                f_cnt
                for f_cnt in _candidates(one.highest, frame.f_cnt16, anew=one.session.counter_reset)
                if one.keys.vouches_for(frame, f_cnt)
            ),
            None,
        )

    def _check_order(self, one: _Held, f_cnt: int) -> None:
        behind = 0 if one.highest is None else one.highest - f_cnt
        if self._reordering is not None and behind > self._reordering and not one.session.counter_reset:
            raise Unresolved(
                f"device {one.session.dev_eui}: FCnt {f_cnt} is {behind} behind the highest seen; a replayed "
                f"frame, or a device that restarted its counter without joining"
            )

    def _all(self) -> Iterator[_Held]:
        for held in self._by_address.values():
            yield from held

    def _forget(self, one: _Held) -> None:
        address = one.session.dev_addr
        self._by_address[address].remove(one)
        if not self._by_address[address]:
            del self._by_address[address]


def _candidates(highest: int | None, low: int, *, anew: bool) -> Iterator[int]:
    """Full counters that end in `low`, likeliest first; the MIC decides between them.

    A counter begins at 0 again after a reset that nobody announced; `anew`: and may be anywhere since.
    """
    if highest is not None:
        near = set(_near(highest, low))
        yield from sorted(near, key=lambda f_cnt: abs(f_cnt - highest))
        last = _HIGH_HALVES_OF_A_STRANGER if anew else 2
        yield from (f_cnt for f_cnt in range(low, last * _ROLL_OVER, _ROLL_OVER) if f_cnt not in near)
    else:
        yield from range(low, low + _HIGH_HALVES_OF_A_STRANGER * _ROLL_OVER, _ROLL_OVER)


def _near(highest: int, low: int) -> Iterator[int]:
    same = (highest & ~(_ROLL_OVER - 1)) | low
    for f_cnt in (same - _ROLL_OVER, same, same + _ROLL_OVER, same + 2 * _ROLL_OVER):
        if 0 <= f_cnt < _COUNTER_END:
            yield f_cnt


def _identity(session: Session) -> tuple[bytes, bytes, bytes]:
    return session.dev_eui, session.dev_addr, session.nwk_s_key


class SessionsFile:
    """Keeps a keyring in step with its file: a join or a new device works without a restart."""

    def __init__(self, path: Path, keyring: Keyring, now: Callable[[], datetime]) -> None:
        self._path = path
        self._keyring = keyring
        self._now = now
        self._seen: tuple[int, ...] | None = ()

    def refresh(self) -> bool:
        """Read the file if it changed; a bad one is reported once and the old sessions stay in force."""
        seen = self._fingerprint()
        if seen == self._seen:
            return False
        self._seen = seen
        try:
            sessions = read_sessions(self._path)
        except SessionsFileError as error:
            log.error("%s; %d sessions stay in force", error, len(self._keyring))  # noqa: TRY400
            return False
        self._keyring.replace_all(sessions, self._now())
        if seen is not None and stat.S_IMODE(seen[-1]) & 0o077:
            log.warning("%s holds keys and others may read it: chmod 600", self._path)
        log.info("%s: %d sessions", self._path, len(sessions))
        return True

    def _fingerprint(self) -> tuple[int, ...] | None:
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode
