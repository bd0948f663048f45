"""Which MQTT broker a process speaks with, as whom, and that no password travels there in clear text."""

from __future__ import annotations

import ipaddress
import re
import ssl
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from edge.wire.settings import Secret

_PREFIX = re.compile(r"[a-z]([a-z0-9-]{0,38}[a-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """Whom we trust, and who we are; without `ca_file` the system's authorities."""

    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A context that verifies the broker's name; OSError if a file cannot be read."""
        for path in (self.ca_file, self.certificate_file, self.key_file):
            if path is not None:
                path.open("rb").close()  # the errors of ssl do not name the file
        context = ssl.create_default_context(cafile=None if self.ca_file is None else str(self.ca_file))
        if self.certificate_file is not None:
            context.load_cert_chain(self.certificate_file, self.key_file)
        return context


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Which broker, as whom, and how much may be under way at a time. `prefix`: the first level of all
    topics, of a city that shares the broker with others (`herne`: herne/udp/v1/...)."""

    host: str = "127.0.0.1"
    port: int = 1883
    client_id: str | None = None  # None: the process's own name for itself
    username: str | None = None
    password: Secret | None = None
    prefix: str = ""
    tls: TlsSettings | None = None
    keep_alive: timedelta = timedelta(seconds=30)
    session_expiry: timedelta = timedelta(days=14)
    receive_maximum: int = 2_000  # deliveries the broker sends before it waits for acknowledgements
    receive_bytes: int = 32_000_000  # of deliveries nobody has taken yet

    def __post_init__(self) -> None:
        if not 1 <= self.receive_maximum <= 65_535:
            raise ValueError(f"receive_maximum {self.receive_maximum} is not in 1-65535 (MQTT 5, 3.1.2.11.3)")
        if self.receive_bytes < 1:
            raise ValueError(f"receive_bytes {self.receive_bytes} must be above 0")
        if self.password is not None and self.tls is None and not is_loopback(self.host):
            raise ValueError(f"password for {self.host} would travel in clear text: add a [tls] table")
        if self.prefix and not _PREFIX.fullmatch(self.prefix):
            raise ValueError(f"prefix {self.prefix!r}: lower-case letters, digits and hyphens, e.g. herne")

    def outside(self, topic: str) -> str:
        """A topic or filter of ours as the broker knows it; what the broker says of itself is nobody's."""
        if not self.prefix or topic.startswith("$SYS/"):
            return topic
        if topic.startswith("$share/"):
            _, group, shared = topic.split("/", 2)
            return f"$share/{group}/{self.prefix}/{shared}"
        return f"{self.prefix}/{topic}"

    def client(self, own: str) -> str:
        """What the process calls itself there: two cities may have agents of one name, never two clients."""
        return self.client_id or (f"{self.prefix}-{own}" if self.prefix else own)


def is_loopback(host: str) -> bool:
    """Whether `host` never leaves this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
