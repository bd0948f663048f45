"""Times as the clock on the wall says them: the register keeps UTC, clerks read and write their own."""

from __future__ import annotations

from datetime import UTC, datetime

_DAYS = ("%Y-%m-%d", "%d.%m.%Y")


def on_the_wall(kept: str) -> str:
    """A kept day (ISO) or moment (ISO, with zone) in German, in the machine's time zone."""
    moment = datetime.fromisoformat(kept)
    return f"{moment:%d.%m.%Y}" if "T" not in kept else f"{moment.astimezone():%d.%m.%Y %H:%M}"


def kept_moment(text: str) -> str:
    """What somebody wrote, as it is kept: 24.12.2026, 2026-12-24, an ISO moment; ValueError otherwise."""
    if "T" in text:
        return datetime.fromisoformat(text).astimezone(UTC).isoformat()
    for form in _DAYS:
        try:
            return datetime.strptime(text, form).date().isoformat()  # noqa: DTZ007 - a day has no time zone
        except ValueError:
            continue
    raise ValueError(f"{text!r} is no day")
