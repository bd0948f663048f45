"""What an operator may set about the public pages."""

from __future__ import annotations

from dataclasses import dataclass, field

from dashboards.public.catalogue import DISTRICTS, District

_CITY = "Castrop-Rauxel"


@dataclass(frozen=True, slots=True)
class ContactSettings:
    """Who answers for this installation (section 5 DDG, article 13 GDPR). To be filled by the
    operator; what is empty here is not mentioned on the pages."""

    operator: str = ""
    represented_by: str = ""
    street: str = ""
    town: str = ""
    telephone: str = ""
    email: str = ""
    data_protection_officer: str = ""

    @property
    def complete(self) -> bool:
        """Whether an imprint can be made of it."""
        return all((self.operator, self.street, self.town, self.email))


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """`city` stands in every title; `source_url` is where the source code can be fetched. `districts`: shown
    also while nothing is measured there; none for a city other than the one these pages were made for."""

    city: str = _CITY
    source_url: str = ""
    contact: ContactSettings = field(default_factory=ContactSettings)
    districts: tuple[District, ...] | None = None

    def __post_init__(self) -> None:
        if self.source_url and not self.source_url.startswith(("https://", "http://")):
            raise ValueError(f"source_url {self.source_url!r} must begin with https://")

    @property
    def known_districts(self) -> tuple[District, ...]:
        """Those of the settings, else those we know this city to have."""
        if self.districts is not None:
            return self.districts
        return DISTRICTS if self.city == _CITY else ()
