"""Say how the agent itself fares: what waits, what was let go, how much disk and memory are left."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Final

from edge.priority import AGENT_SENSOR
from edge.spool import SpoolState
from edge.wire.messages import Clock, FieldValue, Reading

_MEGABYTE = 1_000_000
_SAMPLES: Final = 9
_ENOUGH: Final = 5
# Spread in time, samples of a replayed history drift apart: it runs faster than the clock.
_SAMPLE_EVERY: Final = timedelta(seconds=10)
_SAMPLES_LAST: Final = timedelta(hours=1)
_AGREE: Final = timedelta(seconds=1)


class ClockComparison:
    """Believes a deviation only when several comparisons, some time apart, find the same one.

    A frame that waited (a busy processor, a history that is caught up) looks like a clock that is
    ahead; waiting times differ, a wrong clock is wrong by the same amount again and again.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[datetime, timedelta]] = deque(maxlen=_SAMPLES)
        self._last: timedelta | None = None

    def add(self, now: datetime, offset: timedelta | None) -> None:
        """Note a comparison; one that was noted before (the very same object) is no further evidence."""
        if offset is None or offset is self._last:
            return
        if self._samples and abs(now - self._samples[-1][0]) < _SAMPLE_EVERY:
            return
        self._last = offset
        self._samples.append((now, offset))

    def agreed(self, now: datetime) -> timedelta | None:
        """The middle of the recent comparisons, None while they do not agree."""
        recent = [offset for moment, offset in self._samples if abs(now - moment) <= _SAMPLES_LAST]
        if len(recent) < _ENOUGH:
            return None
        middle = timedelta(seconds=median(offset.total_seconds() for offset in recent))
        near = sum(abs(offset - middle) <= _AGREE for offset in recent)
        return middle if near >= max(_ENOUGH, len(recent) // 2 + 1) else None


class Health:
    """A reading every `interval`, by the clock it is given."""

    def __init__(
        self, interval: timedelta, clock: Clock, clock_offset: Callable[[], timedelta | None]
    ) -> None:
        """`clock_offset`: our clock minus a better one's, None where there is no better one."""
        self._interval = interval
        self._clock = clock
        self._clock_offset = clock_offset
        self._comparison = ClockComparison()
        self._last: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Whether it is time, asked each turn; a clock that was set back must not silence us."""
        self._comparison.add(now, self._clock_offset())
        return self._last is None or abs(now - self._last) >= self._interval

    def reading(self, now: datetime, spool: SpoolState, folder: Path, *, refused: int = 0) -> Reading:
        """How things are now; `folder` is where the spool lies, `refused` what the receiver will not take."""
        self._last = now
        fields: dict[str, FieldValue] = {
            "backlog_messages": spool.messages,
            "backlog_bytes": spool.octets,
            "backlog_age_s": 0.0 if spool.oldest is None else max(0.0, (now - spool.oldest).total_seconds()),
            "dropped_messages": spool.dropped,
            "refused_messages": refused,
            "damaged_files": spool.damaged_files,
            "disk_free_mb": round(shutil.disk_usage(folder).free / _MEGABYTE, 1),
            "memory_mb": round(resident_octets() / _MEGABYTE, 1),
        }
        offset = self._comparison.agreed(now)
        if offset is not None:
            fields["clock_offset_s"] = round(offset.total_seconds(), 3)
        return Reading(AGENT_SENSOR, now, now, self._clock, fields)


def resident_octets() -> int:
    """Resident set size of this process (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
