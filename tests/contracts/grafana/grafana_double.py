"""The part of Grafana's HTTP API that provisioning uses, for machines without a Grafana.

Statuses and bodies are those Grafana documents and gives: 401 for an unknown token, 403 without a right,
404, 409 for a taken name or a data source changed meanwhile, 412 with `version-mismatch` for a board. It
passes the same suite as a real one (test_provisioning.py).
"""

from __future__ import annotations

import json
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from dashboards.grafana.source import PLUGIN

ADMIN, VIEWER = "token-of-an-admin", "token-of-a-viewer"
Answer = tuple[int, Any]


def no(number: int, text: str, /, **more: str) -> Answer:
    return number, {"message": text, **more}


@dataclass
class Grafana:
    """Its state. Tests change it as an administrator of the machine would."""

    version: str = "11.6.0"
    anonymous: bool = False
    shares: bool = False
    plugins: list[dict[str, Any]] = field(
        default_factory=lambda: [{"id": PLUGIN, "info": {"version": "3.11.1"}}]
    )
    broken: str = ""
    folders: dict[str, dict[str, Any]] = field(default_factory=dict)
    rights: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    teams: list[dict[str, Any]] = field(default_factory=list)
    sources: dict[str, dict[str, Any]] = field(default_factory=dict)
    boards: dict[str, dict[str, Any]] = field(default_factory=dict)
    writes: list[str] = field(default_factory=list)
    _number: int = 0

    def answer(self, method: str, path: str, body: Any, token: str) -> Answer:
        if self.broken:
            return no(500, self.broken)
        if token not in (ADMIN, VIEWER):
            return no(401, "Invalid API key")
        path, _, _ = path.partition("?")
        if method != "GET":
            self.writes.append(f"{method} {path}")
        if token == VIEWER and (method != "GET" or path.startswith(("/api/datasources", "/api/teams"))):
            return no(403, "You'll need additional permissions to perform this action.")
        for pattern, name in _ROUTES:
            wanted, _, rest = pattern.partition(" ")
            if wanted == method and (found := re.fullmatch(rest, path)):
                answer: Answer = getattr(self, name)(*found.groups(), *([body] if body is not None else []))
                return answer
        return no(404, "Not found")

    def next(self) -> int:
        self._number += 1
        return self._number

    def settings(self) -> Answer:
        return 200, {"buildInfo": {"version": self.version}, "anonymousEnabled": self.anonymous,
                     "publicDashboardsEnabled": self.shares}  # fmt: skip

    def org(self) -> Answer:
        return 200, {"id": 1, "name": "Main Org."}

    def listed_plugins(self) -> Answer:
        return 200, self.plugins

    def folder(self, uid: str) -> Answer:
        return (
            (200, self.folders[uid])
            if uid in self.folders
            else no(404, "folder not found", status="not-found")
        )

    def make_folder(self, body: Any) -> Answer:
        if any(one["title"] == body["title"] for one in self.folders.values()):
            return no(409, "a folder with the same name already exists in the current location")
        uid = body.get("uid") or f"f{self.next()}"
        self.folders[uid] = {"uid": uid, "title": body["title"], "version": 1, "id": self.next()}
        self.rights[uid] = [{"role": "Viewer", "permission": 1}, {"role": "Editor", "permission": 2}]
        return 200, self.folders[uid]

    def drop_folder(self, uid: str) -> Answer:
        if self.folders.pop(uid, None) is None:
            return no(404, "folder not found")
        self.boards = {key: one for key, one in self.boards.items() if one["meta"]["folderUid"] != uid}
        return 200, {}

    def folder_rights(self, uid: str) -> Answer:
        return 200, [{"teamId": 0, "userId": 0, "inherited": False, **one} for one in self.rights[uid]]

    def set_rights(self, uid: str, body: Any) -> Answer:
        self.rights[uid] = body["items"]
        return 200, {"message": "Folder permissions updated"}

    def found_teams(self) -> Answer:
        return 200, {"totalCount": len(self.teams), "teams": self.teams, "page": 1, "perPage": 1000}

    def make_team(self, body: Any) -> Answer:
        if any(one["name"] == body["name"] for one in self.teams):
            return no(409, "Team name taken")
        self.teams.append({"id": self.next(), "name": body["name"]})
        return 200, {"message": "Team created", "teamId": self._number}

    def drop_team(self, number: str) -> Answer:
        self.teams = [one for one in self.teams if one["id"] != int(number)]
        for uid, rights in self.rights.items():
            self.rights[uid] = [one for one in rights if one.get("teamId") != int(number)]
        return 200, {}

    def source(self, uid: str) -> Answer:
        if uid not in self.sources:
            return no(404, "Data source not found")
        kept = {name: value for name, value in self.sources[uid].items() if name != "secureJsonData"}
        return 200, {**kept, "secureJsonFields": dict.fromkeys(self.sources[uid]["secureJsonData"], True)}

    def make_source(self, body: Any) -> Answer:
        if any(one["name"] == body["name"] for one in self.sources.values()):
            return no(409, "data source with the same name already exists")
        uid = body.get("uid") or f"d{self.next()}"
        self.sources[uid] = {
            "secureJsonData": {},
            **body,
            "uid": uid,
            "id": self.next(),
            "version": 1,
            "readOnly": False,
        }
        return 200, {"message": "Datasource added", "id": self._number, "name": body["name"]}

    def change_source(self, uid: str, body: Any) -> Answer:
        before = self.sources[uid]
        if before["readOnly"]:
            return no(403, "Cannot update read-only data source")
        if body.get("version") and body["version"] != before["version"]:
            return no(409, "Datasource has already been updated by someone else. Please reload and try again")
        self.sources[uid] = {**before, **body, "version": before["version"] + 1}
        return 200, {"message": "Datasource updated"}

    def drop_source(self, uid: str) -> Answer:
        return (200, {}) if self.sources.pop(uid, None) else no(404, "Data source not found")

    def health(self, uid: str) -> Answer:
        """Asked for real, as the plugin does."""
        source = self.sources[uid]
        request = urllib.request.Request(source["jsonData"]["customHealthCheckUrl"])
        request.add_header(source["jsonData"]["apiKeyKey"], source["secureJsonData"]["apiKeyValue"])
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except urllib.error.URLError as error:
            return 400, {"status": "ERROR", "message": f"Health check failed. {error.reason}"}
        return 200, {"status": "OK", "message": "Health check successful"}

    def board(self, uid: str) -> Answer:
        return (
            (200, self.boards[uid])
            if uid in self.boards
            else no(404, "Dashboard not found", status="not-found")
        )

    def save(self, body: Any) -> Answer:
        content, folder = dict(body["dashboard"]), body.get("folderUid", "")
        if folder and folder not in self.folders:
            return no(400, "folder not found")
        before = self.boards.get(content["uid"])
        version = before["dashboard"]["version"] if before else 0
        if before and not body.get("overwrite") and content.get("version") != version:
            return no(412, "The dashboard has been changed by someone else", status="version-mismatch")
        content |= {"version": version + 1, "id": before["dashboard"]["id"] if before else self.next()}
        self.boards[content["uid"]] = {
            "dashboard": content,
            "meta": {"folderUid": folder, "provisioned": False},
        }
        return 200, {"status": "success", "uid": content["uid"], "version": version + 1}

    def search(self) -> Answer:
        return 200, [
            {"uid": uid, "title": one["dashboard"]["title"], "folderUid": one["meta"]["folderUid"]}
            for uid, one in self.boards.items()
        ]


_UID = "([^/]+)"
_ROUTES = (
    ("GET /api/frontend/settings", "settings"), ("GET /api/org", "org"),
    ("GET /api/plugins", "listed_plugins"),
    (f"GET /api/folders/{_UID}", "folder"), ("POST /api/folders", "make_folder"),
    (f"DELETE /api/folders/{_UID}", "drop_folder"), (f"GET /api/folders/{_UID}/permissions", "folder_rights"),
    (f"POST /api/folders/{_UID}/permissions", "set_rights"), ("GET /api/teams/search", "found_teams"),
    ("POST /api/teams", "make_team"), (f"DELETE /api/teams/{_UID}", "drop_team"),
    (f"GET /api/datasources/uid/{_UID}", "source"), ("POST /api/datasources", "make_source"),
    (f"PUT /api/datasources/uid/{_UID}", "change_source"),
    (f"DELETE /api/datasources/uid/{_UID}", "drop_source"),
    (f"GET /api/datasources/uid/{_UID}/health", "health"), (f"GET /api/dashboards/uid/{_UID}", "board"),
    ("POST /api/dashboards/db", "save"), ("GET /api/search", "search"),
)  # fmt: skip


@contextmanager
def serving(state: Grafana) -> Iterator[str]:
    """Its address, until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _reply(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            status, content = state.answer(self.command, self.path, body, token)
            octets = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        do_GET = do_POST = do_PUT = do_DELETE = _reply  # noqa: N815 - named by http.server

        def log_message(self, *_: object) -> None:
            """Silence."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()
