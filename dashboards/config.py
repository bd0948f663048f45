"""The settings of the process that draws the pages."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dashboards.public.settings import SiteSettings
from edge.wire.settings import Secret

# The API asks for the operator key before it serves anything of this folder.
_LOCKED = "betrieb"


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """`pages_dir` is public; `operator_pages_dir` must not be served without the operator key.

    `api_url` says by its path where the city is served (`http://127.0.0.1:8080/herne`): links follow it.
    Without `operator_key` no operator page is drawn. `charts_per_round` bounds the work of one
    `refresh_every`.
    """

    pages_dir: Path
    operator_pages_dir: Path
    api_url: str = "http://127.0.0.1:8080"
    operator_key: Secret | None = None
    refresh_every: timedelta = timedelta(seconds=60)
    request_timeout: timedelta = timedelta(seconds=10)
    charts_per_round: int = 300
    time_zone: str = "Europe/Berlin"
    site: SiteSettings = field(default_factory=SiteSettings)

    def __post_init__(self) -> None:
        if not self.api_url.startswith(("http://", "https://")):
            raise ValueError(f"api_url {self.api_url!r} must begin with http:// or https://")
        for name in ("refresh_every", "request_timeout"):
            if getattr(self, name) < timedelta(seconds=1):
                raise ValueError(f"{name} must be at least 1 second")
        if self.charts_per_round < 1:
            raise ValueError("charts_per_round must be at least 1, else no chart is ever redrawn")
        public, private = self.pages_dir.resolve(), self.operator_pages_dir.resolve()
        # Below pages_dir the API locks exactly one room; anywhere else in it would be public.
        if public.is_relative_to(private) or (private.is_relative_to(public) and private != public / _LOCKED):
            raise ValueError(
                f"operator_pages_dir {private} would be public within pages_dir {public}; "
                f"choose {public / _LOCKED} or a directory elsewhere"
            )
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(
                f"time_zone {self.time_zone!r} is not known here; install the package tzdata or correct it"
            ) from error

    @property
    def root(self) -> str:
        """Where the city is served: empty, or a path without a slash at its end."""
        return urlsplit(self.api_url).path.rstrip("/")
