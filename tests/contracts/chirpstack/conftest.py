"""A register and a ChirpStack: our double of it, and a real one where UDP_TEST_CHIRPSTACK names it.

UDP_TEST_CHIRPSTACK is a URL (http://host:8080 or https://host), UDP_TEST_CHIRPSTACK_TOKEN a global API key.
Each test works in a tenant of its own there, which is deleted afterwards.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from chirpstack_api import api

sys.path.insert(0, str(Path(__file__).parent))  # for the double

from chirpstack_site import Site, double_beside, opened_register

from edge.wire.settings import Secret
from udp.network.settings import ChirpStackSettings

_REAL = os.environ.get("UDP_TEST_CHIRPSTACK", "")


@pytest.fixture(params=["double", *(["chirpstack"] if _REAL else [])])
def site(request: pytest.FixtureRequest, make_site: Callable[[str], Site]) -> Site:
    """For what both must keep."""
    return make_site(request.param)


@pytest.fixture
def double(make_site: Callable[[str], Site]) -> Site:
    """For what only a ChirpStack can show that breaks when it is told to."""
    return make_site("double")


@pytest.fixture
def make_site(tmp_path: Path) -> Iterator[Callable[[str], Site]]:
    with ExitStack() as ends:
        register = ends.enter_context(opened_register(tmp_path))

        def made(kind: str) -> Site:
            if kind == "double":
                return ends.enter_context(double_beside(tmp_path, *register))
            site = Site(tmp_path, *register, _real_settings(), None)
            ends.callback(_clear, site)
            return site

        yield made


def _real_settings() -> ChirpStackSettings:
    url = urlsplit(_REAL)
    tls = url.scheme == "https"
    name = f"udp-test-{secrets.token_hex(6)}"
    return ChirpStackSettings(
        server=f"{url.hostname}:{url.port or (443 if tls else 8080)}",
        token=Secret(os.environ["UDP_TEST_CHIRPSTACK_TOKEN"]),
        tls=tls,
        tenant=name,
        application=name,
        mark=name,
    )


def _clear(site: Site) -> None:
    with site.connect() as connection:
        listed = connection.pages(
            connection.tenants.List, api.ListTenantsRequest(search=site.settings.tenant), "aufräumen"
        )
        for tenant in list(listed):
            connection.call(connection.tenants.Delete, api.DeleteTenantRequest(id=tenant.id), "aufräumen")
