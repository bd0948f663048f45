"""Delete single values whose time is over, dataset by dataset, and prove it.

The order matters: first what is there is read, summed up (count, range, checksum) and written down as begun,
then it is deleted, then it is looked for again, then the record is written. Killed in between, the next
run completes what was begun; nothing is recorded that did not happen.
"""

from __future__ import annotations

import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np

from edge.wire.instants import EPOCH, instant
from udp.errors import StoreUnavailable
from udp.forecasting.port import OF_WEATHER_SERVICES, ForecastKey
from udp.policy import Gate
from udp.registry.port import Inventory
from udp.retention.proof import Begun, Deletion, Proofs, moment
from udp.store import census
from udp.store.columns import Function, Period
from udp.store.port import ObservationStore, Prunable

WEATHER = "wettervorhersagen"
_LOG = logging.getLogger(__name__)
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
    """`inventory` gives everything that ever was, retired series too: their values grow old as well.
    `forecasts`: the numbers of what was expected. What weather services said has a time of its own, what
    models said of a measured series the time of that series."""

    def __init__(
        self,
        store: ObservationStore,
        inventory: Callable[[], Inventory],
        proofs: Proofs,
        now: Callable[[], datetime],
        forecasts: Callable[[], Mapping[ForecastKey, int]] = dict,
    ) -> None:
        self._store = store
        self._inventory = inventory
        self._proofs = proofs
        self._now = now
        self._forecasts = forecasts

    def due(self, gate: Gate) -> list[Due]:
        """What has to go now; nothing twice a day."""
        today = self._now().astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        pruned = self._engine().pruned()
        grouped: dict[tuple[tuple[str, ...], datetime], list[int]] = defaultdict(list)
        for names, kept, number in self._limited(gate):
            before = _midnight(today - kept)
            if pruned.get(number, EPOCH) < before:
                grouped[names, before].append(number)
        return [Due(names, before, tuple(members)) for (names, before), members in sorted(grouped.items())]

    def run(self, gate: Gate) -> list[Deletion]:
        """Delete everything due; what was there and has gone. StoreUnavailable: call again."""
        self._engine()
        done = [self._complete(begun) for begun in self._proofs.begun("values")]
        for one in self.due(gate):
            begun = self._begin(one, gate.policy.digest)
            if begun is not None and self._proofs.begin(begun):
                done.append(self._complete(begun))
        return [proof for proof in done if proof is not None]

    def _limited(self, gate: Gate) -> Iterator[tuple[tuple[str, ...], timedelta, int]]:
        """Every series whose values end, with the datasets it belongs to and how long they are kept."""
        limits: dict[int, tuple[tuple[str, ...], timedelta]] = {}
        for number, (_, rule) in gate.rules(self._inventory()).items():
            if rule is not None and (kept := rule.retention.values) is not None:
                limits[number] = (rule.datasets, kept)
                yield *limits[number], number
        weather = gate.policy.weather_kept
        for key, number in sorted(self._forecasts().items()):
            if key.kind in OF_WEATHER_SERVICES:
                if weather is not None:
                    yield (WEATHER,), weather, number
            elif key.of in limits:
                yield *limits[key.of], number

    def _begin(self, due: Due, policy: str) -> Begun | None:
        """What is there of it; None, and the engine knows, where nothing is."""
        found = census.take(self._store, due.series, Period(EPOCH, due.before))
        if not len(found):
            self._engine().prune(due.series, due.before)  # what comes late is too old as well
            return None
        count, checksum = self._checksum(due.series, found)
        names, before = ", ".join(due.datasets), moment(due.before)
        first = instant(int(found.first.min()))
        deletion = Deletion(
            at="", dataset=names, what="values", before=before, first=moment(first),
            last=_moment(found.last.max()), series=len(found), count=count, deleted=0, checksum=checksum,
            left_over=count, summed_before=self._summed(due.series, Period(_midnight(first), due.before)),
            summed_after=0, unreadable=False, policy=policy,
        )  # fmt: skip
        return Begun(f"{names} {before}", due.series, deletion)

    def _complete(self, begun: Begun) -> Deletion | None:
        """Also what an earlier run began: pruning goes on where it stopped."""
        series, one = begun.members, begun.deletion
        before, first = datetime.fromisoformat(one.before), datetime.fromisoformat(one.first)
        span = Period(_midnight(first), before)
        pruned = self._engine().prune(series, before)
        counted = census.take(self._store, series, Period(EPOCH, before)).total
        left = max(counted, self._readable(series, span))
        proof = replace(
            one,
            at=moment(self._now()),
            deleted=max(pruned.values, one.count - left),  # the engine tells of its last call only
            left_over=left,
            summed_after=self._summed(series, span),
            unreadable=pruned.unreadable,
        )
        if not self._proofs.confirm(begun, proof):
            return None
        told = f"{proof.dataset}: {proof.count} values before {proof.before[:10]} deleted"
        if proof.holds:
            _LOG.info("%s", told)
        else:
            _LOG.error(
                "%s, but %d are left and daily figures stand for %d of %d; see: udp retention log",
                told, proof.left_over, proof.summed_after, proof.summed_before,
            )  # fmt: skip
        return proof

    def _checksum(self, series: Sequence[int], found: census.Census) -> tuple[int, str]:
        digest, count = hashlib.sha256(), 0
        start = instant(int(found.first.min()))
        end = instant(int(found.last.max()) + 1)
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
        """Of whole days: daily figures answer for no others."""
        found = self._store.aggregate(series, span, _DAY, [Function.COUNT])
        return int(found.values[Function.COUNT].sum())

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
    return moment(instant(int(micros)))
