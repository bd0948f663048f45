"""What an export says of itself: its files with SHA-256, and every Datastream with count and checksum."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from udp.errors import ConfigurationError
from udp.opendata.instance.files import CHECKSUM, replacing, sha256, write_json

FORMAT = 2
NAME = "manifest.json"
SUMS = "SHA256SUMS"


@dataclass(frozen=True, slots=True)
class StreamSums:
    """One Datastream: all its revisions together. Times are ISO 8601 in UTC, empty for none."""

    thing: str
    key: str
    observations: int
    checksum: str
    first: str = ""
    last: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """`files`: SHA-256 by path below the folder. `tables`: rows by table. `left_out`: what is not in it.
    `pruned`: by Datastream, before when single values had been deleted; their hours lie in aggregates/."""

    made_at: str
    policy_sha256: str
    tables: Mapping[str, int]
    datastreams: Mapping[int, StreamSums]
    files: Mapping[str, str]
    left_out: tuple[str, ...]
    pruned: Mapping[int, str] = field(default_factory=dict)

    _months: dict[int, list[str]] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        for name in sorted(self.files):
            folder, _, rest = name.partition("/")
            number = rest.partition("/")[0]
            if folder == "observations" and number.isdecimal():
                self._months.setdefault(int(number), []).append(name)

    @property
    def observations(self) -> int:
        """Of all Datastreams, every revision counted."""
        return sum(one.observations for one in self.datastreams.values())

    def months_of(self, datastream: int) -> list[str]:
        """Its files of Observations, ascending by month."""
        return self._months.get(datastream, [])

    def write(self, folder: Path) -> None:
        """The last file of an export: without it, it is none."""
        with replacing(folder / SUMS) as unfinished:
            lines = (f"{digest}  {name}\n" for name, digest in sorted(self.files.items()))
            unfinished.write_text("".join(lines), encoding="utf-8")
        told = asdict(self)
        del told["_months"]
        write_json(folder / NAME, {"format": FORMAT, "checksum": CHECKSUM, **told})


def read_manifest(folder: Path) -> Manifest:
    """ConfigurationError says what is wrong with it; no file is looked at yet."""
    path = folder / NAME
    if not path.exists():
        raise ConfigurationError(
            f"{folder}: no {NAME}, so no finished export; finish it with udp export {folder}, "
            "or copy all of it"
        )
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT:
            raise ConfigurationError(f"{path}: format {content['format']}, this program reads {FORMAT}")
        return Manifest(
            made_at=content["made_at"],
            policy_sha256=content["policy_sha256"],
            tables=content["tables"],
            datastreams={int(key): StreamSums(**one) for key, one in content["datastreams"].items()},
            files=content["files"],
            left_out=tuple(content["left_out"]),
            pruned={int(key): one for key, one in content["pruned"].items()},
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"{path}: cannot be read; copy it again ({error!r})") from error


def require_whole(folder: Path, manifest: Manifest) -> None:
    """ConfigurationError names the first file that is missing, changed, or lies outside the folder."""
    root = folder.resolve()
    for name, digest in manifest.files.items():
        path = folder / name
        if not path.resolve().is_relative_to(root):
            raise ConfigurationError(f"{folder}/{NAME}: {name!r} lies outside; this is no export of ours")
        if not path.is_file():
            raise ConfigurationError(f"{path}: is missing; copy it again")
        if sha256(path) != digest:
            raise ConfigurationError(f"{path}: is not as it was written (SHA-256); copy it again")
