"""The same as files that Grafana reads at its start: for an installation whose API nobody may use.

The key stands in none of them; Grafana reads it from a file of its own (`$__file{...}`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from dashboards.grafana.model import Board
from dashboards.grafana.provisioning import FOLDER, FOLDER_TITLE, Outcome, Step, Wish
from dashboards.grafana.server import GrafanaTrouble
from dashboards.grafana.source import data_source

_NOTE = "# Geschrieben von udp-dashboards grafana --files; Änderungen gehen beim nächsten Mal verloren.\n"


def write_files(wish: Wish, root: Path, key_file: Path) -> Iterator[Step]:
    """`datasources/`, `dashboards/` below `root` (Grafana's `provisioning`); what stands there rightly stays.

    `key_file`: where Grafana finds the key on its machine."""
    boards = root / "dashboards" / "udp"
    source = data_source(wish.platform, f"$__file{{{key_file}}}", wish.key_id)
    sources = {"apiVersion": 1, "datasources": [{**source, "orgId": 1, "editable": False}]}
    provider = {
        "name": "udp", "orgId": 1, "folder": FOLDER_TITLE, "folderUid": FOLDER, "type": "file",
        "disableDeletion": True, "allowUiUpdates": False, "updateIntervalSeconds": 60,
        "options": {"path": str(boards.resolve())},
    }  # fmt: skip
    yield _written(root / "datasources" / "udp.yaml", _NOTE + _yaml(sources))
    yield _written(
        root / "dashboards" / "udp.yaml", _NOTE + _yaml({"apiVersion": 1, "providers": [provider]})
    )
    for board in wish.boards:
        yield _written(boards / f"{board.key}.json", _text(board))


def _yaml(content: Any) -> str:
    return str(yaml.safe_dump(content, allow_unicode=True, sort_keys=False))


def _text(board: Board) -> str:
    return json.dumps(board.as_json(), ensure_ascii=False, indent=1) + "\n"


def _written(path: Path, text: str) -> Step:
    try:
        before = path.read_text(encoding="utf-8") if path.exists() else None
        if before == text:
            return Step(str(path), Outcome.KEPT)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise GrafanaTrouble(f"{path} lässt sich nicht schreiben: {error.strerror}") from error
    return Step(str(path), Outcome.CREATED if before is None else Outcome.UPDATED)
