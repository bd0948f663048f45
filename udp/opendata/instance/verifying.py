"""Is a Datastream here what it was there? Read back from the store and compared with the export's files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from udp.opendata.instance.files import Fingerprint, read_observations
from udp.opendata.instance.manifest import Manifest
from udp.opendata.instance.revisions import every_revision, months
from udp.store.columns import Observations
from udp.store.port import ObservationStore

SAME, MORE, ROUNDED, DIFFERS = "same", "same, and more here", "same, times in milliseconds", "DIFFERS"


@dataclass(frozen=True, slots=True)
class Compared:
    """One Datastream (thing/key). `here`: Observations in the months of the export, every revision counted;
    checksums as in the manifest."""

    name: str
    exported: int
    here: int
    checksum: str
    checksum_here: str
    verdict: str

    @property
    def equal(self) -> bool:
        """Whether every Observation of the export is here as it was there."""
        return self.verdict != DIFFERS


def compare(store: ObservationStore, folder: Path, manifest: Manifest, exported: int, here: int) -> Compared:
    """Strictly first; then only what was exported; then in the steps of an engine with coarser times."""
    sums = manifest.datastreams[exported]
    found = Fingerprint()
    if sums.first:
        for _, period in months(datetime.fromisoformat(sums.first), datetime.fromisoformat(sums.last)):
            if len(rows := every_revision(store, here, period)):
                found.add(rows)
    verdict = SAME if found.text() == sums.checksum else _looser(store, folder, manifest, exported, here)
    name = f"{sums.thing}/{sums.key}"
    return Compared(name, sums.observations, found.count, sums.checksum, found.text(), verdict)


def _looser(store: ObservationStore, folder: Path, manifest: Manifest, exported: int, here: int) -> str:
    more = rounded = True
    for name in manifest.months_of(exported):
        there = read_observations(folder / name, here)
        ((_, period),) = months(_first(there), _first(there))
        held = every_revision(store, here, period)
        more = more and _sum(_among(held, there)) == _sum(there)
        cut = _cut(there)
        rounded = rounded and _sum(_among(held, cut)) == _sum(cut)
    return MORE if more else ROUNDED if rounded else DIFFERS


def _among(held: Observations, wanted: Observations) -> Observations:
    """Of what is held, what is also wanted, by identity and revision."""
    known = set(_identities(wanted))
    return held.take(np.fromiter((one in known for one in _identities(held)), bool, len(held)))


def _identities(rows: Observations) -> list[tuple[int, int, int]]:
    time = rows.phenomenon_time.astype(np.int64)
    return list(zip(time.tolist(), rows.lead.tolist(), rows.revision.tolist(), strict=True))


def _cut(rows: Observations) -> Observations:
    """Times in whole milliseconds, as VictoriaMetrics keeps them."""
    time = rows.phenomenon_time.astype("datetime64[ms]").astype("datetime64[us]")
    return Observations.build(
        rows.datastream, time, rows.result, result_time=rows.result_time, lead=rows.lead,
        quality=rows.quality, rule=rows.rule, revision=rows.revision,
    )  # fmt: skip


def _sum(rows: Observations) -> str:
    found = Fingerprint()
    found.add(rows)
    return found.text()


def _first(rows: Observations) -> datetime:
    moment: datetime = rows.phenomenon_time[0].astype(datetime)
    return moment.replace(tzinfo=UTC)
