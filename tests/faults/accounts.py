"""The figures of a fault run: published, confirmed, stored, doubled, lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set


def settle(
    title: str,
    published: int,
    confirmed: set[tuple[int, int]],
    stored: Counter[tuple[int, int]],
    *,
    kills: Mapping[str, int] | None = None,
    unconfirmed: Set[tuple[int, int]] = frozenset(),
) -> None:
    """Print the account; lost (confirmed, not stored), doubled and invented must be 0.

    `unconfirmed` was sent too, but nobody promised anything: it may be stored or not.
    """
    lost = confirmed - set(stored)
    doubled = sum(times - 1 for times in stored.values())
    print(
        f"\n{title}: published {published}, confirmed {len(confirmed)}, stored {len(stored)}, "
        f"doubled {doubled}, lost {len(lost)}" + (f"; kills {dict(kills)}" if kills else "")
    )
    assert not lost, f"acknowledged and not in the store: {sorted(lost)[:10]}"
    invented = set(stored) - confirmed - unconfirmed
    assert not invented, f"stored and never sent: {sorted(invented)[:10]}"
    assert doubled == 0, [key for key, times in stored.items() if times > 1][:10]
