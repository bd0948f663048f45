"""What deleted values came to by the hour: out of one engine that forgets, and into another."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from edge.wire.instants import EPOCH
from udp.errors import ConfigurationError
from udp.opendata.instance.files import replacing
from udp.opendata.instance.manifest import Manifest
from udp.registry.port import Inventory
from udp.store.columns import Aggregates, Function, Period
from udp.store.port import ObservationStore, Prunable
from udp.store.statistics import of_hours

_KEPT = (Function.COUNT, Function.SUM, Function.MINIMUM, Function.MAXIMUM, Function.FIRST, Function.LAST)
_AT_ONCE = 200


def export_hours(store: ObservationStore, folder: Path, inventory: Inventory) -> dict[int, str]:
    """A file for every Datastream of which values were deleted; before when, ISO 8601."""
    if not isinstance(store, Prunable):
        return {}
    pruned: dict[int, str] = {}
    for number, before in store.pruned().items():
        if number not in inventory.datastreams:
            continue
        found = store.aggregate([number], Period(EPOCH, before), timedelta(hours=1), _KEPT)
        if not len(found.bucket):
            # Retention drew its line before the first value: nothing was deleted.
            continue
        columns = {one.name.lower(): found.values[one] for one in _KEPT}
        hour = pa.array(found.bucket).cast(pa.timestamp("us", "UTC"))
        with replacing(folder / f"aggregates/{number}.parquet") as unfinished:
            pq.write_table(pa.table({"hour": hour, **columns}), unfinished, compression="zstd")
        pruned[number] = before.isoformat().replace("+00:00", "Z")
    return pruned


def require_adoptable(folder: Path, manifest: Manifest) -> None:
    """ConfigurationError names the file whose hours no engine could take."""
    for exported, before in manifest.pruned.items():
        path = folder / f"aggregates/{exported}.parquet"
        try:
            of_hours(_read(path, exported), [exported], datetime.fromisoformat(before))
        except ValueError as error:
            raise ConfigurationError(f"{path}: {error}") from error


def adopt_hours(
    store: ObservationStore, folder: Path, manifest: Manifest, numbers: Mapping[int, int]
) -> None:
    """Into an engine that can keep them; `numbers`: of Datastreams that are new here, export's -> here."""
    if not isinstance(store, Prunable):
        return
    by_limit: dict[str, list[int]] = {}
    for exported, before in manifest.pruned.items():
        if exported in numbers:
            by_limit.setdefault(before, []).append(exported)
    for before, all_of_them in sorted(by_limit.items()):
        for at in range(0, len(all_of_them), _AT_ONCE):
            some = sorted(all_of_them[at : at + _AT_ONCE])
            parts = [_read(folder / f"aggregates/{one}.parquet", numbers[one]) for one in some]
            hours = Aggregates(
                np.concatenate([part.datastream for part in parts]),
                np.concatenate([part.bucket for part in parts]),
                {one: np.concatenate([part.values[one] for part in parts]) for one in _KEPT},
            )
            store.adopt([numbers[one] for one in some], datetime.fromisoformat(before), hours)


def _read(path: Path, datastream: int) -> Aggregates:
    try:
        table = pq.read_table(path)
        hour = table["hour"].to_numpy().astype("datetime64[us]")
        values = {one: table[one.name.lower()].to_numpy() for one in _KEPT}
    except (OSError, KeyError, pa.ArrowInvalid) as error:
        raise ConfigurationError(f"{path}: no hours of an export; copy it again ({error})") from error
    return Aggregates(np.full(len(hour), datastream, np.int64), hour, values)
