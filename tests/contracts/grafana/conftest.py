"""A running platform that Grafana's boards ask, and a Grafana to put them into."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import town as towns
from grafana_double import ADMIN, VIEWER, Grafana, serving

from dashboards.grafana.provisioning import FOLDER, TEAM
from dashboards.grafana.source import SOURCE

FOREIGN = "fremd"


@dataclass(frozen=True)
class Site:
    """Where a Grafana is, and two tokens; tests arrange and look through its plain API."""

    url: str
    token: str = field(repr=False)
    viewer: str = field(repr=False)

    def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """(status, JSON)."""
        octets = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, octets, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def get(self, path: str) -> tuple[int, Any]:
        """The same, shortly."""
        return self.call("GET", path)

    def clean(self) -> None:
        """Delete what is ours and what tests put beside it."""
        for uid in (FOLDER, FOREIGN):
            self.call("DELETE", f"/api/folders/{uid}")
        for uid in (SOURCE, FOREIGN):
            self.call("DELETE", f"/api/datasources/uid/{uid}")
        for team in self.get("/api/teams/search?perpage=1000")[1]["teams"]:
            if team["name"] == TEAM:
                self.call("DELETE", f"/api/teams/{team['id']}")


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[towns.Town]:
    """Served once for all tests; who changes the policy puts it back."""
    with towns.running(tmp_path_factory.mktemp("town")) as made:
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
