"""Who may come in for a citizen's project, and how often: keys from the register, without a restart.

A thread asks the register every few seconds; the doors only ever look at what it brought last.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from hmac import compare_digest
from pathlib import Path

from edge.wire.broker import TlsSettings, is_loopback
from edge.wire.settings import Secret
from udp.citizens.project import Door, digest
from udp.errors import StoreRejected, StoreUnavailable
from udp.ledger.port import PACKETS_KEPT, Ledger, Packet, PacketOutcome, Page

log = logging.getLogger(__name__)

_NOBODY = digest("")
_MOST_NAMES = 1_000
_KEPT_NOTES = 10 * PACKETS_KEPT


@dataclass(frozen=True, slots=True)
class ProjectMqttSettings:
    """Where citizens' applications are fetched from; The Things Network's cluster for Europe."""

    enabled: bool = True
    host: str = "eu1.cloud.thethings.network"
    port: int = 8883
    ca_file: Path | None = None

    def tls(self) -> TlsSettings | None:
        """Always, unless the server is on this machine and no authority is named (a test bench)."""
        return None if is_loopback(self.host) and self.ca_file is None else TlsSettings(self.ca_file)


@dataclass(frozen=True, slots=True)
class ProjectSettings:
    """Limits of every citizen's project. `key`: the one the API seals keys with ([devices] key there).

    `per_minute`: deliveries, by webhook and by MQTT; as many may come at once. A device within The
    Things Network's fair use sends a few hundred messages a day, a school class of thirty one a second.
    """

    enabled: bool = True
    key: Secret | None = None
    refresh: timedelta = timedelta(seconds=2)
    max_bytes: int = 64_000
    per_minute: int = 60
    mqtt: ProjectMqttSettings = field(default_factory=ProjectMqttSettings)

    def __post_init__(self) -> None:
        if self.per_minute < 1 or self.max_bytes < 1_000:
            raise ValueError("per_minute must be at least 1 and max_bytes at least 1000")


class Admission(Enum):
    """Whether a project's delivery may come in."""

    OPEN = "open"
    WRONG_KEY = "wrong_key"
    NOT_APPROVED = "not_approved"
    TOO_OFTEN = "too_often"


class Allowance:
    """So many deliveries a minute, and as many at once: a bucket that fills again."""

    def __init__(self, per_minute: int, monotonic: Callable[[], float]) -> None:
        self._per_second = per_minute / 60.0
        self._most = float(per_minute)
        self._left = self._most
        self._monotonic = monotonic
        self._at = monotonic()

    def take(self) -> bool:
        """Whether one more may come; it is counted then."""
        now = self._monotonic()
        self._left = min(self._most, self._left + (now - self._at) * self._per_second)
        self._at = now
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    @property
    def wait_s(self) -> int:
        """Seconds until one more may come, at least one."""
        return max(1, int((1.0 - self._left) / self._per_second) + 1)


class ProjectDoors:
    """The keys and allowances of all projects, and what is to be told about their deliveries."""

    def __init__(
        self, settings: ProjectSettings, now: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self.settings = settings
        self._now = now
        self._monotonic = monotonic
        self._doors: Mapping[str, Door] = {}
        self._allowances: dict[str, Allowance] = {}
        self._packets: dict[str, deque[Packet]] = {}
        self._lock = threading.Lock()

    @property
    def doors(self) -> Mapping[str, Door]:
        """As the register last said."""
        return self._doors

    def replace(self, doors: Sequence[Door]) -> None:
        """What the register says now."""
        self._doors = {one.slug: one for one in doors}
        with self._lock:
            self._allowances = {slug: one for slug, one in self._allowances.items() if slug in self._doors}

    def admit(self, slug: str, shown: str) -> Admission:
        """Judge a delivery by webhook. Unknown projects take as long as known ones."""
        door = self._doors.get(slug)
        known = _NOBODY if door is None or door.webhook is None else door.webhook
        right = compare_digest(known, digest(shown)) and bool(shown)
        if door is None or not right:
            return Admission.WRONG_KEY
        if not door.approved:
            return Admission.NOT_APPROVED
        return Admission.OPEN if self.may_come(slug) else Admission.TOO_OFTEN

    def may_come(self, slug: str) -> bool:
        """Whether the project has not had its share of this minute."""
        with self._lock:
            return self._allowance(slug).take()

    def wait_s(self, slug: str) -> int:
        """Seconds after which it is worth trying again."""
        with self._lock:
            return self._allowance(slug).wait_s

    def note(self, project: str, outcome: PacketOutcome, detail: str, size: int = 0) -> None:
        """Something to be told of a project's door. What comes faster than it is written is told once
        for the newest few: a flood at the door must not become one in the ledger."""
        packet = Packet(self._now(), project, outcome, detail, size=size)
        with self._lock:
            if project in self._packets or len(self._packets) < _MOST_NAMES:
                self._packets.setdefault(project, deque(maxlen=_KEPT_NOTES)).append(packet)

    def write_to(self, ledger: Ledger) -> None:
        """Everything noted since the last time; a ledger that is away gets it the next time."""
        with self._lock:
            packets, self._packets = self._packets, {}
        if not packets:
            return
        try:
            ledger.write(Page(packets=[one for several in packets.values() for one in several]))
        except StoreUnavailable as error:
            log.warning("%s; the projects' pages are not up to date", error)
            with self._lock:
                for project, several in packets.items():
                    later = self._packets.get(project, ())
                    self._packets[project] = deque([*several, *later], maxlen=_KEPT_NOTES)
        except StoreRejected as error:
            log.error("%s; what was noted of %s is not told", error, ", ".join(packets))  # noqa: TRY400

    def _allowance(self, slug: str) -> Allowance:
        found = self._allowances.get(slug)
        if found is None:
            found = self._allowances[slug] = Allowance(self.settings.per_minute, self._monotonic)
        return found
