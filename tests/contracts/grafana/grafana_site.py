"""A Grafana as tests arrange and look at it: by its plain API, apart from what is tested."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

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
        headers = {
            "Authorization": f"Bearer {self.token}",
            "Content-Type": "application/json",
            "X-Grafana-NoCache": "true",  # it would remember what the test before has deleted
        }
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
