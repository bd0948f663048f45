"""What is warned of, and when that was last known to be all; replaced as a whole."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, Column, Integer, MetaData, String, Table, select
from sqlalchemy.schema import CreateTable

from udp.registry.database import Database
from udp.weather.cap import PATH, Warned, read_warnings
from udp.weather.download import Downloads, SourceAway, SourceUnusable

_LOG = logging.getLogger(__name__)
NAME = "Wetterwarnungen"
FRESH = timedelta(minutes=30)
"""The service renews its state every ten minutes; older than this, an empty list means nothing."""
_metadata = MetaData()
_state = Table(
    "official_warnings",
    _metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("checked_at", String(40), nullable=False),
    Column("content", JSON, nullable=False),
)
_TIMES = ("sent", "onset", "expires")


@dataclass(frozen=True, slots=True)
class WarningState:
    """All warnings in force as of `checked_at`."""

    checked_at: datetime
    warnings: tuple[Warned, ...]

    def current(self, now: datetime) -> bool:
        """Whether what is not here is not warned of."""
        return timedelta(0) <= now - self.checked_at + timedelta(minutes=5) <= FRESH + timedelta(minutes=5)

    def in_force(self, now: datetime) -> list[Warned]:
        """What has not expired."""
        return [one for one in self.warnings if one.expires is None or one.expires > now]


class SqlWarnings:
    """The state in the platform's database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.writing() as connection:
            connection.execute(CreateTable(_state, if_not_exists=True))

    def read(self) -> WarningState | None:
        """None while nobody has ever asked the service."""
        with self._database.reading() as connection:
            row = connection.execute(select(_state)).first()
        if row is None:
            return None
        return WarningState(
            datetime.fromisoformat(row.checked_at), tuple(_warned(one) for one in row.content)
        )

    def write(self, state: WarningState) -> None:
        """In the place of what was."""
        values = {
            "checked_at": state.checked_at.isoformat(),
            "content": [_told(one) for one in state.warnings],
        }
        with self._database.writing() as connection:
            if not connection.execute(_state.update().values(**values)).rowcount:
                connection.execute(_state.insert().values(id=1, **values))


@dataclass
class WarningRound:
    """Asks for the state; `cells`: WARNCELLIDs of the city, none for no warnings."""

    kept: SqlWarnings
    downloads: Downloads
    cells: Sequence[str]
    now: Callable[[], datetime]
    _newest: WarningState | None = field(default=None)

    def round(self) -> dict[str, str]:
        """What is wrong, for the operator page. RegistryUnavailable when it cannot be kept."""
        if not self.cells:
            return {}
        asked_at = self.now()
        try:
            file = self.downloads.fetch(PATH)
            if file is not None:
                self._keep(WarningState(asked_at, tuple(read_warnings(file.content, self.cells))))
                self.downloads.kept(PATH, file)
            elif self._newest is not None:
                # Unchanged: what was known is known to be all until now.
                self._keep(WarningState(asked_at, self._newest.warnings))
        except (SourceAway, SourceUnusable) as error:
            _LOG.warning("%s: %s", NAME, error)
            known = self._newest or self.kept.read()
            since = f"Stand {known.checked_at:%d.%m.%Y %H:%M} UTC" if known else "noch nie erhalten"
            return {NAME: f"{NAME}: {since}; {error}"}
        return {NAME: ""}

    def _keep(self, state: WarningState) -> None:
        self.kept.write(state)
        self._newest = state


def _told(one: Warned) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in asdict(one).items()
    }


def _warned(content: dict[str, Any]) -> Warned:
    known = {one.name for one in fields(Warned)}
    told: dict[str, Any] = {name: value for name, value in content.items() if name in known}
    for name in _TIMES:
        told[name] = datetime.fromisoformat(told[name]) if told[name] else None
    return Warned(**told)
