"""Believe of metadata.json only what can be meant, and name the file's entry where it cannot."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluate.tables import UnusableTable
from models.series import Instant


@dataclass(frozen=True, slots=True)
class About:
    """What is known of one series beside its values; ``split`` None = the middle. No ``targets``: all columns
    that are known to be some."""

    split: Instant | None = None
    area_km2: float | None = None
    latitude: float | None = None
    targets: tuple[str, ...] = ()

    @classmethod
    def of(cls, series: Path) -> About:
        """From metadata.json beside the file of a series; nothing is known without it. Raises
        `UnusableTable`."""
        file = series.parent / "metadata.json"
        if not file.exists():
            return cls()
        try:
            entries = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise UnusableTable(f"{file}: is no JSON: {error}") from error
        found = entries.get(series.stem, {}) if isinstance(entries, dict) else None
        if not isinstance(found, dict):
            example = '{"' + series.stem + '": {"area_km2": 12.5}}'
            raise UnusableTable(f"{file}: holds no entries by file name; write {example}")
        where, targets = f"{file}, {series.stem}", found.get("targets") or []
        return cls(
            _split(found, where), _number(found, "area_km2", where), _number(found, "latitude", where),
            tuple(str(one).lower() for one in (targets if isinstance(targets, list) else [targets])),
        )  # fmt: skip


def _split(found: Mapping[str, Any], where: str) -> Instant | None:
    """What does not begin as a year, as "mid", is the middle."""
    said = str(found.get("split", ""))
    if not said[:2].isdigit():
        return None
    try:
        return np.datetime64(said, "us")
    except ValueError as error:
        raise UnusableTable(f"{where}: split {said!r} is no date; write 2010-10-01") from error


def _number(found: Mapping[str, Any], name: str, where: str) -> float | None:
    said = found.get(name)
    if said is None:
        return None
    try:
        return float(said)
    except (TypeError, ValueError) as error:
        raise UnusableTable(f"{where}: {name} {said!r} is no number") from error
