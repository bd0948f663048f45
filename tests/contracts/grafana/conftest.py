"""A running platform that Grafana's boards ask, and a Grafana to put them into."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from grafana_double import ADMIN, VIEWER, Grafana, serving
from grafana_site import Site
from grafana_town import Town, running

from dashboards.grafana.provisioning import FOLDER


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """Served once for all tests; who changes the policy puts it back."""
    with running(tmp_path_factory.mktemp("town")) as made:
        yield made


@pytest.fixture(scope="module", params=["double", pytest.param("real", marks=pytest.mark.external_service)])
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    """A Grafana without anything of ours; a real one where UDP_TEST_GRAFANA_URL says."""
    if request.param == "double":
        with serving(Grafana()) as url:
            yield Site(url, ADMIN, VIEWER)
        return
    url = os.environ.get("UDP_TEST_GRAFANA_URL")
    if not url:
        pytest.skip("set UDP_TEST_GRAFANA_URL and _TOKEN (role Admin) of an empty Grafana to run this")
    found = Site(url, os.environ["UDP_TEST_GRAFANA_TOKEN"], "")
    if found.get(f"/api/folders/{FOLDER}")[0] != 404:
        pytest.fail(
            f"{url} has our folder already: this suite deletes it; use an empty Grafana, or delete it there"
        )
    account = found.call("POST", "/api/serviceaccounts", {"name": "udp-test-viewer", "role": "Viewer"})[1][
        "id"
    ]
    made = found.call("POST", f"/api/serviceaccounts/{account}/tokens", {"name": "udp-test"})[1]
    yield Site(url, found.token, made["key"])
    found.call("DELETE", f"/api/serviceaccounts/{account}")


@pytest.fixture
def grafana(site: Site) -> Iterator[Site]:
    """Emptied of ours, and of what tests make, before and after each test."""
    site.clean()
    yield site
    site.clean()
