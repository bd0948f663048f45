"""Say how the agent itself fares: what waits, what was let go, how much disk and memory are left."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from edge.spool import AGENT_SENSOR, SpoolState
from edge.wire.messages import Clock, FieldValue, Reading

_MEGABYTE = 1_000_000


class Health:
    """A reading every `interval`, by the clock it is given."""

    def __init__(
        self, interval: timedelta, clock: Clock, clock_offset: Callable[[], timedelta | None]
    ) -> None:
        """`clock_offset`: our clock minus a better one's, None where there is no better one."""
        self._interval = interval
        self._clock = clock
        self._clock_offset = clock_offset
        self._last: datetime | None = None

    def due(self, now: datetime) -> bool:
        """Whether it is time; a clock that was set back must not silence us."""
        return self._last is None or abs(now - self._last) >= self._interval

    def reading(self, now: datetime, spool: SpoolState, folder: Path) -> Reading:
        """How things are now; `folder` is where the spool lies."""
        self._last = now
        fields: dict[str, FieldValue] = {
            "backlog_messages": spool.messages,
            "backlog_bytes": spool.octets,
            "backlog_age_s": 0.0 if spool.oldest is None else max(0.0, (now - spool.oldest).total_seconds()),
            "dropped_messages": spool.dropped,
            "disk_free_mb": round(shutil.disk_usage(folder).free / _MEGABYTE, 1),
            "memory_mb": round(resident_octets() / _MEGABYTE, 1),
        }
        offset = self._clock_offset()
        if offset is not None:
            fields["clock_offset_s"] = round(offset.total_seconds(), 3)
        return Reading(AGENT_SENSOR, now, now, self._clock, fields)


def resident_octets() -> int:
    """Resident set size of this process (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
