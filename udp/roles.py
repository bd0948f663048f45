"""Who somebody is for the platform: what a caller has proven, and nothing about what that opens."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Role(StrEnum):
    """What a caller has proven to be; what each may see stands in the policy."""

    PUBLIC = "public"
    METRICS = "metrics"
    """A scraper of /metrics: sees the figures of the platform, of the data only what the public sees."""
    APP = "app"
    HOBBYIST = "hobbyist"
    CREW = "crew"
    CLIMATE = "climate"
    OPERATOR = "operator"
    """Runs the platform: sees all data as they were measured."""
    ADMIN = "admin"
    """As an operator, and says who else may."""


EVERYTHING = frozenset({Role.OPERATOR, Role.ADMIN})


@dataclass(frozen=True, slots=True)
class Caller:
    """Whoever asks; without a key, the public.

    `datasets` narrows what a key opens beyond open data; None narrows nothing. `also` are further roles
    of the same person. `name` says who it is in the audit log and never decides anything.
    """

    role: Role = Role.PUBLIC
    datasets: frozenset[str] | None = None
    also: frozenset[Role] = frozenset()
    name: str = field(default="", compare=False)

    @property
    def roles(self) -> frozenset[Role]:
        """All that was proven."""
        return self.also | {self.role}

    @property
    def sees_all(self) -> bool:
        """Whether nothing is hidden or made coarser."""
        return self.datasets is None and bool(self.roles & EVERYTHING)


PUBLIC = Caller()
OPERATOR = Caller(Role.OPERATOR)
