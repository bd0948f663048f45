"""Which sequence numbers of an agent's spool have not come, kept as few ranges, however they arrive."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Progress:
    """How far one spool has come: everything up to `highest` is here, except `missing`.

    `missing` are disjoint ranges (first, last, noticed_at), ascending. `floor`: the agent no longer
    holds anything below it, so what is missing there will never come.
    """

    highest: int
    floor: int
    last_sent_at: int
    last_journalled_at: int
    missing: list[tuple[int, int, int]] = field(default_factory=list)

    @classmethod
    def begin(cls, floor: int) -> Progress:
        """A spool never heard of: nothing of it is here, and what is below its floor will not come.

        Dropped while nobody listened, or delivered to another platform: it is missing here either way.
        """
        return cls(highest=0, floor=floor, last_sent_at=0, last_journalled_at=0)

    def arrive(self, first: int, last: int, noticed_at: int) -> None:
        """Messages [first, last] are here; numbers skipped by them are noticed as missing."""
        if first > self.highest + 1:
            self.missing.append((self.highest + 1, first - 1, noticed_at))
        elif first <= self.highest and self.missing:
            self._close(first, last)
        self.highest = max(self.highest, last)

    def _close(self, first: int, last: int) -> None:
        # Ranges are disjoint and ascending, so their ends ascend too: cut only those touched.
        begin = end = bisect_left(self.missing, first, key=lambda gap: gap[1])
        rest: list[tuple[int, int, int]] = []
        while end < len(self.missing) and self.missing[end][0] <= last:
            gap_first, gap_last, noticed_at = self.missing[end]
            if gap_first < first:
                rest.append((gap_first, first - 1, noticed_at))
            if gap_last > last:
                rest.append((last + 1, gap_last, noticed_at))
            end += 1
        self.missing[begin:end] = rest


def split_at(floor: int, missing: Iterable[tuple[int, int, int]]) -> list[tuple[int, int, int, bool]]:
    """The missing ranges as (first, last, noticed_at, lost): below `floor` they are lost."""
    parts: list[tuple[int, int, int, bool]] = []
    for first, last, noticed_at in missing:
        if first < floor:
            parts.append((first, min(last, floor - 1), noticed_at, True))
        if last >= floor:
            parts.append((max(first, floor), last, noticed_at, False))
    return parts
