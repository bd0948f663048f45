"""The platform and a real sign-in provider beside it, each an own process's worth of HTTP."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import urllib3
from loopback import free_port
from starlette.testclient import TestClient

from edge.wire.settings import Secret
from udp.access.porter import Porter, open_porter
from udp.access.settings import AccessSettings, ProviderSettings, RoleOfGroup
from udp.api.app import create_app
from udp.api.desk import Ports
from udp.api.settings import ApiSettings
from udp.auth import SqlKeys
from udp.ledger.sql import SqlLedger
from udp.registry.sql import SqlRegistry
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

PUBLIC_URL = "http://localhost:8080"
_PATIENCE_S = 90.0


@dataclass
class ProviderProcess:
    """The provider's address, and how to make it lie."""

    issuer: str

    def mood(self, **more: Any) -> list[dict[str, str]]:
        """From now on so; gives what it was asked since the last time."""
        answer = urllib3.request("POST", f"{self.issuer}/mood", json=more)
        found: list[dict[str, str]] = json.loads(answer.data)
        return found


@pytest.fixture(scope="session")
def provider_process() -> Iterator[ProviderProcess]:
    port = free_port()
    script = Path(__file__).parent / "openid_provider.py"
    ways_back = [f"{PUBLIC_URL}{root}/anmelden/zurueck" for root in ("", "/herne")]
    command = [sys.executable, str(script), str(port), *ways_back]
    with subprocess.Popen(command) as process:
        end = time.monotonic() + _PATIENCE_S
        while True:
            assert process.poll() is None and time.monotonic() < end, "the provider did not come up"
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.05)
        yield ProviderProcess(f"http://127.0.0.1:{port}")
        process.terminate()


@dataclass
class House:
    """The platform with one client of it, a clock we move, and the provider."""

    client: TestClient
    porter: Porter
    keys: SqlKeys
    clock: list[datetime]
    provider: ProviderProcess
    pages: Path

    def begin(self, target: str = "/betrieb/") -> str:
        """Where the browser is sent to."""
        answer = self.client.get("/anmelden", params={"weiter": target}, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return str(answer.headers["location"])

    def consent(self, address: str) -> str:
        """The person says yes at the provider; path and query of the way back."""
        answer = urllib3.request("GET", address, redirect=False)
        assert answer.status == 302, answer.data
        back = urlsplit(answer.headers["Location"])
        assert f"{back.scheme}://{back.netloc}" == PUBLIC_URL
        return f"{back.path}?{back.query}"

    def sign_in(self, target: str = "/betrieb/") -> Any:
        """The whole way; the platform's last answer."""
        return self.client.get(self.consent(self.begin(target)), follow_redirects=False)

    def csrf(self) -> str:
        """The token that stands in our own form."""
        page = self.client.get("/konto").text
        return page.split('name="csrf_token" value="')[1].split('"')[0]


@pytest.fixture
def house(provider_process: ProviderProcess, tmp_path: Path) -> Iterator[House]:
    yield from _house(provider_process, tmp_path, "")


@pytest.fixture
def house_in_herne(provider_process: ProviderProcess, tmp_path: Path) -> Iterator[House]:
    """Of another city, served below /herne, with staff at the same provider."""
    (tmp_path / "herne").mkdir()
    yield from _house(provider_process, tmp_path / "herne", "/herne")


def _house(provider_process: ProviderProcess, tmp_path: Path, root: str) -> Iterator[House]:
    provider_process.mood()
    clock = [datetime.now(UTC)]
    registry = SqlRegistry(f"sqlite:///{tmp_path}/registry.sqlite")
    ledger = SqlLedger(f"sqlite:///{tmp_path}/ledger.sqlite")
    store = EmbeddedStore(EmbeddedSettings(tmp_path / "store"), lambda: clock[0])
    provider = ProviderSettings(
        issuer=provider_process.issuer,
        client_id="udp",
        public_url=PUBLIC_URL + root,
        client_secret=Secret("client-secret"),
        roles=(RoleOfGroup("it", "operator"), RoleOfGroup("grün", "crew"), RoleOfGroup("klima", "climate")),
        timeout=timedelta(seconds=5),
    )
    settings = AccessSettings(session_key=Secret(f"{root:k<40}"), provider=provider)
    porter = open_porter(registry.database, settings, lambda: clock[0])
    keys = SqlKeys(registry.database)
    pages = tmp_path / "pages"
    (pages / "betrieb").mkdir(parents=True)
    (pages / "betrieb" / "index.html").write_text("<!doctype html>Betrieb", encoding="utf-8")
    ports = Ports(
        registry,
        store,
        ledger,
        keys,
        pages,
        ApiSettings(refresh_s=0.0),
        lambda: clock[0],
        porter=porter,
        root=root,
    )
    with TestClient(create_app(ports), base_url=PUBLIC_URL + root, raise_server_exceptions=False) as client:
        yield House(client, porter, keys, clock, provider_process, pages)
    store.close()
    ledger.close()
    registry.close()
