"""Read the journal again with today's codecs, profiles and register, and bring the store level with it.

Unchanged values change nothing; a changed one is written as a higher revision, known from now on.
With an empty store and ledger this rebuilds both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from edge.wire.identifiers import DevEUI
from edge.wire.instants import instant, microseconds
from edge.wire.messages import Uplink
from ingest import quarantine
from ingest.assigning import Claims
from ingest.copies import Copies, Copy, batches, in_order
from ingest.decode import Item
from ingest.deduplicate import again, as_life, find, memory_ended, names_of
from ingest.difference import Difference, compare
from ingest.difference_report import DifferenceReport
from ingest.heard import Empty, Unusable
from ingest.journal import Entry, JournalReader
from ingest.moments import Place, put_behind, stored_at
from ingest.notes import Notes, doubtful, seen_uplink
from ingest.outlived import misdated, outlived
from ingest.pipeline import Pipeline, alone
from ingest.quality import Verdict
from ingest.storing import crowded
from udp.ledger.port import Ledger, Page, Quarantined, QuarantineReader, Remembered, SeenUplink
from udp.ledger.quarantining import digest
from udp.store.port import ObservationStore, resolution_us

_BATCH = 2_000


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

    def add(self, found: Difference) -> None:
        """Count what a batch changes."""
        self.unchanged += found.unchanged
        self.changed += found.changed
        self.added += found.added
        self.missing += found.missing
        self.corrected += found.corrected
        self.report.add(found.examples)

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


class Choice(NamedTuple):
    """What a replay makes of one delivery, and what the ledger is told of it."""

    counts: bool
    noted: tuple[SeenUplink, ...]
    doubt: str = ""


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
        remember: timedelta,
        restarts: Callable[[str], bool] = lambda _dev_eui: False,
    ) -> None:
        """`pipeline`: made with a decoder that decodes anew and a memory of what was before `since`.
        `remember`, `restarts`: as the ledger's memory is kept, see IngestSettings and Deduplicator.
        `withdraw`: values nobody makes any more become bad instead of staying as they are."""
        self._pipeline = pipeline
        self._store = store
        self._ledger = ledger
        self._waiting = waiting
        self._now = now
        self._dry_run = dry_run
        self._withdraw = withdraw
        self._remembered_since = microseconds(now() - remember)
        self._restarts = restarts
        self._claims = Claims()

    def run(self, readers: Sequence[JournalReader], scope: Scope) -> Summary:
        """Everything in scope, in journal order. StoreUnavailable ends it; running it again is safe."""
        known = self._pipeline.bindings.devices
        summary = Summary(
            unknown=sorted({one for one in scope.devices if one not in known}, key=str),
            withdrawn=self._withdraw,
        )
        copies = Copies(readers, lambda entries: self._seen(self._uplinks_of(entries, scope)))
        with closing(copies):
            for entries in batches(_inside(readers, scope), _BATCH):
                alone(
                    entries,
                    lambda some: self._handle(some, scope, copies, summary),
                    lambda entry, fault: self._set_aside(entry, fault, summary),
                )
        return summary

    def _set_aside(self, entry: Entry, fault: Unusable, summary: Summary) -> None:
        summary.deliveries += 1
        summary.quarantined += 1
        if not self._dry_run:
            self._ledger.write(Page(quarantined=[quarantine.delivery(entry, fault)]))

    def _handle(self, entries: Sequence[Entry], scope: Scope, copies: Copies, summary: Summary) -> None:
        opening, drawing = Notes(), Notes()
        items = self._pipeline.open(entries, opening)
        uplinks, others = self._pipeline.sort(items, opening)
        if scope.devices:
            uplinks = [item for item in uplinks if _dev_eui(item) in scope.devices]
            others = []
        choices = self._choose(uplinks, copies)
        chosen = [item for item, choice in zip(uplinks, choices, strict=True) if choice.counts] + others
        for item, choice in zip(uplinks, choices, strict=True):
            if choice.doubt:
                drawing.set_aside(quarantine.message(item, doubtful(seen_uplink(item), choice.doubt)))
        drawn = self._pipeline.draw(chosen, drawing)
        verdict = self._pipeline.judge(drawn)
        silent = self._silent(chosen, verdict)
        gone = outlived(self._store, verdict.observations, microseconds(self._now()))
        kept = np.flatnonzero(~gone)
        dated = np.array([not isinstance(item.heard, Uplink) for item in drawn.items], bool)[verdict.source]
        found = compare(
            self._store, verdict.observations.take(kept), silent, self._now(),
            claims=self._claims, dated=dated[kept], withdraw=self._withdraw,
        )  # fmt: skip
        homeless = np.zeros(len(gone), bool)
        homeless[kept[list(found.homeless)]] = True
        problems = [*misdated(verdict, gone), *crowded(verdict, homeless, drawn.items)]
        for number, problem in problems:
            drawing.set_aside(quarantine.message(drawn.items[number], problem))
        lost = {number for number, _ in problems}
        again = [item for item, one in zip(uplinks, choices, strict=True) if not one.counts and not one.doubt]
        usable = [item for number, item in enumerate(drawn.items) if number not in lost]
        released = self._released([*usable, *again])
        if not self._dry_run:
            # The store first: what the ledger has noted may be taken for stored.
            if len(found.write):
                ignored = self._store.append(found.write)
                # Ingest goes on meanwhile and may have been quicker: then what is new stands behind that.
                put_behind(self._store, found.write.take(ignored[ignored < found.added]))
            seen = [one for choice in choices for one in choice.noted]
            runs = () if scope.devices else opening.runs
            aside = drawing.quarantined if scope.devices else opening.quarantined + drawing.quarantined
            self._ledger.write(Page(uplinks=seen, runs=runs, quarantined=aside, released=released))
        else:
            copies.count([one.identity for choice in choices if choice.counts for one in choice.noted])
        self._claims.end()
        self._pipeline.keep(verdict.judged)
        summary.deliveries += len(entries)
        summary.messages += len(uplinks) + len(others)
        summary.add(found)
        summary.quarantined += len(drawing.quarantined) + (0 if scope.devices else len(opening.quarantined))
        summary.released += len(released)

    def _uplinks_of(self, entries: Sequence[Entry], scope: Scope) -> list[Item]:
        found = self._pipeline.uplinks_of(entries)
        return [item for item in found if not scope.devices or _dev_eui(item) in scope.devices]

    def _seen(self, items: Sequence[Item]) -> list[SeenUplink]:
        seen = [seen_uplink(item) for item in items]
        return [as_life(one) if self._restarts(one.dev_eui) else one for one in seen]

    def _choose(self, items: Sequence[Item], copies: Copies) -> list[Choice]:
        """The delivery that counted when it came counts again; where nobody remembers, the copy whose
        values the store has, else the first that was journalled."""
        seen = self._seen(items)
        known = self._ledger.remembered([name for one in seen for name in names_of(one)])
        unknown = [(item, one) for item, one in zip(items, seen, strict=True) if find(one, known) is None]
        counted = self._counted(unknown, copies)
        counters = self._ledger.session_counters([(one.dev_eui, one.session) for _item, one in unknown])
        choices: list[Choice] = []
        for item, one in zip(items, seen, strict=True):
            if found := find(one, known):
                choices.append(_known(*found, one))
                continue
            counter = counters.get((one.dev_eui, one.session))
            forgotten = -1 if counter is None or one.also else counter.forgotten
            past = one.f_cnt <= forgotten
            if past and item.entry.received_at > self._remembered_since:
                # Had it been taken when it came it would be remembered still.
                choices.append(Choice(counts=False, noted=(), doubt=memory_ended(forgotten)))
            elif self._dry_run and copies.counted(one.identity):
                choices.append(Choice(counts=False, noted=()))
            else:
                choices.append(_unknown(counted[one.identity], one, past=past))
        return choices

    def _counted(
        self, unknown: Sequence[tuple[Item, SeenUplink]], copies: Copies
    ) -> Mapping[bytes, Remembered]:
        """The copy of each uplink that counts, though the ledger does not know it."""
        if not unknown:
            return {}
        held = copies.of(sorted({name for _item, one in unknown for name in names_of(one)}))
        found: dict[bytes, list[Copy]] = {}
        places: dict[bytes, list[set[Place]]] = {}
        fine = resolution_us(self._store)
        for item, one in unknown:
            own = sorted(copy for name in names_of(one) for copy in held.get(name, ()))
            found[one.identity] = own
            if len({copy.received_at for copy in own}) > 1:
                places[one.identity] = [self._places(item, copy.received_at // fine * fine) for copy in own]
        asked = {place for several in places.values() for some in several for place in some}
        stored = stored_at(self._store, asked).keys()
        counted: dict[bytes, Remembered] = {}
        for identity, own in found.items():
            kept = (n for n, some in enumerate(places.get(identity, ())) if not stored.isdisjoint(some))
            copy = own[next(kept, 0)]
            counted[identity] = Remembered(instant(copy.received_at), copy.payload)
        return counted

    def _silent(self, items: Sequence[Item], verdict: Verdict) -> Mapping[Place, int]:
        """How many of these messages have no value for a Datastream of their device at their time."""
        places = Counter(
            place
            for item in items
            if isinstance(item.heard, Uplink)
            for place in self._places(item, microseconds(item.heard.received_at))
        )
        rows = verdict.observations
        times = rows.phenomenon_time.astype(np.int64).tolist()
        said = set(zip(verdict.source.tolist(), rows.datastream.tolist(), times, strict=True))
        places.subtract((stream, time) for _, stream, time in said if (stream, time) in places)
        return +places

    def _places(self, item: Item, at: int) -> set[Place]:
        bindings = self._pipeline.bindings
        bound = bindings.devices.get(_dev_eui(item) or DevEUI(bytes(8)))
        if bound is None:
            return set()
        streams = bindings.channels.datastream
        return {(int(streams[p]), at) for positions in bound.fields.values() for p in positions}

    def _released(self, items: Sequence[Item]) -> list[Quarantined]:
        """The entries of these messages that wait in the quarantine."""
        if not items:
            return []
        times = [instant(item.entry.received_at) for item in items]
        held = self._waiting.quarantined_between(min(times), max(times))
        if not held:
            return []
        entries = (quarantine.waiting(item) for item in items)
        return [entry for entry in entries if digest(entry) in held]


def _known(before: Remembered, same: SeenUplink, one: SeenUplink) -> Choice:
    if before.received_at == one.received_at:
        return Choice(counts=True, noted=(same,))
    recognised = again(before, same)
    return Choice(counts=False, noted=() if recognised.why else (same,), doubt=recognised.why)


def _unknown(counted: Remembered, one: SeenUplink, *, past: bool) -> Choice:
    """`past`: the ledger has known it; told again, it would count twice."""
    if counted.received_at == one.received_at:
        return Choice(counts=True, noted=() if past else (one,))
    recognised = again(counted, one)
    if past or recognised.why:
        return Choice(counts=False, noted=(), doubt=recognised.why)
    # The one that counts may come later and must be remembered as first: the next replay goes by it.
    first = one._replace(received_at=counted.received_at, payload=counted.payload, receptions=())
    return Choice(counts=False, noted=(first, one))


def _dev_eui(item: Item) -> DevEUI | None:
    return item.heard.dev_eui if isinstance(item.heard, Uplink | Empty) else None


def _inside(readers: Sequence[JournalReader], scope: Scope) -> Iterator[Entry]:
    since, until = microseconds(scope.since), microseconds(scope.until)
    # To the end of each file: a clock that was ahead for a while put later times before earlier.
    for entry in in_order(readers, lambda reader, name: reader.first_since(name, scope.since)):
        if since <= entry.received_at < until:
            yield entry
