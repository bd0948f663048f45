"""What the MQTT side can be told; apart from its parts, so that reading settings loads none of them."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from udp.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """`port` 0: no port of its own, only WebSocket at /mqtt of the API. `host` other than this machine needs
    `certificate` and `private_key` (PEM), because keys travel here. `public`: the addresses it is told by
    (`mqtts://daten.example.de:8883`); none: those that follow from what was asked.

    A client that does not take what waits for it (`queue_messages`, `queue_bytes`) must go after two
    seconds: it connects again and asks over HTTP for what it missed. `most_packet` in octets.
    """

    host: str = "127.0.0.1"
    port: int = 0
    certificate: Path | None = None
    private_key: Path | None = None
    public: tuple[str, ...] = ()
    anonymous: bool = True
    most_clients: int = 200
    most_clients_per_address: int = 50
    most_subscriptions: int = 100
    queue_messages: int = 2_000
    queue_bytes: int = 2_097_152
    most_packet: int = 262_144
    longest_silence_s: int = 1_200

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port {self.port} is not between 0 and 65535")
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key belong together: name both or neither")
        if self.port and self.certificate is None and not is_this_machine(self.host):
            raise ValueError(
                f"host {self.host!r} is reached from outside: name certificate and private_key, or let a "
                "proxy with TLS stand before 127.0.0.1"
            )
        for one in self.public:
            if not one.startswith(("mqtt://", "mqtts://", "ws://", "wss://")):
                raise ValueError(f"public {one!r} does not begin with mqtts:// or wss://")
        for name in ("most_clients", "most_clients_per_address", "most_subscriptions", "queue_messages"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if self.most_packet < 1_024 or self.queue_bytes < self.most_packet:
            raise ValueError("most_packet must be at least 1024, and queue_bytes not below most_packet")
        if not 10 <= self.longest_silence_s <= 65_535:
            raise ValueError("longest_silence_s must be between 10 and 65535")

    def tls(self) -> ssl.SSLContext | None:
        """TLS 1.2 or newer with our certificate; ConfigurationError if a file cannot be used."""
        if self.certificate is None or self.private_key is None:
            return None
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.private_key)
        except OSError as error:
            raise ConfigurationError(
                f"{self.certificate}, {self.private_key}: cannot be used for TLS: {error.strerror or error}"
            ) from error
        return context


def is_this_machine(host: str) -> bool:
    """Whether nobody else reaches this address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
