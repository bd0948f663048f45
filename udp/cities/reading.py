"""Which cities there are, each by settings of its own; two that would share anything are refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import make_url

from edge.wire import settings as files
from edge.wire.settings import Secret
from udp.config import Settings
from udp.errors import ConfigurationError
from udp.store.opening import StoreSettings


@dataclass(frozen=True, slots=True)
class City:
    """One city of an installation; `root` as in udp.api.rooted, empty for the main one."""

    path: Path
    settings: Settings

    @property
    def root(self) -> str:
        """Where it is served."""
        return self.settings.server.root

    @property
    def name(self) -> str:
        """For people."""
        return f"{self.settings.citizens.city} ({self.root or '/'})"


def read_cities(path: Path, main: Settings, environment: Mapping[str, str]) -> Sequence[City]:
    """The main city first. ConfigurationError, SettingsError for what cannot be served together."""
    found = [City(path, main)]
    if main.server.prefix:
        raise ConfigurationError(
            f"{path}: the file that lists `cities` is the main city's, at /; take its [server] prefix away"
        )
    for one in main.cities:
        settings = files.load(Settings, one, environment)
        if settings.cities:
            raise ConfigurationError(f"{one}: only the main city's file ({path}) lists `cities`")
        if not settings.server.prefix:
            raise ConfigurationError(
                f'{one}: a further city needs a path of its own; write prefix = "herne" below [server]'
            )
        found.append(City(one, settings))
    _require_apart(found)
    return found


def _require_apart(cities: Sequence[City]) -> None:
    taken: dict[tuple[str, object], City] = {}
    for city in cities:
        for what, value in _own(city.settings):
            other = taken.setdefault((what, value), city)
            if other is not city:
                # Never the value: it may be a key.
                raise ConfigurationError(
                    f"{city.path} and {other.path} have the same {what}; cities share nothing, "
                    "give each its own"
                )


def _place(address: str) -> str:
    """A file is the same by whatever path; a server's database by host, port and name."""
    url = make_url(address)
    if url.get_backend_name() == "sqlite":
        return str(Path(url.database or "").resolve())
    return f"{url.host}:{url.port}/{url.database}"


def _store(store: StoreSettings) -> tuple[object, ...]:
    if store.kind == "influxdb":
        return store.kind, store.influxdb.url, store.influxdb.database, store.influxdb.measurement
    if store.kind == "victoriametrics":
        return store.kind, store.victoriametrics.url, store.victoriametrics.measurement
    return store.kind, store.embedded.folder.resolve()


def _own(settings: Settings) -> Iterator[tuple[str, object]]:
    """What no two cities may have in common, by the key of the settings."""
    yield "[server] prefix", settings.server.prefix
    databases = (settings.registry.address(), settings.ledger.address(), settings.forecasts_address())
    for database in {_place(address) for address in databases}:
        yield "database", database
    yield "[store]", _store(settings.store)
    yield "[opendata] folder", settings.opendata.folder.resolve()
    for what, folder in (
        ("pages_dir", settings.pages_dir),
        ("profiles_dir", settings.profiles_dir),
        ("policy", settings.policy),
        ("[devices] sessions", settings.devices.sessions),
    ):
        if folder is not None:
            yield what, folder.resolve()
    if settings.sensorthings_mqtt.port:
        yield "[sensorthings_mqtt] port", settings.sensorthings_mqtt.port
    for what, secret in (
        ("operator_key", settings.operator_key),
        ("[access] session_key", settings.access.session_key),
        ("[devices] key", settings.devices.key),
    ):
        if isinstance(secret, Secret):
            yield what, secret
