"""What the interface can be told; apart from its parts, so that reading settings loads no web framework."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Limits of the interface. `refresh_s`: how old current values, register and ledger may be.

    anonymous_per_minute: requests of one address without a key, dear ones count more; 0: no limit.
    anonymous_at_once: so many of them are worked on at a time, the next wait. write_origins: sites whose
    pages may write to /v1.1 from a browser, with a key; none unless named.
    """

    refresh_s: float = 1.0
    most_rows: int = 50_000
    default_rows: int = 10_000
    most_listeners: int = 500
    most_listeners_per_client: int = 50
    listener_queue: int = 32
    heartbeat_s: float = 15.0
    listening_s: float = 3600.0
    silent_after_s: float = 900.0
    anonymous_per_minute: int = 3000
    anonymous_at_once: int = 8
    write_origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("refresh_s", "heartbeat_s", "listening_s", "silent_after_s"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must not be negative")
        for name in (
            "most_rows",
            "default_rows",
            "most_listeners",
            "most_listeners_per_client",
            "listener_queue",
            "anonymous_at_once",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.anonymous_per_minute < 0:
            raise ValueError("anonymous_per_minute must not be negative; 0 is without limit")
        for origin in self.write_origins:
            _require_origin(origin)


def _require_origin(written: str) -> None:
    parts = urlsplit(written)
    if parts.scheme not in ("http", "https") or written != f"{parts.scheme}://{parts.netloc}":
        raise ValueError(
            f"write_origins: {written!r} is no origin; write scheme and host alone, as browsers send them, "
            "e.g. https://editor.example.de"
        )
