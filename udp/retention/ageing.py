"""Delete single values whose time is over, dataset by dataset, and prove it.

The order matters: first what is there is read and summed up (count, range, checksum), then it is deleted,
then it is looked for again, then the record is written. Killed in between, the next run finds what is
left and records that; nothing is recorded that did not happen.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from udp.errors import StoreUnavailable
from udp.policy import Gate
from udp.registry.port import Inventory
from udp.retention.proof import Deletion, Proofs, moment
from udp.store import census
from udp.store.columns import Function, Period
from udp.store.port import ObservationStore, Prunable

_LOG = logging.getLogger(__name__)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY = timedelta(days=1)
# So much is read at once for the checksum; a month of a hundred series each minute is 4.3 million values.
_WINDOW = timedelta(days=31)
_AT_ONCE = 100
_COLUMNS = ("datastream", "phenomenon_time", "result_time", "lead", "result", "quality", "rule", "revision")


@dataclass(frozen=True, slots=True)
class Due:
    """Series of one rule whose values before `before` (UTC midnight) are to go."""

    datasets: tuple[str, ...]
    before: datetime
    series: tuple[int, ...]


class Ageing:
    """`inventory` gives everything that ever was, retired series too: their values grow old as well."""

    def __init__(
        self,
        store: ObservationStore,
        inventory: Callable[[], Inventory],
        proofs: Proofs,
        now: Callable[[], datetime],
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._proofs = proofs
        self._now = now

    def due(self, gate: Gate) -> list[Due]:
        """What has to go now; nothing twice a day."""
        today = self._now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        pruned = self._engine().pruned()
        grouped: dict[tuple[tuple[str, ...], datetime], list[int]] = defaultdict(list)
        for number, (_, rule) in gate.rules(self._inventory()).items():
            if rule is None or (kept := rule.retention.values) is None:
                continue
            before = _midnight(today - kept)
            if pruned.get(number, _EPOCH) < before:
                grouped[rule.datasets, before].append(number)
        return [Due(names, before, tuple(members)) for (names, before), members in sorted(grouped.items())]

    def run(self, gate: Gate) -> list[Deletion]:
        """Delete everything due; what was there and has gone. StoreUnavailable: call again."""
        done = []
        for one in self.due(gate):
            if (proof := self._delete(one, gate.policy.digest)) is not None:
                self._proofs.add(proof)
                done.append(proof)
                told = f"{proof.dataset}: {proof.count} values before {proof.before[:10]} deleted"
                if proof.holds:
                    _LOG.info("%s", told)
                else:
                    _LOG.error(
                        "%s, but %d are left and daily figures stand for %d of %d; see: udp retention log",
                        told, proof.left_over, proof.summed_after, proof.summed_before,
                    )  # fmt: skip
        return done

    def _delete(self, due: Due, policy: str) -> Deletion | None:
        period = Period(_EPOCH, due.before)
        found = census.take(self._store, due.series, period)
        count, checksum = self._checksum(due.series, found) if len(found) else (0, "")
        first, last = (_moment(found.first.min()), _moment(found.last.max())) if len(found) else ("", "")
        span = self._span(found, due.before)
        summed = self._summed(due.series, span)
        pruned = self._engine().prune(due.series, due.before)
        if not count and not pruned.values:
            return None
        left = census.take(self._store, due.series, period)
        return Deletion(
            at=moment(self._now()),
            dataset=", ".join(due.datasets),
            what="values",
            before=moment(due.before),
            first=first,
            last=last,
            series=len(found),
            count=count,
            deleted=pruned.values,
            checksum=checksum,
            left_over=left.total + self._readable(due.series, span),
            summed_before=summed,
            summed_after=self._summed(due.series, span),
            unreadable=pruned.unreadable,
            policy=policy,
        )

    def _checksum(self, series: Sequence[int], found: census.Census) -> tuple[int, str]:
        digest, count = hashlib.sha256(), 0
        start = _EPOCH + timedelta(microseconds=int(found.first.min()))
        end = _EPOCH + timedelta(microseconds=int(found.last.max()) + 1)
        for members, period in _portions(series, start, end):
            rows = self._store.read(members, period)
            count += len(rows)
            for name in _COLUMNS:
                digest.update(np.ascontiguousarray(getattr(rows, name)).tobytes())
        return count, digest.hexdigest()

    def _readable(self, series: Sequence[int], span: Period) -> int:
        """By the door everybody uses, not by the engine's word."""
        return sum(
            len(self._store.read(members, period))
            for members, period in _portions(series, span.start, span.end)
        )

    def _summed(self, series: Sequence[int], span: Period) -> int:
        if span.start == span.end:
            return 0
        found = self._store.aggregate(series, span, _DAY, [Function.COUNT])
        return int(found.values[Function.COUNT].sum())

    def _span(self, found: census.Census, before: datetime) -> Period:
        """Whole days: daily figures answer for no others."""
        if not len(found):
            return Period(before, before)
        return Period(_midnight(_EPOCH + timedelta(microseconds=int(found.first.min()))), before)

    def _engine(self) -> Prunable:
        if not isinstance(self._store, Prunable):
            raise StoreUnavailable(
                f"{type(self._store).__name__} cannot delete single values; choose another store, or make "
                "retention.values unlimited and delete by the engine's own means"
            )
        return self._store


def _portions(
    series: Sequence[int], start: datetime, end: datetime
) -> Iterator[tuple[Sequence[int], Period]]:
    for at in range(0, len(series), _AT_ONCE):
        begin = start
        while begin < end:
            until = min(begin + _WINDOW, end)
            yield series[at : at + _AT_ONCE], Period(begin, until)
            begin = until


def _midnight(time: datetime) -> datetime:
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def _moment(micros: np.int64) -> str:
    return moment(_EPOCH + timedelta(microseconds=int(micros)))
