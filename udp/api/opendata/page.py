"""A dataset in words: what the pages show, ready to be written."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from udp.opendata.coverage import Coverage
from udp.opendata.offer import licence_page
from udp.opendata.packing import Note

_HERE = ZoneInfo("Europe/Berlin")
_QUALITY = {"good": "gut", "suspect": "zweifelhaft", "bad": "falsch", "unchecked": "ungeprüft"}


def summary(one: Coverage) -> dict[str, Any]:
    """A line of the list of all."""
    told = one.offer.dataset
    return {
        "key": told.key,
        "title": told.title,
        "description": told.description,
        "series": len(one.offer.streams),
        "span": _span(one),
        "licence": one.offer.licence,
        "simulated": one.offer.simulated,
    }


def describe(one: Coverage, base: str) -> dict[str, Any]:
    """Everything of one page; `base`: the public address."""
    told = one.offer.dataset
    newest = one.months[0].name if one.months else (one.days[0].name if one.days else None)
    where = f"{base}/opendata/{told.key}"
    return summary(one) | {
        "owner": told.owner,
        "purpose": told.purpose,
        "funding": told.funding,
        "licence_page": licence_page(one.offer.licence),
        "observations": _number(one.observations),
        "places": len(one.offer.things),
        "quantities": sorted(
            {(one_.observed_property.name, one_.unit.symbol) for one_ in one.offer.streams.values()}
        ),
        "timely": one.timely,
        "good": None if one.good is None else f"{one.good * 100:.1f}".replace(".", ","),
        "quality": [(_QUALITY.get(word, word), _number(n)) for word, n in sorted(one.quality.items())],
        "stepped": sorted({_step(limit.time_step.total_seconds()) for limit in one.offer.limits.values()}),
        "months": [_file(note) for note in one.months],
        "days": [_file(note) for note in one.days],
        "citation": _citation(one, where),
        "lines": _lines(where, newest) if newest else [],
    }


def _lines(where: str, name: str) -> list[tuple[str, str]]:
    """One line each, to copy."""
    return [
        ("Python (pandas)", f'import pandas as pd; werte = pd.read_parquet("{where}/{name}.parquet")'),
        ("R", f'werte <- arrow::read_parquet("{where}/{name}.parquet")'),
        ("R ohne Zusatzpaket", f'werte <- read.csv(gzcon(url("{where}/{name}.csv.gz")))'),
        (
            "Kommandozeile",
            f"curl -O {where}/{name}.csv.gz -O {where}/{name}.csv.gz.sha256 && sha256sum -c *.sha256",
        ),
    ]


def _citation(one: Coverage, where: str) -> str:
    told = one.offer.dataset
    version = one.months[0] if one.months else None
    of = f", Abzug {version.name} vom {_day(datetime.fromisoformat(version.made_at))}" if version else ""
    return f"{told.owner}: {told.title}{of}. Lizenz {one.offer.licence}. {where}/"


def _file(note: Note) -> dict[str, Any]:
    return {
        "name": note.name,
        "rows": _number(note.rows),
        "made": _day(datetime.fromisoformat(note.made_at)),
        "files": [
            {"ending": ending, "size": _size(told["octets"]), "sha256": told["sha256"]}
            for ending, told in note.files.items()
        ],
    }


def _span(one: Coverage) -> str:
    if one.first is None or one.last is None:
        return "noch keine Werte"
    moment = one.last.astimezone(_HERE)
    return f"{_day(one.first)} bis {moment:%d.%m.%Y, %H:%M} Uhr"


def _day(moment: datetime) -> str:
    return f"{moment.astimezone(_HERE):%d.%m.%Y}"


def _step(seconds: float) -> str:
    for size, word in ((86_400, "Tage"), (3600, "Stunden"), (60, "Minuten")):
        if seconds % size == 0:
            return f"{seconds / size:g} {word}"
    return f"{seconds:g} Sekunden"


def _number(count: int) -> str:
    return f"{count:,}".replace(",", ".")


def _size(octets: int) -> str:
    for limit, word in ((1_000_000, "MB"), (1000, "kB")):
        if octets >= limit:
            return f"{octets / limit:.1f} {word}".replace(".", ",")
    return f"{octets} Byte"
