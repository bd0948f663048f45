"""Which sequence numbers are missing, whatever comes in whatever order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from udp.ledger.gaps import Progress, split_at


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 6)), max_size=25), st.integers(1, 45))
def test_missing_ranges_are_exactly_what_has_not_come(runs: list[tuple[int, int]], floor: int) -> None:
    progress = Progress.begin(1)
    for first, length in runs:
        progress.arrive(first, first + length, 0)
    came = {number for first, length in runs for number in range(first, first + length + 1)}
    missing = set(range(1, max(came, default=0) + 1)) - came
    parts = split_at(floor, progress.missing)
    assert sorted(number for first, last, _at, _lost in parts for number in range(first, last + 1)) == sorted(
        missing
    )
    assert all(lost == (last < floor) for _first, last, _at, lost in parts)
    assert all(a[1] < b[0] for a, b in zip(progress.missing, progress.missing[1:], strict=False))
