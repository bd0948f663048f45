"""Take up frames that came before their session: once somebody vouches for them they are uplinks.

The ledger knows in which rows of the journal frames of an address lie. They are handled between live
batches, each exactly once: deduplication knows those that came by another way meanwhile. What nobody
vouches for goes on waiting: another worker may know a session before our file has it, and a key may be
corrected.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ingest.journal import JournalReader, JournalUnavailable
from ingest.pipeline import Pipeline
from udp.ledger.port import Ledger, Page, WaitingFrames

log = logging.getLogger(__name__)

_BATCH = 500
_LIVE_BATCHES = 10  # what is live comes first, but never for ever


@dataclass(slots=True)
class _Job:
    """One file's frames; `row` is handled."""

    name: str
    frames: Sequence[WaitingFrames]
    row: int
    unopened: set[bytes] = field(default_factory=set)

    @property
    def last(self) -> int:
        return max(one.last for one in self.frames)


class TakeUp:
    """Works off what the ledger says is wanted, a batch at a time."""

    def __init__(self, reader: JournalReader, pipeline: Pipeline, ledger: Ledger) -> None:
        """`reader`: for this alone, it stands elsewhere than the live one."""
        self._reader = reader
        self._pipeline = pipeline
        self._ledger = ledger
        self._jobs: list[_Job] = []
        self._looked = False
        self._passed = 0

    def look(self) -> None:
        """Sessions have come: ask the ledger at the next step."""
        self._looked = False

    def step(self, *, between: bool) -> bool:
        """Handle one batch, or leave it for later if `between` live ones; whether there was anything."""
        if not self._looked:
            self._jobs = self._wanted()
            self._looked = True
        self._passed += 1
        if not self._jobs or (between and self._passed < _LIVE_BATCHES):
            return False
        self._passed = 0
        job = self._jobs[0]
        try:
            self._handle(job)
        except JournalUnavailable as error:  # an old month that was deleted or is damaged stops nobody live
            log.error("frames that waited are not taken up before the next start: %s", error)  # noqa: TRY400
            self._jobs.remove(job)
        return True

    def _wanted(self) -> list[_Job]:
        names = dict(self._readable())
        by_file: dict[str, list[WaitingFrames]] = {}
        for one in self._ledger.wanted_frames(list(names)):
            by_file.setdefault(one.journal, []).append(one)
        for key, frames in by_file.items():
            log.info("%d addresses have a session now: taking up their frames in %s", len(frames), key)
        return [_Job(names[key], own, min(one.first for one in own) - 1) for key, own in by_file.items()]

    def _readable(self) -> Iterator[tuple[str, str]]:
        """Key and name of every file."""
        for name in self._reader.names():
            try:
                yield self._reader.key(name), name
            except JournalUnavailable as error:
                log.error("frames that wait in it are not taken up: %s", error)  # noqa: TRY400

    def _handle(self, job: _Job) -> None:
        entries = self._reader.read(job.name, job.row, _BATCH)
        entries = [one for one in entries if one.row <= job.last]
        if entries:
            job.unopened |= set(self._pipeline.take_up(entries, {one.dev_addr for one in job.frames}))
            job.row = entries[-1].row
        if not entries or job.row >= job.last:
            waiting = [one for one in job.frames if one.dev_addr in job.unopened]
            done = [one for one in job.frames if one.dev_addr not in job.unopened]
            self._ledger.write(Page(taken_up=done, unopened=waiting))
            self._jobs.remove(job)
