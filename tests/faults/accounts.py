"""The figures of a fault run: published, confirmed, stored, doubled, lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping


def settle(
    title: str,
    published: int,
    confirmed: set[tuple[int, int]],
    stored: Counter[tuple[int, int]],
    kills: Mapping[str, int] | None = None,
) -> None:
    """Print the account; lost (confirmed, not stored) and doubled must be 0."""
    lost = confirmed - set(stored)
    doubled = sum(times - 1 for times in stored.values())
    print(
        f"\n{title}: published {published}, confirmed {len(confirmed)}, stored {len(stored)}, "
        f"doubled {doubled}, lost {len(lost)}" + (f"; kills {dict(kills)}" if kills else "")
    )
    assert not lost, f"acknowledged and not in the store: {sorted(lost)[:10]}"
    assert doubled == 0, [key for key, times in stored.items() if times > 1][:10]
