"""What became of each delivery of a citizen's project, told to those who wonder why nothing arrives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.wire.instants import instant
from edge.wire.messages import Record, Uplink
from ingest.decode import Item
from ingest.heard import Empty
from ingest.journal import Entry
from ingest.normalise import Bindings
from udp.citizens.project import project_of
from udp.ledger.port import Packet, PacketOutcome, PacketValue, Quarantined
from udp.store.columns import Observations

_MOST_VALUES = 40
_LONGEST = 60


class Kept(NamedTuple):
    """The Observations of a batch; `source`: message number of each."""

    observations: Observations
    source: NDArray[np.int64]
    bindings: Bindings


def told(
    entries: Sequence[Entry],
    *,
    opened: Iterable[Item],
    repeated: Iterable[Item],
    drawn: Iterable[tuple[Item, Sequence[Record]]],
    kept: Kept,
    quarantined: Sequence[Quarantined],
) -> list[Packet]:
    """One Packet per delivery of a project, in order; nothing for everybody else's."""
    own = {entry.row: project for entry in entries if (project := project_of(entry.origin))}
    if not own:
        return []
    found: dict[int, Packet] = {}
    for item in repeated:
        if item.entry.row in own:
            found[item.entry.row] = _packet(item, PacketOutcome.DUPLICATE)
    for number, (item, records) in enumerate(drawn):
        if item.entry.row in own:
            found[item.entry.row] = _decoded(item, records, number, kept)
    understood = {item.entry.row for item in opened}
    refused = {(one.origin, one.at, one.octets): one for one in quarantined}
    for entry in entries:
        aside = refused.get((entry.origin, instant(entry.received_at), entry.octets))
        if entry.row in own and aside is not None:
            readable = entry.row in understood
            outcome = PacketOutcome.SET_ASIDE if readable else PacketOutcome.NOT_READABLE
            found[entry.row] = _set_aside(entry, own[entry.row], outcome, aside)
    return [found[row] for row in sorted(found)]


def _decoded(item: Item, records: Sequence[Record], number: int, kept: Kept) -> Packet:
    rows = kept.observations.take(kept.source == number)
    columns = (rows.datastream.tolist(), rows.result.tolist(), rows.quality.tolist())
    stored = {stream: (result, quality) for stream, result, quality in zip(*columns, strict=True)}
    streams = kept.bindings.channels.datastream
    fields = {}
    if isinstance(item.heard, Uplink):
        fields = dict(kept.bindings.devices[item.heard.dev_eui].fields)
    values = []
    for record in records:
        for name, said in record.fields.items():
            positions = fields.get(name, ())
            stream = next((int(streams[position]) for position in positions), None)
            result, quality = stored.get(stream, (None, None))
            values.append(PacketValue(_short(name), _short(str(said)), stream, result, quality))
    outcome = PacketOutcome.STORED if len(rows) else PacketOutcome.NOTHING
    return _packet(item, outcome, values=tuple(values[:_MOST_VALUES]))


def _packet(item: Item, outcome: PacketOutcome, values: tuple[PacketValue, ...] = ()) -> Packet:
    heard = item.heard if isinstance(item.heard, Uplink | Empty) else None
    return Packet(
        at=instant(item.entry.received_at),
        project=project_of(item.entry.origin) or "",
        outcome=outcome,
        dev_eui=str(heard.dev_eui) if heard else "",
        f_cnt=heard.f_cnt if heard else None,
        f_port=heard.f_port if isinstance(heard, Uplink) else None,
        size=len(item.entry.octets),
        values=values,
    )


def _set_aside(entry: Entry, project: str, outcome: PacketOutcome, aside: Quarantined) -> Packet:
    return Packet(
        at=instant(entry.received_at),
        project=project,
        outcome=outcome,
        detail=f"{aside.reason}; {aside.remedy}",
        size=len(entry.octets),
    )


def _short(text: str) -> str:
    """What a page can show: no half characters, no lines of hundreds of signs."""
    clean = text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
    return clean if len(clean) <= _LONGEST else clean[:_LONGEST] + "…"
