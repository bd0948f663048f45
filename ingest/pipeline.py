"""What becomes of a batch of deliveries: opened, recognised, normalised, judged, stored, noted.

`Pipeline.handle` is the table of contents. Repeating it changes nothing: the store knows each
Observation, the ledger each uplink, and the cursor moves only together with what was noted.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple, TypeVar

import numpy as np

from edge.lorawan.keyring import Keyring
from edge.wire.messages import Frame, GatewayStatus, Reading, Record, Uplink
from ingest import packets, quarantine
from ingest.decode import Item, PayloadDecoder, Spoilt, Stranger, address_of, open_entry, resolve
from ingest.deduplicate import Deduplicator, Standing
from ingest.heard import UPLINK, Joined, Noted, Unusable
from ingest.journal import Entry
from ingest.mapping import WAY, ForeignMapping
from ingest.normalise import Bindings, Columns, status_record
from ingest.notes import Notes, doubtful, seen_uplink
from ingest.quality import Judged, QualityMemory, QualitySettings, Verdict, judge
from ingest.storing import store_values
from udp.errors import StoreUnavailable
from udp.ledger.port import Ledger, Page, Quarantined, SeenUplink, SequenceRun, WaitingFrames
from udp.registry.port import Device
from udp.store.columns import Observations
from udp.store.digits import rounded
from udp.store.port import ObservationStore

log = logging.getLogger(__name__)
T = TypeVar("T")
R = TypeVar("R")


class Drawn(NamedTuple):
    """Values drawn from messages; `items[n]` is the source of message n of the columns, and `records[n]`
    is what its codec said."""

    columns: Columns
    items: list[Item]
    records: list[Sequence[Record]]


class Stored(NamedTuple):
    """What of a batch is in the store now; `seen` is for the ledger, `repeated` was there before."""

    seen: list[SeenUplink]
    repeated: list[Item]
    drawn: Drawn
    verdict: Verdict


class Pipeline:
    """Everything between journal and store, for one journal's deliveries in their order."""

    def __init__(
        self,
        *,
        store: ObservationStore,
        ledger: Ledger,
        bindings: Bindings,
        keyring: Keyring,
        decoder: PayloadDecoder,
        deduplicator: Deduplicator,
        memory: QualityMemory,
        quality: QualitySettings,
        foreign: Mapping[str, ForeignMapping] = MappingProxyType({}),
    ) -> None:
        """`foreign`: mapping files of foreign platforms by name."""
        self._foreign = foreign
        self._store = store
        self._ledger = ledger
        self._bindings = bindings
        self._keyring = keyring
        self._decoder = decoder
        self._deduplicator = deduplicator
        self._memory = memory
        self._quality = quality
        self._strangers = quarantine.StrangeAddresses()

    @property
    def bindings(self) -> Bindings:
        """The inventory in force."""
        return self._bindings

    def bind(self, bindings: Bindings) -> None:
        """From the next batch on, this inventory is in force."""
        self._bindings = bindings

    def beside(self, others: Collection[str]) -> None:
        """Other workers write the same ledger: from the next batch on none counts what another has."""
        self._deduplicator.beside_others = bool(others)

    def handle(self, journal: str, entries: Sequence[Entry]) -> None:
        """Bring the entries into store and ledger; StoreUnavailable: call again from the ledger's cursor."""
        self._alone(journal, entries, lambda some: self._handle(journal, some))

    def take_up(self, entries: Sequence[Entry], addresses: Collection[bytes]) -> Collection[bytes]:
        """Frames of these addresses, handled before when nobody vouched for them, once more.

        The addresses of those that nobody vouches for still.
        """
        unopened: set[bytes] = set()
        self._alone("", entries, lambda some: self._take_up(some, addresses, unopened))
        return unopened

    def _alone(
        self, journal: str, entries: Sequence[Entry], attempt: Callable[[Sequence[Entry]], None]
    ) -> None:
        alone(entries, attempt, lambda entry, fault: self._skip(journal, entry, fault))

    def _skip(self, journal: str, entry: Entry, fault: Unusable) -> None:
        notes = Notes()
        notes.set_aside(quarantine.delivery(entry, fault))
        cursor = (journal, entry.row) if journal else None
        self._ledger.write(Page(quarantined=notes.quarantined, counters=notes.counters, cursor=cursor))

    def _handle(self, journal: str, entries: Sequence[Entry]) -> None:
        notes = Notes()
        items = self.open(entries, notes)
        uplinks, others = self.sort(items, notes)
        waiting = [WaitingFrames(address, journal, *rows) for address, rows in notes.strangers.items()]
        stored = self._store_new(uplinks, others, notes)
        cursor = (journal, entries[-1].row)
        told = packets.told(
            entries,
            opened=items,
            repeated=stored.repeated,
            drawn=zip(stored.drawn.items, stored.drawn.records, strict=True),
            kept=packets.Kept(stored.verdict.observations, stored.verdict.source, self._bindings),
            quarantined=notes.quarantined,
        )
        page = Page(stored.seen, notes.runs, notes.quarantined, notes.counters, cursor)
        self._ledger.write(replace(page, frames=waiting, packets=told))
        self._remember(stored)

    def _take_up(self, entries: Sequence[Entry], addresses: Collection[bytes], unopened: set[bytes]) -> None:
        notes = Notes()  # what else these deliveries say was noted when they came
        uplinks = list(self._vouched_for(self.open(entries, Notes()), addresses, unopened))
        if not uplinks:
            return
        notes.counters["frames_taken_up"] += len(uplinks)
        released = [quarantine.waiting(item) for item in uplinks]
        stored = self._store_new(uplinks, [], notes)
        self._ledger.write(Page(stored.seen, (), notes.quarantined, notes.counters, released=released))
        self._remember(stored)

    def _remember(self, stored: Stored) -> None:
        self._deduplicator.remember(stored.seen)
        self.keep(stored.verdict.judged)

    def uplinks_of(self, entries: Sequence[Entry]) -> list[Item]:
        """The uplinks in these deliveries, and nothing else of them."""
        found: list[Item] = []
        for item in self.open(entries, Notes()):
            if isinstance(item.heard, Frame):
                opened = self._attempt(self._opened, item, quarantine.message, Notes())
                found += [] if opened is None else [opened]
            elif isinstance(item.heard, UPLINK) and self._attempt(
                self._entitled, item, quarantine.message, Notes()
            ):
                found.append(item)
        return found

    def _vouched_for(
        self, items: Sequence[Item], addresses: Collection[bytes], unopened: set[bytes]
    ) -> Iterator[Item]:
        for item in items:
            if isinstance(item.heard, Frame) and (address := address_of(item.heard)) in addresses:
                try:
                    yield self._opened(item)
                except Unusable:  # somebody else's device with this address, or a key that is yet to come
                    unopened.add(address)

    def _store_new(self, uplinks: Sequence[Item], others: Sequence[Item], notes: Notes) -> Stored:
        """Store what was not stored before; what ledger and quality are to remember is not remembered yet."""
        recognised = self._deduplicator.recognise([seen_uplink(item) for item in uplinks])
        new: list[Item] = []
        for item, one in zip(uplinks, recognised, strict=True):
            if one.standing is Standing.FIRST:
                new.append(item)
            elif one.standing is Standing.AGAIN:
                notes.counters["duplicates"] += 1
            else:
                notes.counters["counters_doubtful"] += 1
                notes.set_aside(quarantine.message(item, doubtful(one.seen, one.why)))
        drawn = self.draw([*new, *others], notes)
        verdict = self.judge(drawn)
        now_us = max(drawn.columns.journalled, default=0)
        store_values(self._store, verdict, drawn.items, now_us, notes)
        remembered = [one.seen for one in recognised if one.standing is not Standing.DOUBTFUL]
        repeated = [
            item for item, one in zip(uplinks, recognised, strict=True) if one.standing is Standing.AGAIN
        ]
        return Stored(remembered, repeated, drawn, verdict)

    def open(self, entries: Sequence[Entry], notes: Notes) -> list[Item]:
        """Every message of every delivery, in order; frames resolved where we hold the key."""
        items: list[Item] = []
        for entry in entries:
            if self._bindings.has_left(entry.origin):
                notes.counters["withdrawn"] += 1
                continue
            opened = self._attempt(self._open_entry, entry, quarantine.delivery, notes)
            notes.counters[f"deliveries_{entry.way}"] += 1
            if opened is None:
                continue
            found, run, spoilt = opened
            items += found
            if run is not None:
                notes.runs.append(run)
            for octets, problem in spoilt:
                notes.set_aside(quarantine.part(entry, octets, problem))
        return items

    def sort(self, items: Sequence[Item], notes: Notes) -> tuple[list[Item], list[Item]]:
        """(uplinks, readings and statuses); what only needs counting is counted."""
        uplinks: list[Item] = []
        others: list[Item] = []
        for item in items:
            heard = item.heard
            notes.counters[f"messages_{item.way}"] += 1
            if isinstance(heard, UPLINK):
                if self._attempt(self._entitled, item, quarantine.message, notes):
                    uplinks.append(item)
            elif isinstance(heard, Reading | GatewayStatus):
                others.append(item)
            elif isinstance(heard, Frame):
                resolved = self._attempt(
                    lambda one: self._resolve(one, notes), item, quarantine.message, notes
                )
                if resolved is not None:
                    uplinks.append(resolved)
            elif isinstance(heard, Joined):
                notes.counters["joins"] += 1
            elif isinstance(heard, Noted):
                notes.counters[f"{item.way}_{heard.kind}"] += 1
        return uplinks, others

    def draw(self, items: Sequence[Item], notes: Notes) -> Drawn:
        """The values of all messages that have any, as columns."""
        drawn = Drawn(Columns(), [], [])
        self._decoder.ahead(list(self._decodable(items)))
        for item in items:
            records = self._attempt(
                lambda one: self._draw_one(one, drawn.columns), item, quarantine.message, notes
            )
            if records is not None:
                drawn.items.append(item)
                drawn.records.append(records)
        return drawn

    def judge(self, drawn: Drawn) -> Verdict:
        """Values to Observations with their quality."""
        columns, channels = drawn.columns, self._bindings.channels
        position = np.array(columns.position, np.int64)
        source = np.repeat(np.arange(len(columns.count)), columns.count)
        time, known = np.array(columns.time, np.int64), np.array(columns.known, np.int64)[source]
        journalled = np.array(columns.journalled, np.int64)[source]
        value = np.array(columns.raw, np.float64)  # rounded once, as the Datastream says it
        result = rounded(value * channels.scale[position] + channels.offset[position])
        ahead = self._quality.clock_ahead.total_seconds() * 1e6
        behind = self._quality.clock_behind.total_seconds() * 1e6
        wrong = (np.maximum(known, time) > journalled + ahead) | (time < journalled - behind)
        judged = judge(channels, position, result, time, clock_wrong=wrong, memory=self._memory)
        observations = Observations.build(
            channels.datastream[position], time, result,
            result_time=known, quality=judged.quality, rule=judged.rule,
        )  # fmt: skip
        if not len(position):
            observations = Observations.empty()  # build makes one row of scalars alone
        return Verdict(observations, source, judged)

    def keep(self, judged: Judged) -> None:
        """Remember the newest values, once they are kept: the next ones are compared with them."""
        self._memory.keep(judged.datastreams, judged.last)

    def _open_entry(self, entry: Entry) -> tuple[list[Item], SequenceRun | None, list[Spoilt]]:
        return open_entry(entry, self._foreign)

    def _resolve(self, item: Item, notes: Notes) -> Item | None:
        try:
            return self._opened(item)
        except Stranger as problem:
            notes.counters["frames_without_session"] += 1
            notes.waits(problem.address, item.entry.row)
            if self._strangers.is_news(problem.address, item.entry.received_at):
                notes.set_aside(quarantine.message(item, problem))
        return None

    def _opened(self, item: Item) -> Item:
        return item._replace(heard=resolve(item.heard, self._keyring))  # type: ignore[arg-type]  # a Frame

    def _decodable(self, items: Sequence[Item]) -> Iterator[tuple[Uplink, Device]]:
        for item in items:
            if isinstance(item.heard, Uplink):
                bound = self._bindings.devices.get(item.heard.dev_eui)
                if bound is not None:  # else that is said when its turn comes
                    yield item.heard, bound.device

    def _entitled(self, item: Item) -> bool:
        heard = item.heard
        if isinstance(heard, UPLINK):
            self._bindings.require_entitled(item.entry.origin, heard.dev_eui)
        return True

    def _draw_one(self, item: Item, columns: Columns) -> Sequence[Record] | None:
        heard = item.heard
        if isinstance(heard, Uplink):
            bound = self._bindings.device(heard.dev_eui)
            fields, records = bound.fields, self._decoder(heard, bound.device)
        elif isinstance(heard, Reading):
            fields = self._bindings.sensor(item.agent, heard.sensor)
            if item.way == WAY:
                self._bindings.require_units(fields, self._foreign[item.agent].units)
            records = (Record(heard.fields, heard.phenomenon_time),)
        elif isinstance(heard, GatewayStatus):
            fields, records = self._bindings.sensor(item.agent, "gateway"), (status_record(heard),)
        else:
            return None
        columns.add(records, fields, received_at=heard.received_at, journalled_at=item.entry.received_at)
        return records

    def _attempt(
        self, step: Callable[[T], R], subject: T, aside: Callable[[T, Unusable], Quarantined], notes: Notes
    ) -> R | None:
        try:
            return step(subject)
        except Unusable as problem:
            notes.set_aside(aside(subject, problem))
        except Exception as error:  # the one catch: a fault of ours must not stop everybody else's data
            log.exception("unexpected fault at %r", subject)
            notes.set_aside(aside(subject, _fault(error)))
        return None


def alone(
    entries: Sequence[Entry],
    attempt: Callable[[Sequence[Entry]], None],
    set_aside: Callable[[Entry, Unusable], None],
) -> None:
    """Attempt all; a fault nobody foresaw must not stop the others: its delivery alone is set aside."""
    try:
        attempt(entries)
    except StoreUnavailable:
        raise
    except Exception as error:  # as in _attempt, for what only shows beyond a single message
        log.exception("unexpected fault at rows %d-%d", entries[0].row, entries[-1].row)
        fault = _fault(error)
    else:
        return
    if len(entries) == 1:
        set_aside(entries[0], fault)
        return
    middle = len(entries) // 2
    alone(entries[:middle], attempt, set_aside)
    alone(entries[middle:], attempt, set_aside)


def _fault(error: Exception) -> Unusable:
    words = f"unexpected {type(error).__name__}: {error}".replace("\0", "\\0")
    return Unusable(
        words.encode("utf-8", "backslashreplace").decode(),
        "report this as a fault of ingest; replay after the correction",
    )
