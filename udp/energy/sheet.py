"""Load profiles and readings as the CSV that energy software takes, and readings back out of it.

Semicolons, decimal commas, times in local time with their offset (so the hour that comes twice in October is
told apart): what spreadsheets and energy management in Germany read without settings.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np

from edge.wire.instants import EPOCH
from udp.energy.intervals import Intervals, Status
from udp.errors import ConfigurationError
from udp.opendata.csv_text import cell
from udp.sensorthings import Datastream, Quality, QualityRule, Thing
from udp.store.columns import Observations

PROFILE = (
    "messstelle", "bezeichnung", "datenreihe", "obis", "von", "bis", "verbrauch", "zaehlerstand", "einheit",
    "status", "mscons",
)  # fmt: skip
READINGS = (
    "messstelle", "bezeichnung", "datenreihe", "obis", "zeit", "zaehlerstand", "einheit", "status", "mscons",
    "bekannt_seit", "pruefung", "regel", "fassung",
)  # fmt: skip
_LOCAL = ZoneInfo("Europe/Berlin")
_OF_QUALITY = {
    Quality.GOOD: Status.TRUE, Quality.UNCHECKED: Status.TRUE, Quality.SUSPECT: Status.PRELIMINARY,
    Quality.BAD: Status.UNUSABLE,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Counter:
    """One counter: its Datastream, where it hangs, and its OBIS code."""

    stream: Datastream
    thing: Thing
    obis: str

    @property
    def unit(self) -> str:
        """As energy software writes it."""
        return {"m3": "m³"}.get(self.stream.unit.symbol, self.stream.unit.symbol)

    @property
    def name(self) -> str:
        """`Zählpunkt` as the city says it (property `messlokation`: MeLo or MaLo), else the Thing's key."""
        said = self.thing.properties.get("messlokation")
        return said if isinstance(said, str) and said else self.thing.key

    def head(self) -> list[str]:
        """The columns that name it."""
        return [cell(self.name), cell(self.thing.name), self.stream.key, self.obis]


def profile_lines(counter: Counter, found: Intervals) -> Iterator[list[str]]:
    """One line per period, also where nothing is known."""
    head, width = counter.head(), np.int64(found.step.total_seconds() * 1e6)
    for start, used, reading, status in zip(
        found.start.tolist(), found.used.tolist(), found.reading.tolist(), found.status, strict=True
    ):
        yield [
            *head, _local(start), _local(start + int(width)), _rounded(used), _rounded(reading), counter.unit,
            status.letter, status.mscons,
        ]  # fmt: skip


def reading_lines(counter: Counter, rows: Observations) -> Iterator[list[str]]:
    """One line per reading, as it was measured: nothing is rounded, so it can be read back."""
    head = counter.head()
    for at in range(len(rows)):
        quality = Quality(int(rows.quality[at]))
        status = _OF_QUALITY[quality]
        yield [
            *head, _local(int(rows.phenomenon_time[at].astype(np.int64))), _exact(float(rows.result[at])),
            counter.unit, status.letter, status.mscons, _local(int(rows.result_time[at].astype(np.int64))),
            quality.name.lower(), QualityRule(int(rows.rule[at])).name.lower(), str(int(rows.revision[at])),
        ]  # fmt: skip


def text(head: tuple[str, ...], lines: Iterable[list[str]]) -> str:
    """RFC 4180 with semicolons."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow(head)
    writer.writerows(lines)
    return out.getvalue()


def read_back(content: str, counters: Iterable[Counter]) -> dict[int, Observations]:
    """Readings by Datastream. ConfigurationError names line and column; nothing is skipped in silence."""
    known = {(cell(one.name), one.stream.key, one.obis): one for one in counters}
    table = csv.DictReader(io.StringIO(content), delimiter=";")
    if tuple(table.fieldnames or ()) != READINGS:
        raise ConfigurationError(
            f"Zeile 1: die Spalten sind nicht {';'.join(READINGS)}; gelesen werden Zählerstände "
            "(every=readings), aus einem Lastgang lassen sie sich nicht zurückrechnen"
        )
    rows: dict[int, list[tuple[int, float, int, int, int, int]]] = {}
    for number, line in enumerate(table, 2):
        counter = known.get((line["messstelle"], line["datenreihe"], line["obis"]))
        if counter is None:
            raise ConfigurationError(
                f"Zeile {number}: {line['messstelle']} {line['datenreihe']} {line['obis']} gibt es hier "
                "nicht; zuerst den Zähler anlegen (udp devices import)"
            )
        if line["einheit"] != counter.unit:
            raise ConfigurationError(
                f"Zeile {number}: Einheit {line['einheit']!r}, hier wird in {counter.unit} gezählt"
            )
        rows.setdefault(counter.stream.id, []).append(_meant(number, line))
    return {stream: _observations(stream, found) for stream, found in rows.items()}


def _meant(number: int, line: dict[str, str]) -> tuple[int, float, int, int, int, int]:
    try:
        return (
            _micros(line["zeit"]), _number(line["zaehlerstand"]), _micros(line["bekannt_seit"]),
            Quality[line["pruefung"].upper()].value, QualityRule[line["regel"].upper()].value,
            int(line["fassung"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(f"Zeile {number}: {error}; so schreibt es udp lastgang export") from error


def _number(text: str) -> float:
    value = float(text.replace(",", "."))
    if not math.isfinite(value):
        raise ValueError(f"{text!r} ist kein Zählerstand")
    return value


def _observations(stream: int, rows: list[tuple[int, float, int, int, int, int]]) -> Observations:
    time, value, known, quality, rule, revision = (np.array(column) for column in zip(*rows, strict=True))
    return Observations.build(
        stream, time, value, result_time=known, quality=quality, rule=rule, revision=revision
    )


def _local(micros: int) -> str:
    moment = datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
    return moment.astimezone(_LOCAL).isoformat()


def _micros(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} hat keinen Zeitversatz (+01:00)")
    passed = moment - EPOCH
    return (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds


def _rounded(value: float) -> str:
    """Six decimals: a thousandth of a litre or watt-hour."""
    return "" if math.isnan(value) else f"{value:.6f}".rstrip("0").rstrip(".").replace(".", ",")


def _exact(value: float) -> str:
    return repr(value).replace(".", ",")
