"""Read the journal again with today's codecs, profiles and register, and bring the store level with it.

Unchanged values change nothing; a changed one is written as a higher revision, known from now on.
With an empty store and ledger this rebuilds both.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from edge.wire.identifiers import DevEUI
from edge.wire.messages import Uplink
from ingest.decode import Item, message_octets, moment
from ingest.difference import Place, compare
from ingest.difference_report import DifferenceReport
from ingest.heard import Empty
from ingest.journal import Entry, JournalReader
from ingest.normalise import microseconds
from ingest.pipeline import Drawn, Notes, Pipeline, seen_uplink
from udp.ledger.port import Ledger, Page, Quarantined, QuarantineReader, SeenUplink
from udp.store.port import ObservationStore

_BATCH = 2_000
_QUARANTINE_READ = 100_000


@dataclass(frozen=True, slots=True)
class Scope:
    """What to replay: deliveries journalled in [since, until), of these devices; none named means all."""

    since: datetime
    until: datetime
    devices: Collection[DevEUI] = ()


@dataclass(slots=True)
class Summary:
    """What a replay found, counted."""

    deliveries: int = 0
    messages: int = 0
    unchanged: int = 0
    changed: int = 0
    added: int = 0
    missing: int = 0
    corrected: int = 0
    quarantined: int = 0
    released: int = 0
    unknown: list[DevEUI] = field(default_factory=list)
    """Devices that were named and that the register does not know."""
    withdrawn: bool = False
    report: DifferenceReport = field(default_factory=DifferenceReport)

    def text(self, *, dry_run: bool) -> str:
        """For people, one figure per line."""
        head = "would be" if dry_run else "were"
        return "\n".join(
            (
                f"{self.deliveries:>10} deliveries read from the journal, with {self.messages} messages",
                f"{self.unchanged:>10} values unchanged",
                f"{self.changed:>10} values differ and {head} written as a higher revision",
                f"{self.added:>10} values {head} added",
                f"{self.missing:>10} values in the store are no longer produced "
                + (
                    f"and {head} marked as withdrawn"
                    if self.withdrawn
                    else "(they stay; see --withdraw-lost)"
                ),
                f"{self.corrected:>10} values differ from what a person decided, which stays",
                f"{self.quarantined:>10} messages cannot be used and stay in the quarantine",
                f"{self.released:>10} messages {head} released from the quarantine: they can be used now",
                *(
                    f"device {one} is not registered: nothing of it can be used; look at the DevEUI, "
                    "or register it with `udp import-city`"
                    for one in self.unknown
                ),
            )
        )


class Replay:
    """One run over the journals of all workers."""

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        store: ObservationStore,
        ledger: Ledger,
        waiting: QuarantineReader,
        now: Callable[[], datetime],
        dry_run: bool,
        withdraw: bool = False,
    ) -> None:
        """`pipeline`: made with a decoder that decodes anew and a memory of what was before `since`.

        `withdraw`: values nobody makes any more become bad instead of staying as they are.
        """
        self._pipeline = pipeline
        self._store = store
        self._ledger = ledger
        self._now = now
        self._dry_run = dry_run
        self._withdraw = withdraw
        self._waiting = {
            (one.way, one.origin, one.octets): one for one in waiting.quarantined(_QUARANTINE_READ)
        }
        self._waiting_since = {one.at for one in self._waiting.values()}
        self._done: set[bytes] = set()  # first deliveries the ledger does not know: a dry run, or a rebuild

    def run(self, readers: Sequence[JournalReader], scope: Scope) -> Summary:
        """Everything in scope, in journal order. StoreUnavailable ends it; running it again is safe."""
        known = self._pipeline.bindings.devices
        summary = Summary(
            unknown=sorted({one for one in scope.devices if one not in known}, key=str),
            withdrawn=self._withdraw,
        )
        for reader in readers:
            for entries in _batches(reader, scope):
                self._handle(entries, scope, summary)
        return summary

    def _handle(self, entries: Sequence[Entry], scope: Scope, summary: Summary) -> None:
        opening, drawing = Notes(), Notes()
        items = self._pipeline.open(entries, opening)
        uplinks, others = self._pipeline.sort(items, opening)
        if scope.devices:
            uplinks = [item for item in uplinks if _dev_eui(item) in scope.devices]
            others = []
        seen = [seen_uplink(item) for item in uplinks]
        firsts = self._firsts(seen)
        chosen = [item for item, first in zip(uplinks, firsts, strict=True) if first] + others
        drawn = self._pipeline.draw(chosen, drawing)
        verdict = self._pipeline.judge(drawn)
        expected = self._expected(chosen)
        found = compare(self._store, verdict.observations, expected, self._now(), withdraw=self._withdraw)
        summary.report.add(found.examples)
        released = self._released(drawn)
        summary.deliveries += len(entries)
        summary.messages += len(uplinks) + len(others)
        summary.unchanged += found.unchanged
        summary.changed += found.changed
        summary.added += found.added
        summary.missing += found.missing
        summary.corrected += found.corrected
        summary.quarantined += len(drawing.quarantined) + (0 if scope.devices else len(opening.quarantined))
        summary.released += len(released)
        self._pipeline.keep(verdict.judged)
        if self._dry_run:
            return
        # The store first: what the ledger has noted may be taken for stored.
        if len(found.write):
            self._store.append(found.write)
        runs = () if scope.devices else opening.runs
        aside = drawing.quarantined if scope.devices else opening.quarantined + drawing.quarantined
        self._ledger.write(Page(uplinks=seen, runs=runs, quarantined=aside, released=released))

    def _firsts(self, seen: Sequence[SeenUplink]) -> list[bool]:
        """The delivery that counted when it came counts again; where nobody remembers, the first one."""
        known = self._ledger.first_received([one.identity for one in seen])
        firsts: list[bool] = []
        for one in seen:
            if one.identity in known:
                firsts.append(known[one.identity] == one.received_at)
            else:
                firsts.append(one.identity not in self._done)
                self._done.add(one.identity)
        return firsts

    def _expected(self, items: Sequence[Item]) -> set[Place]:
        """Where values of these messages would be: their device's Datastreams at their times."""
        bindings = self._pipeline.bindings
        streams = bindings.channels.datastream.tolist()
        places: set[Place] = set()
        for item in items:
            bound = bindings.devices.get(_dev_eui(item) or DevEUI(bytes(8)))
            if bound is not None and isinstance(item.heard, Uplink):
                at = microseconds(item.heard.received_at)
                places.update((streams[p], at) for positions in bound.fields.values() for p in positions)
        return places

    def _released(self, drawn: Drawn) -> list[Quarantined]:
        released: list[Quarantined] = []
        for item in drawn.items:
            if moment(item.entry.received_at) in self._waiting_since:
                key = (item.entry.way, item.entry.origin, message_octets(item))
                waiting = self._waiting.pop(key, None)
                if waiting is not None:
                    released.append(waiting)
        return released


def _dev_eui(item: Item) -> DevEUI | None:
    return item.heard.dev_eui if isinstance(item.heard, Uplink | Empty) else None


def _batches(reader: JournalReader, scope: Scope) -> Iterator[list[Entry]]:
    since, until = microseconds(scope.since), microseconds(scope.until)
    for name in reader.names():
        after = reader.first_since(name, scope.since)
        while entries := reader.read(name, after, _BATCH):
            after = entries[-1].row
            # To the end of the file: a clock that was ahead for a while put later times before earlier.
            if inside := [one for one in entries if since <= one.received_at < until]:
                yield inside
