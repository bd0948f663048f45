"""Write the whole instance into a folder: killed at any moment, the next run goes on where it stopped.

manifest.json SHA256SUMS      counts, checksums, what is left out
register/<table>.jsonl        what exists, one row per line
datastreams.json              the same for people: each Datastream with its Thing, unit, place
policy.toml                   the policy in force
observations/<id>/2026-11.parquet   every revision
aggregates/<id>.parquet       hours of those Datastreams whose single values retention has deleted
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edge.wire.instants import instant
from udp.errors import ConfigurationError
from udp.opendata.instance.files import (
    Fingerprint,
    read_lines,
    read_observations,
    replacing,
    sha256,
    write_json,
    write_observations,
)
from udp.opendata.instance.hours import export_hours
from udp.opendata.instance.manifest import NAME, Manifest, StreamSums
from udp.opendata.instance.register_rows import (
    CLOSED,
    CONFIDENTIAL_TABLES,
    LEFT_OUT,
    OPEN_TABLES,
    write_tables,
)
from udp.opendata.instance.revisions import every_revision, months
from udp.registry.port import Inventory
from udp.registry.sql import SqlRegistry
from udp.store import census
from udp.store.port import ObservationStore

_DONE = "progress.jsonl"


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported. `policy`: its file."""

    registry: SqlRegistry
    store: ObservationStore
    policy: Path
    now: Callable[[], datetime]


def export_instance(
    source: Source,
    folder: Path,
    *,
    confidential: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> Manifest:
    """Everything; ConfigurationError if `folder` holds a finished export or something else."""
    progress = _Progress(folder, source.now, confidential=confidential)
    names = (*OPEN_TABLES, *(CONFIDENTIAL_TABLES if confidential else ()))
    tables = write_tables(source.registry.database, folder / "register", names)
    inventory = source.registry.ever()
    write_json(folder / "datastreams.json", _described(inventory))
    with replacing(folder / "policy.toml") as unfinished:
        unfinished.write_bytes(source.policy.read_bytes())
    streams = _streams(source, folder, inventory, progress, say)
    pruned = export_hours(source.store, folder, inventory)
    left_out = LEFT_OUT if confidential else (*LEFT_OUT, CLOSED)
    manifest = Manifest(
        made_at=progress.started,
        policy_sha256=sha256(folder / "policy.toml"),
        tables=tables,
        datastreams=streams,
        files=progress.files | {name: sha256(folder / name) for name in _small_files(folder)},
        left_out=left_out,
        pruned=pruned,
    )
    manifest.write(folder)
    progress.end()
    return manifest


class _Progress:
    """Which Datastreams are on the disk already, so that a second run does not write them again."""

    def __init__(self, folder: Path, now: Callable[[], datetime], *, confidential: bool) -> None:
        self._path = folder / _DONE
        self.files: dict[str, str] = {}
        self.streams: dict[int, StreamSums] = {}
        if (folder / NAME).exists():
            raise ConfigurationError(f"{folder}: holds a finished export already; name another folder")
        if not self._path.exists():
            if folder.exists() and any(folder.iterdir()):
                raise ConfigurationError(f"{folder}: is not empty; name a new or an empty folder")
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.started = now().isoformat().replace("+00:00", "Z")
            self._append({"started": self.started, "confidential": confidential})
            return
        self._resume(confidential=confidential)

    def _resume(self, *, confidential: bool) -> None:
        _cut_torn_line(self._path)
        head, *done = read_lines(self._path)
        self.started = head["started"]
        if head["confidential"] != confidential:
            raise ConfigurationError(
                f"{self._path.parent}: was begun {'with' if head['confidential'] else 'without'} "
                "--with-confidential; go on in the same way, or name another folder"
            )
        for one in done:
            self.files.update(one["files"])
            self.streams[one["datastream"]] = StreamSums(**one["sums"])

    def add(self, number: int, sums: StreamSums, files: dict[str, str]) -> None:
        """This Datastream is finished."""
        self._append({"datastream": number, "sums": asdict(sums), "files": files})
        self.files.update(files)
        self.streams[number] = sums

    def end(self) -> None:
        """The manifest says it all now."""
        self._path.unlink()

    def _append(self, content: Any) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(content, ensure_ascii=False) + "\n")


def _cut_torn_line(path: Path) -> None:
    """A kill may have come in the middle of a line."""
    content = path.read_bytes()
    if not content.endswith(b"\n"):
        path.write_bytes(content[: content.rfind(b"\n") + 1])


def _streams(
    source: Source, folder: Path, inventory: Inventory, progress: _Progress, say: Callable[[str], None]
) -> dict[int, StreamSums]:
    found = census.take(source.store, inventory.datastreams, census.everything())
    spans = {
        int(number): (instant(int(first)), instant(int(last)))
        for number, first, last in zip(found.datastream, found.first, found.last, strict=True)
    }
    for count, (number, stream) in enumerate(sorted(inventory.datastreams.items()), 1):
        if number not in progress.streams:
            sums, files = _export_stream(source.store, folder, number, spans.get(number))
            named = StreamSums(stream.thing, stream.key, *sums)
            progress.add(number, named, files)
        if count % 100 == 0:
            say(f"{count} of {len(inventory.datastreams)} Datastreams")
    return dict(progress.streams)


def _export_stream(
    store: ObservationStore, folder: Path, number: int, span: tuple[datetime, datetime] | None
) -> tuple[tuple[int, str, str, str], dict[str, str]]:
    fingerprint, files = Fingerprint(), {}
    first = last = ""
    for month, period in months(*span) if span else ():
        rows = every_revision(store, number, period)
        if not len(rows):
            continue
        name = f"observations/{number}/{month}.parquet"
        write_observations(folder / name, rows)
        # What the file gives back is what counts, not what was meant to be written.
        rows = read_observations(folder / name, number)
        fingerprint.add(rows)
        files[name] = sha256(folder / name)
        first = first or _text(rows.phenomenon_time[0])
        last = _text(rows.phenomenon_time[-1])
    return (fingerprint.count, fingerprint.text(), first, last), files


def _described(inventory: Inventory) -> list[dict[str, Any]]:
    told = []
    for number, stream in sorted(inventory.datastreams.items()):
        thing = inventory.things[stream.thing]
        told.append(
            {
                "id": number, "key": stream.key, "name": stream.name, "sensor": stream.sensor,
                "observed_property": asdict(stream.observed_property), "unit": asdict(stream.unit),
                "access": stream.access.value, "exemption": stream.exemption, "licence": stream.licence,
                "expected_interval_s": stream.expected_interval_s,
                "thing": {
                    "key": thing.key, "name": thing.name, "kind": thing.kind, "theme": thing.theme,
                    "location": asdict(thing.location), "simulated": thing.simulated,
                    "description": thing.description, "properties": dict(thing.properties),
                },
            }
        )  # fmt: skip
    return told


def _small_files(folder: Path) -> Iterator[str]:
    yield from ("policy.toml", "datastreams.json")
    for pattern in ("register/*.jsonl", "aggregates/*.parquet"):
        yield from (str(path.relative_to(folder)) for path in folder.glob(pattern))


def _text(time: Any) -> str:
    moment: datetime = time.astype("datetime64[us]").astype(datetime)
    return moment.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
