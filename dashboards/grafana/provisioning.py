"""Puts folder, team, data source and boards into Grafana: what already stands there rightly stays untouched.

Ours is what has our uid (prefix `udp-`); nothing else is changed, nothing at all is deleted. What people
did with ours where it is theirs to decide - a folder's name, further rights, a board moved - stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from dashboards.grafana.model import UID_PREFIX, Board
from dashboards.grafana.server import Changed, GrafanaServer, GrafanaTrouble, may_view
from dashboards.grafana.source import PLUGIN, SOURCE, data_source, settings
from edge.wire.settings import Secret

OLDEST = 11
FOLDER = "udp-klimateam"
FOLDER_TITLE = "Klimateam: Urbane Datenplattform"
TEAM = "Klimateam"
_MESSAGE = "udp-dashboards grafana"
_KEY_ID = re.compile(r"udp_([a-z0-9]{10})_")


class Outcome(StrEnum):
    """What became of one thing."""

    CREATED = "angelegt"
    UPDATED = "geändert"
    KEPT = "unverändert"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the report."""

    what: str
    outcome: Outcome
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What shall stand there. `platform`: address of the data API as Grafana reaches it."""

    platform: str
    key: Secret
    boards: Sequence[Board]

    @property
    def key_id(self) -> str:
        """What of the key is no secret: it stands in every list of keys."""
        found = _KEY_ID.match(self.key.reveal())
        return found[1] if found else "unbekannt"


def require_usable(server: GrafanaServer, oldest: int = OLDEST) -> str:
    """Version and plugin for the report. GrafanaTrouble where boards would not work or everybody saw them."""
    about = server.about()
    version = str(about.get("buildInfo", {}).get("version") or "unbekannt")
    major = re.match(r"\d+", version)
    if major and int(major[0]) < oldest:
        raise GrafanaTrouble(f"Grafana {version} ist zu alt; gebraucht wird {oldest} oder neuer")
    if about.get("anonymousEnabled"):
        raise GrafanaTrouble(
            "Dieses Grafana lässt Unangemeldete ein; jeder sähe, was nur das Klimateam sehen darf. In "
            "grafana.ini unter [auth.anonymous] enabled = false setzen und Grafana neu starten"
        )
    plugin = server.plugin_version()
    if plugin is None:
        raise GrafanaTrouble(
            f"In Grafana fehlt das Plugin Infinity: grafana-cli plugins install {PLUGIN}, dann Grafana "
            "neu starten"
        )
    return f"Grafana {version}, Infinity {plugin}, Organisation „{server.organisation()}“"


def cautions(server: GrafanaServer) -> Iterator[str]:
    """What is for whoever runs Grafana to decide, and should be decided."""
    if server.about().get("publicDashboardsEnabled"):
        yield (
            "Hinweis: Hier können Tafeln öffentlich geteilt werden; wer das tut, zeigt allen, was "
            "das Klimateam sieht. In grafana.ini unter [public_dashboards] enabled = false setzen."
        )


def provision(server: GrafanaServer, wish: Wish) -> Iterator[Step]:
    """Step by step; a second time each one is KEPT."""
    yield from _folder(server)
    yield _source(server, wish)
    for board in wish.boards:
        yield _board(server, board)
    mine = {board.uid for board in wish.boards}
    for uid, title in server.boards_in(FOLDER).items():
        if uid.startswith(UID_PREFIX) and uid not in mine:
            yield Step(
                f"Tafel „{title}“",
                Outcome.KEPT,
                "gehört nicht mehr dazu; in Grafana löschen, wer sie nicht braucht",
            )


def _folder(server: GrafanaServer) -> Iterator[Step]:
    team = server.team(TEAM)
    if team is None:
        yield Step(f"Team „{TEAM}“", Outcome.CREATED, "noch ohne Mitglieder")
        team = server.create_team(TEAM)
    else:
        yield Step(f"Team „{TEAM}“", Outcome.KEPT)
    if server.folder(FOLDER) is None:
        server.create_folder(FOLDER, FOLDER_TITLE)
        # At first for the team alone: Grafana would let every member of the organisation look.
        server.allow(FOLDER, [may_view(team)])
        yield Step(f"Ordner „{FOLDER_TITLE}“", Outcome.CREATED, f"ansehen: Team „{TEAM}“")
        return
    given = [one for one in server.permissions(FOLDER) if not one.get("inherited")]
    if any(one.get("teamId") == team for one in given):
        yield Step("Ordner und Rechte", Outcome.KEPT)
        return
    server.allow(FOLDER, [*map(_right, given), may_view(team)])
    yield Step("Ordner und Rechte", Outcome.UPDATED, f"Team „{TEAM}“ darf wieder ansehen")


def _right(told: Mapping[str, Any]) -> Mapping[str, Any]:
    """A right as it is set, from how it is told."""
    whose = next((one for one in ("teamId", "userId", "role") if told.get(one)), "role")
    return {whose: told.get(whose), "permission": told["permission"]}


def _source(server: GrafanaServer, wish: Wish) -> Step:
    what, wanted = "Datenquelle", data_source(wish.platform, wish.key.reveal(), wish.key_id)
    before = server.source(SOURCE)
    if before is None:
        server.create_source(wanted)
        return Step(what, Outcome.CREATED)
    if before.get("readOnly"):
        return Step(what, Outcome.KEPT, "kommt aus Grafanas Dateien; dort ändern")
    secret = {name for name, known in before.get("secureJsonFields", {}).items() if known}
    plain = {name: value for name, value in wanted.items() if name != "secureJsonData"}
    if (
        contains(before, plain)
        and before["jsonData"] == settings(wish.platform, wish.key_id)
        and (secret == {"apiKeyValue"})
    ):
        return Step(what, Outcome.KEPT)
    server.update_source(SOURCE, {**wanted, "version": before.get("version", 0)})
    return Step(what, Outcome.UPDATED)


def _board(server: GrafanaServer, board: Board) -> Step:
    what = f"Tafel „{board.title}“"
    try:
        return Step(what, *_saved(server, board))
    except Changed:
        # Somebody saved it while we looked; what is ours to say is said on top of that.
        return Step(what, *_saved(server, board))


def _saved(server: GrafanaServer, board: Board) -> tuple[Outcome, str]:
    wanted, before = board.as_json(), server.board(board.uid)
    if before is None:
        server.save_board(wanted, FOLDER, _MESSAGE)
        return Outcome.CREATED, ""
    meta, kept = before["meta"], before["dashboard"]
    if contains(kept, wanted):
        return Outcome.KEPT, ""
    if meta.get("provisioned"):
        return Outcome.KEPT, "kommt aus Grafanas Dateien und ist älter; dort erneuern"
    server.save_board(
        {**wanted, "id": kept.get("id"), "version": kept["version"]},
        meta.get("folderUid") or FOLDER,
        _MESSAGE,
    )
    return Outcome.UPDATED, "die vorige Fassung steht in Grafana unter „Versionen“"


def contains(kept: Any, wanted: Any) -> bool:
    """Whether Grafana keeps what we want; it may keep more beside it (ids, defaults it filled in)."""
    if isinstance(wanted, Mapping):
        return isinstance(kept, Mapping) and all(
            name in kept and contains(kept[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, Sequence) and not isinstance(wanted, str):
        return (
            isinstance(kept, Sequence)
            and len(kept) == len(wanted)
            and all(contains(one, other) for one, other in zip(kept, wanted, strict=True))
        )
    return bool(kept == wanted)
