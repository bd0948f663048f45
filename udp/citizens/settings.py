"""What a city decides about citizens' sensors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from edge.wire.broker import is_loopback
from edge.wire.settings import Secret


@dataclass(frozen=True, slots=True)
class MailSettings:
    """A mail server, where there is one; without it nothing is sent and everything works all the same."""

    host: str
    sender: str
    port: int = 587
    username: str | None = None
    password: Secret | None = None
    encrypted: bool = True

    def __post_init__(self) -> None:
        if not self.encrypted and not is_loopback(self.host):
            raise ValueError(f"mail to {self.host} would travel in clear text: leave out encrypted = false")


@dataclass(frozen=True, slots=True)
class CitizenSettings:
    """`webhook_url`: what stands before `/things-stack/...` in the address people enter at The Things
    Network. `contact`: the office that answers. `open`: whether one can apply at all. `per_address_hour`:
    applications of one client (a class in pairs has one address); `waiting_at_most`: undecided
    ones before no more are taken.
    """

    open: bool = True
    city: str = "Castrop-Rauxel"
    webhook_url: str = ""
    contact: str = ""
    mail: MailSettings | None = None
    per_address_hour: int = 20
    waiting_at_most: int = 200
    devices_at_most: int = 30
    forget_undecided_after: timedelta = timedelta(days=90)
    forget_refused_after: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        for name in ("per_address_hour", "waiting_at_most", "devices_at_most"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
