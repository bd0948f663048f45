"""One line to ChirpStack's API: token on every call, a deadline, a few repetitions, errors in our words."""

from __future__ import annotations

import ipaddress
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import grpc
from chirpstack_api import api

from udp.errors import ConfigurationError, PlatformError
from udp.network.failures import AGAIN, translated
from udp.network.port import NetworkUncertain
from udp.network.reachability import explained
from udp.network.settings import ChirpStackSettings

_LOG = logging.getLogger(__name__)
_PAUSES_S = (0.3, 1.0, 3.0)
_PAGE = 100
A = TypeVar("A")
B = TypeVar("B")


class Connection:
    """Stubs of ChirpStack's services; may be used from several threads. Close it.

    Nothing is sent before the first call. ConfigurationError if `ca` cannot be read or the token is none.
    """

    def __init__(self, settings: ChirpStackSettings, sleep: Callable[[float], None] = time.sleep) -> None:
        self.settings = settings
        self._sleep = sleep
        self._metadata = (("authorization", f"Bearer {_header_text(settings.token.reveal())}"),)
        self._channel = _channel(settings)
        self.tenants = api.TenantServiceStub(self._channel)
        self.applications = api.ApplicationServiceStub(self._channel)
        self.profiles = api.DeviceProfileServiceStub(self._channel)
        self.gateways = api.GatewayServiceStub(self._channel)
        self.devices = api.DeviceServiceStub(self._channel)

    def call(self, method: Callable[..., Any], request: Any, what: str) -> Any:
        """The answer. Repeated a few times where nobody answers, so it must not matter if it is done twice.

        `what` says in German what is tried, for the error. NetworkUnavailable, NetworkRefused and its
        kinds (udp.network.failures), ConfigurationError.
        """
        for pause in (*_PAUSES_S, None):
            try:
                return self._once(method, request)
            except grpc.RpcError as error:
                if error.code() in AGAIN and pause is not None:
                    self._sleep(pause)
                    continue
                raise self._told(error, what) from error
        raise AssertionError  # the last pause is None

    def call_once(self, method: Callable[..., Any], request: Any, what: str) -> Any:
        """Like `call`, but never repeated. NetworkUncertain where nobody answers."""
        try:
            return self._once(method, request)
        except grpc.RpcError as error:
            told = self._told(error, what)
            if error.code() in AGAIN and not isinstance(told, ConfigurationError):
                raise NetworkUncertain(
                    f"{told}. Ob es getan wurde, ist ungewiss; vor einer Wiederholung nachsehen"
                ) from error
            raise told from error

    def pages(self, method: Callable[..., Any], request: Any, what: str) -> Iterator[Any]:
        """All entries of a list. Its order must be stable; one that moves while we read comes once at most
        per page."""
        request.limit, request.offset = _PAGE, 0
        while True:
            page = self.call(method, request, what)
            yield from page.result
            request.offset += len(page.result)
            if not page.result or request.offset >= page.total_count:
                return

    def each(self, work: Callable[[A], B], items: Iterable[A]) -> list[B]:
        """`work` on every item, several at once; answers in the order of the items."""
        with ThreadPoolExecutor(self.settings.parallel, thread_name_prefix="chirpstack") as pool:
            return list(pool.map(work, items))

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _once(self, method: Callable[..., Any], request: Any) -> Any:
        return method(request, timeout=self.settings.timeout.total_seconds(), metadata=self._metadata)

    def _told(self, error: grpc.RpcError, what: str) -> PlatformError:
        settings = self.settings
        plain = translated(error, settings.server, what)
        if error.code() is not grpc.StatusCode.UNAVAILABLE or isinstance(plain, ConfigurationError):
            return plain
        return explained(settings.server, tls=settings.tls, ca=settings.ca, otherwise=plain)


def _channel(settings: ChirpStackSettings) -> grpc.Channel:
    # Our own repetitions are counted and told; gRPC's are neither.
    options = (("grpc.enable_retries", 0),)
    if settings.tls:
        return grpc.secure_channel(
            settings.server, grpc.ssl_channel_credentials(root_certificates=_authority(settings)), options
        )
    if not _here(settings.server):
        _LOG.warning("ChirpStack %s: token and device keys travel unencrypted (tls = false)", settings.server)
    return grpc.insecure_channel(settings.server, options)


def _authority(settings: ChirpStackSettings) -> bytes | None:
    if settings.ca is None:
        return None
    try:
        return settings.ca.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"[chirpstack] ca: {settings.ca}: nicht zu lesen: {error.strerror}"
        ) from error


def _header_text(token: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise ConfigurationError(
            "[chirpstack] token: das ist kein API-Schlüssel; den Text, den ChirpStack beim Anlegen zeigt, "
            "unverändert in die Datei schreiben"
        )
    return token


def _here(server: str) -> bool:
    host = server.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
