"""One fsync for everything all doors heard within a few milliseconds; nobody is told before it.

Every door hands over its deliveries and waits for its own answer: durable, or why not.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ingest.journal import Delivery, JournalUnavailable, JournalWriter

log = logging.getLogger(__name__)

Answer = Callable[[JournalUnavailable | None], None]


@dataclass(frozen=True, slots=True)
class CommitSettings:
    """How much one commit gathers, and how much may wait for it."""

    linger: timedelta = timedelta(milliseconds=5)
    most_messages: int = 1_000
    pending_bytes: int = 64_000_000

    def __post_init__(self) -> None:
        if not timedelta(0) <= self.linger <= timedelta(milliseconds=20):
            raise ValueError(f"linger {self.linger.total_seconds()} s is not in 0-0.02 s")


@dataclass(frozen=True, slots=True)
class _Part:
    deliveries: Sequence[Delivery]
    octets: int
    answer: Answer


class Committer:
    """The one thread that writes the journal; all methods may be called from any thread."""

    def __init__(self, journal: JournalWriter, settings: CommitSettings) -> None:
        self.trouble = ""  # why nothing can be acknowledged at the moment
        self._journal = journal
        self._settings = settings
        self._parts: list[_Part] = []
        self._waiting = 0
        self._waiting_bytes = 0
        self._condition = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        """Begin to commit."""
        self._thread.start()

    def close(self) -> None:
        """Commit what waits, then release the journal."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        self._thread.join()
        self._journal.close()

    def submit(self, deliveries: Sequence[Delivery], answer: Answer) -> None:
        """Commit soon and call `answer` from the journal's thread: None when durable, else why not.

        Answers at once when too much is waiting already or the committer is closed."""
        octets = sum(len(one.octets) for one in deliveries)
        with self._condition:
            full = self._waiting_bytes > 0 and self._waiting_bytes + octets > self._settings.pending_bytes
            if not full and not self._stopping:
                self._parts.append(_Part(deliveries, octets, answer))
                self._waiting += len(deliveries)
                self._waiting_bytes += octets
                self._condition.notify_all()
                return
        reason = "is closed" if self._stopping else f"has {self._waiting_bytes} bytes waiting already"
        answer(JournalUnavailable(f"the journal {reason}: try again later"))

    def commit(self, deliveries: Sequence[Delivery]) -> None:
        """Return when durable; JournalUnavailable if it cannot be: nothing may be acknowledged then."""
        done = threading.Event()
        outcome: list[JournalUnavailable | None] = []

        def answer(error: JournalUnavailable | None) -> None:
            outcome.append(error)
            done.set()

        self.submit(deliveries, answer)
        done.wait()
        if outcome[0] is not None:
            raise outcome[0]

    def _run(self) -> None:
        while parts := self._gather():
            error = self._write([one for part in parts for one in part.deliveries])
            for part in parts:
                part.answer(error)

    def _gather(self) -> list[_Part]:
        with self._condition:
            while not self._parts and not self._stopping:
                self._condition.wait()
            until = time.monotonic() + self._settings.linger.total_seconds()
            while self._waiting < self._settings.most_messages and not self._stopping:
                left = until - time.monotonic()
                if left <= 0 or not self._condition.wait(left):
                    break
            parts, self._parts = self._parts, []
            self._waiting = self._waiting_bytes = 0
            return parts

    def _write(self, deliveries: Sequence[Delivery]) -> JournalUnavailable | None:
        try:
            self._journal.append(deliveries)
        except JournalUnavailable as error:
            if not self.trouble:
                log.error("%s", error)  # noqa: TRY400  # the disk's trouble, no fault of ours to trace
            self.trouble = str(error)
            return error
        if self.trouble:
            log.info("the journal can be written again; acknowledging goes on")
            self.trouble = ""
        return None
