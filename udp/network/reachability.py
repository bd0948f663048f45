"""Why a server does not answer: gRPC says "unavailable" for everything, people need to know what to mend."""

from __future__ import annotations

import socket
import ssl
from contextlib import closing
from pathlib import Path

from udp.errors import ConfigurationError, PlatformError
from udp.network.port import NetworkUnavailable

_PATIENCE_S = 3.0


def explained(server: str, *, tls: bool, ca: Path | None, otherwise: PlatformError) -> PlatformError:
    """The error to tell after a call found nobody; `otherwise` where nothing better is known."""
    host, _, port = server.rpartition(":")
    try:
        opened = socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE_S)
    except socket.gaierror:
        return ConfigurationError(
            f"ChirpStack {server}: den Namen {host!r} gibt es im Netz nicht; [chirpstack] server prüfen"
        )
    except ConnectionRefusedError:
        return NetworkUnavailable(
            f"ChirpStack {server}: dort nimmt niemand Verbindungen an; läuft ChirpStack? Stimmt der Port?"
        )
    except OSError as error:
        return NetworkUnavailable(
            f"ChirpStack {server}: nicht zu erreichen ({error}); Netz, Firewall, [chirpstack] server prüfen"
        )
    with closing(opened):
        return (_with_tls(opened, server, host, ca) if tls else _without(opened, server)) or otherwise


def _with_tls(opened: socket.socket, server: str, host: str, ca: Path | None) -> PlatformError | None:
    context = ssl.create_default_context(cafile=None if ca is None else str(ca))
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(opened, server_hostname=host):
            return None
    except ssl.SSLCertVerificationError as error:
        return ConfigurationError(
            f"ChirpStack {server}: das Zertifikat wird nicht anerkannt ({error.verify_message}); "
            '[chirpstack] ca = "PEM-Datei der ausstellenden Stelle" setzen oder das Zertifikat erneuern'
        )
    except (ssl.SSLError, OSError):
        return ConfigurationError(
            f"ChirpStack {server}: dort wird kein TLS gesprochen; den Port mit TLS nennen oder, nur in einem "
            "Netz, dem man traut, [chirpstack] tls = false setzen"
        )


def _without(opened: socket.socket, server: str) -> PlatformError | None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # Only to learn whether TLS is spoken at all; nothing is sent through it.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(opened):
            return ConfigurationError(
                f"ChirpStack {server}: dort wird TLS gesprochen; [chirpstack] tls = true setzen"
            )
    except (ssl.SSLError, OSError):
        return None
