"""One Grafana over its HTTP API, by grafana-client: whatever goes wrong becomes a sentence with a remedy."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import requests
from grafana_client.api import GrafanaApi
from grafana_client.client import GrafanaClientError, GrafanaException, GrafanaUnauthorizedError

from dashboards.grafana.source import PLUGIN
from edge.wire.settings import Secret
from udp.errors import PlatformError

_VIEW = 1


class GrafanaTrouble(PlatformError):
    """Grafana did not do what was asked; a German sentence for whoever runs it."""


class Changed(GrafanaTrouble):
    """Somebody else changed it in between; reading it again and repeating may help."""


class GrafanaServer:
    """What we use of Grafana. None stands for what does not exist there."""

    def __init__(self, url: str, token: Secret, timeout: timedelta) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise GrafanaTrouble(f"{url!r} ist keine Adresse; erwartet wird http://rechner:3000")
        if parts.username or parts.password:
            raise GrafanaTrouble(
                "Zugangsdaten gehören nicht in die Adresse; den Token in eine Datei schreiben"
            )
        self._url = url
        path = parts.path.strip("/")
        self._api = GrafanaApi(
            token.reveal(), parts.hostname, parts.port, f"{path}/" if path else "", parts.scheme,
            timeout=timeout.total_seconds(),
        )  # fmt: skip

    def about(self) -> Mapping[str, Any]:
        """`buildInfo.version` and `anonymousEnabled`, as far as this Grafana tells them."""
        told: Mapping[str, Any] = self._must(
            lambda: self._api.client.GET("/frontend/settings"), "die Einstellungen lesen"
        )
        return told

    def organisation(self) -> str:
        """The name of the one the token belongs to."""
        found = self._must(self._api.organization.get_current_organization, "die Organisation lesen")
        return str(found["name"])

    def plugin_version(self) -> str | None:
        """Of the data source's plugin."""
        listed = self._must(self._api.plugin.list, "die Plugins auflisten")
        return next((str(one["info"]["version"]) for one in listed if one["id"] == PLUGIN), None)

    def folder(self, uid: str) -> Mapping[str, Any] | None:
        """With `title`."""
        return self._try(lambda: self._api.folder.get_folder(uid), "den Ordner lesen")

    def create_folder(self, uid: str, title: str) -> None:
        """Empty."""
        self._must(
            lambda: self._api.folder.create_folder(title, uid),
            "den Ordner anlegen", taken=f"ein Ordner „{title}“ besteht schon; dort umbenennen",
        )  # fmt: skip

    def permissions(self, folder: str) -> Sequence[Mapping[str, Any]]:
        """Who may do what in a folder."""
        found: Sequence[Mapping[str, Any]] = self._must(
            lambda: self._api.folder.get_folder_permissions(folder), "die Rechte am Ordner lesen"
        )
        return found

    def allow(self, folder: str, items: Sequence[Mapping[str, Any]]) -> None:
        """These rights and no others."""
        self._must(
            lambda: self._api.folder.update_folder_permissions(folder, {"items": list(items)}),
            "die Rechte am Ordner setzen",
        )

    def team(self, name: str) -> int | None:
        """Its number."""
        listed = self._must(
            lambda: self._api.client.GET(f"/teams/search?perpage=1000&query={name}"), "Teams suchen"
        )
        return next((int(one["id"]) for one in listed["teams"] if one["name"] == name), None)

    def create_team(self, name: str) -> int:
        """Without members."""
        made = self._must(
            lambda: self._api.teams.add_team({"name": name}), "das Team anlegen", taken="Name vergeben"
        )
        return int(made["teamId"])

    def source(self, uid: str) -> Mapping[str, Any] | None:
        """Without its secrets."""
        return self._try(lambda: self._api.datasource.get_datasource_by_uid(uid), "die Datenquelle lesen")

    def create_source(self, content: Mapping[str, Any]) -> None:
        """With its secrets."""
        self._must(
            lambda: self._api.datasource.create_datasource(dict(content)), "die Datenquelle anlegen",
            taken=f"eine andere Datenquelle heißt schon „{content['name']}“; dort umbenennen",
        )  # fmt: skip

    def update_source(self, uid: str, content: Mapping[str, Any]) -> None:
        """Changed if somebody was faster."""
        self._must(
            lambda: self._api.datasource.update_datasource_by_uid(uid, dict(content)),
            "die Datenquelle ändern",
        )

    def source_health(self, uid: str) -> str | None:
        """None: Grafana reaches the platform with the key; else what it says."""
        # Grafana remembers a data source for some seconds; asked is what it has now.
        path, fresh = f"/datasources/uid/{uid}/health", {"X-Grafana-NoCache": "true"}
        try:
            told = self._call(lambda: self._api.client.GET(path, headers=fresh))
        except GrafanaException as error:
            return _said(error)
        return None if told.get("status") == "OK" else str(told.get("message"))

    def board(self, uid: str) -> Mapping[str, Any] | None:
        """`dashboard` and `meta`."""
        return self._try(lambda: self._api.dashboard.get_dashboard(uid), "eine Tafel lesen")

    def save_board(self, board: Mapping[str, Any], folder: str, message: str) -> None:
        """Never over what somebody changed since it was read: Changed."""
        wish = {"dashboard": dict(board), "folderUid": folder, "overwrite": False, "message": message}
        self._must(
            lambda: self._api.dashboard.update_dashboard(wish), f"die Tafel „{board['title']}“ speichern",
            taken=f"eine andere Tafel im Ordner heißt schon „{board['title']}“; dort umbenennen",
        )  # fmt: skip

    def boards_in(self, folder: str) -> Mapping[str, str]:
        """uid -> title."""
        found = self._must(
            lambda: self._api.client.GET("/search?type=dash-db&limit=5000"), "die Tafeln im Ordner auflisten"
        )
        return {one["uid"]: one["title"] for one in found if one.get("folderUid") == folder}

    def _try(self, call: Callable[[], Any], purpose: str) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._must(call, purpose)
        except _Missing:
            return None
        return found

    def _must(self, call: Callable[[], Any], purpose: str, *, taken: str = "") -> Any:
        try:
            return self._call(call)
        except GrafanaUnauthorizedError as error:
            raise GrafanaTrouble(
                f"Grafana kennt diesen Token nicht ({purpose}): unter Verwaltung, Dienstkonten einen neuen "
                "anlegen"
            ) from error
        except GrafanaClientError as error:
            raise self._refused(error, purpose, taken) from error
        except GrafanaException as error:
            raise GrafanaTrouble(f"Grafana konnte nicht {purpose}: {error.message}") from error

    def _call(self, call: Callable[[], Any]) -> Any:
        try:
            return call()
        except requests.exceptions.JSONDecodeError as error:
            raise GrafanaTrouble(f"{self._url} antwortet, aber nicht wie Grafana; Adresse prüfen") from error
        except requests.exceptions.RequestException as error:
            # Its text would repeat the request, addresses included; the kind is enough.
            kind = re.sub(r"(?<!^)(?=[A-Z])", " ", type(error).__name__)
            raise GrafanaTrouble(
                f"{self._url} antwortet nicht ({kind}): läuft Grafana, stimmt die Adresse?"
            ) from error

    def _refused(self, error: GrafanaException, purpose: str, taken: str) -> GrafanaTrouble:
        status, said = error.status_code, _said(error)
        if status == 403:
            return GrafanaTrouble(
                f"Dem Token fehlt ein Recht ({purpose}: {said}); das Dienstkonto braucht die Rolle Admin"
            )
        if status == 404:
            return _Missing(f"Das gibt es in Grafana nicht ({purpose}): {said}")
        if status == 409 and taken:
            return GrafanaTrouble(f"Grafana konnte nicht {purpose}: {taken}")
        if status in (409, 412):
            named = isinstance(error.response, dict) and error.response.get("status") == "name-exists"
            return (
                GrafanaTrouble(f"Grafana konnte nicht {purpose}: {taken}")
                if named
                else Changed(
                    f"Grafana konnte nicht {purpose}: jemand war schneller ({said}); noch einmal ausführen"
                )
            )
        return GrafanaTrouble(f"Grafana konnte nicht {purpose}: {said}")


class _Missing(GrafanaTrouble):
    """It does not exist."""


def _said(error: GrafanaException) -> str:
    if isinstance(error.response, dict):
        return str(error.response.get("message") or error.response)[:300]
    return str(error.response)[:300]


def may_view(team: int) -> Mapping[str, Any]:
    """A right of a team: to look."""
    return {"teamId": team, "permission": _VIEW}
