"""German words for spans of time in the reasons of events."""

from __future__ import annotations

from datetime import timedelta

# Seconds, then: one in the accusative, one in the dative, many, many in the dative.
_UNITS = (
    (86_400, "einen Tag", "einem Tag", "Tage", "Tagen"),
    (3_600, "eine Stunde", "einer Stunde", "Stunden", "Stunden"),
    (60, "eine Minute", "einer Minute", "Minuten", "Minuten"),
)


def span(length: timedelta, *, dative: bool = False) -> str:
    """`3 Stunden`, in the dative `2 Tagen`; whole numbers, at least a minute."""
    seconds = max(length.total_seconds(), 60.0)
    size, *words = next((one for one in _UNITS if seconds >= 1.5 * one[0]), _UNITS[-1])
    number = round(seconds / size)
    if number == 1:
        return words[1 if dative else 0]
    return f"{number} {words[3 if dative else 2]}"


def every(length: timedelta) -> str:
    """`alle 3 Stunden`, `jede Minute`, `jeden Tag`."""
    words = span(length)
    if words.startswith("ein"):
        return f"jed{words.removeprefix('ein')}"
    return f"alle {words}"
