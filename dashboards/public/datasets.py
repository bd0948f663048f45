"""The page "Welche Daten hat die Stadt - und warum (nicht)?": the policy in words, made from nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from dashboards.interface import Interface
from dashboards.public.open_data import listed
from dashboards.public.snapshot import Funding
from dashboards.reading import Entry, each
from dashboards.wording import counted, duration

_ACCESS = {
    "open": "offen für alle",
    "internal": "nur innerhalb der Stadt",
    "restricted": "nur für den Betrieb",
}
_REASONS = {
    "copyright": "Urheberrecht: Die Daten gehören nicht der Stadt allein.",
    "personal": "Informationelle Selbstbestimmung: Die Werte ließen auf einzelne Menschen schließen.",
    "state": "Staatswohl: Wer die Werte kennt, könnte Einrichtungen schaden, auf die alle angewiesen sind.",
    "data_protection": "Datenschutz: Die Werte ließen auf Menschen oder ihr Verhalten schließen.",
}
_ROLES = {
    "app": "städtische App",
    "hobbyist": "wer einen Sensor beiträgt",
    "crew": "Einsatzkräfte des Stadtbetriebs",
    "climate": "Klimateam",
}


@dataclass(frozen=True, slots=True)
class DatasetView:
    """One dataset in German; `reason` is empty for open ones."""

    key: str
    title: str
    description: str
    owner: str
    purpose: str
    legal_basis: str
    is_open: bool
    access: str
    reason: str
    licence: str
    series: str
    resolution: str
    seen_by: str
    kept: Sequence[tuple[str, str]]
    funding: Funding | None


def fetch(interface: Interface) -> list[DatasetView]:
    """The policy in force; InterfaceUnavailable or Unreadable when nobody can know."""
    content = interface.get("/api/v1/policy", remember=True).content
    return each(listed(content, "datasets"), "datasets", _view)


def _view(entry: Entry) -> DatasetView:
    access, kept = entry.text("access"), entry.entry("retention")
    exemption = entry.raw("exemption")
    return DatasetView(
        key=entry.text("key"),
        title=entry.text("title"),
        description=entry.text("description"),
        owner=entry.text("owner"),
        purpose=entry.text("purpose"),
        legal_basis=entry.text("legal_basis"),
        is_open=access == "open",
        access=_ACCESS.get(access, access),
        reason=_REASONS.get(str(exemption), str(exemption)) if exemption else "",
        licence=entry.text("licence", ""),
        series=counted(entry.integer("open_datastreams"), "offene Messreihe", "offene Messreihen"),
        resolution=_resolution(entry.entry("outside")),
        seen_by=", ".join(_ROLES.get(str(one), str(one)) for one in entry.entries("visible_to")),
        kept=[
            (name, _long(kept.raw(key)))
            for name, key in (
                ("Nachrichten, wie sie kamen", "raw_days"),
                ("einzelne Messwerte", "values_days"),
                ("Stunden- und Tageswerte", "aggregates_days"),
            )
        ],
        funding=_funding(entry.entry("funding")) if entry.raw("funding") else None,
    )


def _funding(entry: Entry) -> Funding:
    logo = entry.text("logo", "")
    # Two slashes at the beginning would name another host.
    return Funding(entry.text("text"), entry.text("link", ""), "" if logo.startswith("//") else logo)


def _resolution(outside: Entry) -> str:
    step, grid = outside.raw("time_step_s"), outside.number("place_m", 0.0)
    told = []
    if step is not None:
        told.append(f"nur Mittelwerte über {duration(timedelta(seconds=outside.number('time_step_s')))}")
        at_once = outside.text("current", "now") == "now"
        told.append("der neueste Wert sofort" if at_once else "der neueste Wert erst nach Ende des Schritts")
    if grid:
        told.append(f"Orte auf {grid:g} m gerundet")
    if (users := outside.integer("minimum_users", 1)) > 1:
        told.append(f"erst ab {users} Menschen oder Geräten hinter einer Messreihe")
    return "; ".join(told) or "so genau wie gemessen"


def _long(days: Any) -> str:
    if not isinstance(days, int | float):
        return "unbefristet"
    years = days / 365
    return counted(int(years), "Jahr", "Jahre") if years >= 1 and years == int(years) else f"{days:g} Tage"
