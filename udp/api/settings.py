"""What the interface can be told; apart from its parts, so that reading settings loads no web framework."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ApiSettings:
    """Limits of the interface. `refresh_s`: how old current values, register and ledger may be."""

    refresh_s: float = 1.0
    most_rows: int = 50_000
    default_rows: int = 10_000
    most_listeners: int = 500
    most_listeners_per_client: int = 50
    listener_queue: int = 32
    heartbeat_s: float = 15.0
    listening_s: float = 3600.0
    silent_after_s: float = 900.0

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
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
