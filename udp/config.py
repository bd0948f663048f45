"""Everything the API process can be told, in one TOML file; each part's settings live beside the part."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from edge.wire.settings import Secret
from udp.access.settings import AccessSettings
from udp.api.sensorthings.mqtt.settings import MqttSettings
from udp.api.settings import ApiSettings
from udp.citizens.settings import CitizenSettings
from udp.devices.settings import DeviceSettings
from udp.errors import ConfigurationError
from udp.forecasting.placing import beside
from udp.network.settings import ChirpStackSettings
from udp.opendata.settings import OpenDataSettings
from udp.store.opening import StoreSettings
from udp.weather.settings import WeatherSettings

# Every first part of an address that the platform has itself, at one city or another.
RESERVED = frozenset({
    "abmelden", "anmelden", "api", "app", "application", "barrierefreiheit", "betrieb", "buerger", "daten",
    "datenschutz", "edge", "grafana", "health", "impressum", "klima", "konto", "messwert", "metrics",
    "mitmachen", "mqtt", "ngsi-ld", "offene-daten", "opendata", "ortsteil", "prognosen", "quellcode",
    "static", "thema", "things-stack", "udp", "v1", "v1.0", "v1.1", "v2", "vorhersage", "webhook",
})  # fmt: skip
_PREFIX = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """A relational database: sqlite:///path or postgresql+psycopg://user@host/name, its password apart."""

    url: str
    password: Secret | None = None

    def address(self) -> str:
        """The address with its password, for the driver only. ConfigurationError if it is none."""
        try:
            url = make_url(self.url)
        except ArgumentError as error:
            raise ConfigurationError(
                f"database address {self.url!r} cannot be meant; write sqlite:///path/file.sqlite "
                "or postgresql+psycopg://user@host/name"
            ) from error
        if url.password is not None:
            raise ConfigurationError(
                "database address: a password stands in it; give it by `password` instead"
            )
        if self.password is not None:
            url = url.set(password=self.password.reveal())
        return url.render_as_string(hide_password=False)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Where the API listens. `prefix`: the first part of all its addresses, for a further city on the same
    host (`herne`: /herne/...) or behind a proxy that leaves it there. `proxy`: the address or network
    (several: with commas) of the proxies before it: only their X-Forwarded-For and X-Forwarded-Proto are
    believed, and each must set or append them. head_s, body_s: how long a request's head and body may take.
    connections: at a time; per_address: from one address that is neither this machine's nor a proxy's."""

    host: str = "127.0.0.1"
    port: int = 8080
    prefix: str = ""
    proxy: str = ""
    head_s: float = 20.0
    body_s: float = 120.0
    connections: int = 4_000
    per_address: int = 200

    @property
    def root(self) -> str:
        """The path at which the city is served (udp.api.rooted)."""
        return f"/{self.prefix}" if self.prefix else ""

    def __post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 1 and 65535")
        if self.prefix and not _PREFIX.fullmatch(self.prefix):
            raise ValueError(
                f"prefix {self.prefix!r} is not possible: lower-case letters, digits and hyphens, beginning "
                'with a letter, at most 40; write e.g. prefix = "herne"'
            )
        if self.prefix in RESERVED:
            raise ValueError(
                f"prefix {self.prefix!r} is the beginning of addresses of the platform itself; choose another"
            )
        for name in ("head_s", "body_s", "connections", "per_address"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be at least 1")
        for one in filter(None, (part.strip() for part in self.proxy.split(","))):
            try:
                ip_network(one)
            except ValueError as error:
                raise ValueError(
                    f"proxy: {one!r} is no address or network ({error}); write e.g. 127.0.0.1 or "
                    "10.0.0.0/24; to believe everybody would let every caller choose where it comes from"
                ) from error


@dataclass(frozen=True, slots=True)
class Settings:
    """The file of `udp run`. `pages_dir`: finished pages, served at /. `operator_key`: one more key.

    `profiles_dir`: device profiles of the city's own, beside the shipped ones. `policy`: the city's own
    policy.toml instead of the shipped one. `chirpstack`: the network server that `udp chirpstack` fills
    from the register. `forecasts`: beside the registry unless told otherwise. `cities`: the
    settings of further cities that are served too, each below its [server] prefix; they share nothing.
    """

    registry: DatabaseSettings = field(
        default_factory=lambda: DatabaseSettings("sqlite:///var/registry.sqlite")
    )
    ledger: DatabaseSettings = field(default_factory=lambda: DatabaseSettings("sqlite:///var/ledger.sqlite"))
    forecasts: DatabaseSettings | None = None
    store: StoreSettings = field(default_factory=StoreSettings)
    server: ServerSettings = field(default_factory=ServerSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    pages_dir: Path | None = None
    operator_key: Secret | None = None
    profiles_dir: Path | None = None
    policy: Path | None = None
    devices: DeviceSettings = field(default_factory=DeviceSettings)
    citizens: CitizenSettings = field(default_factory=CitizenSettings)
    chirpstack: ChirpStackSettings | None = None
    access: AccessSettings = field(default_factory=AccessSettings)
    opendata: OpenDataSettings = field(default_factory=OpenDataSettings)
    weather: WeatherSettings = field(default_factory=WeatherSettings)
    sensorthings_mqtt: MqttSettings = field(default_factory=MqttSettings)
    cities: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        provider = self.access.provider
        for name, address in (
            ("[opendata] public_url", self.opendata.public_url),
            ("[access.provider] public_url", provider.public_url if provider else ""),
        ):
            if self.server.root and address and urlsplit(address).path.rstrip("/") != self.server.root:
                raise ValueError(
                    f"{name} {address!r} must end in {self.server.root}, for [server] prefix is that"
                )

    def public_url(self) -> str:
        """The address of the city where nobody has asked by one, without a slash at its end."""
        return (
            self.opendata.public_url.rstrip("/") or f"http://localhost:{self.server.port}{self.server.root}"
        )

    def forecasts_address(self) -> str:
        """Where forecasts are kept, for the driver only. ConfigurationError if it is no address."""
        if self.forecasts is None:
            return beside(self.registry.address())
        return self.forecasts.address()
