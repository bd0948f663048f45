"""Put the report where staff reads it: whole for those who run the platform, and for the climate team without
what the policy hides from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from models.jobs.artefacts import Artefacts
from models.jobs.inputs import Inputs
from models.jobs.rain import RainDesk
from models.jobs.reporting import Reporter
from models.report.document import Report
from models.report.page import render, style
from udp.datasets.source import PolicyFile
from udp.forecasting.port import Told
from udp.policy import OPERATOR, Caller, Gate, Role
from udp.registry.port import Inventory
from udp.store.port import ObservationStore

# Below the directory of pages; `udp` opens each to its role (udp.api.pages).
_STYLE = "bericht.css"
PLACES: Mapping[str, Caller] = {"betrieb/bericht": OPERATOR, "klima": Caller(Role.CLIMATE)}


@dataclass(frozen=True, slots=True)
class ReportPages:
    """What reports are made of. ``city`` and ``seed`` as in the settings."""

    store: ObservationStore
    artefacts: Artefacts
    city: str
    seed: int
    rain: RainDesk | None = None

    def write(self, path: Path, inventory: Inventory, told: Told, at: datetime) -> Path:
        """One report as of ``at`` (aware UTC) that needs no other file."""
        return _replaced(path, render(self._report(inventory, told, at)))

    def publish(
        self, pages: Path, policy: PolicyFile, inventory: Inventory, told: Told, at: datetime
    ) -> None:
        """Every reader's report below ``pages``, with its style beside it: pages may hold none inside."""
        gate = Gate(policy.current())
        for place, caller in PLACES.items():
            report = self._report(*seen_by(gate, caller, inventory, told), at)
            _replaced(pages / place / _STYLE, style())
            _replaced(pages / place / "index.html", render(report, _STYLE))

    def _report(self, inventory: Inventory, told: Told, at: datetime) -> Report:
        inputs = Inputs(self.store, inventory, at)
        return Reporter(inputs, told, self.artefacts, self.city, self.seed, self.rain).report()


def _replaced(path: Path, text: str) -> Path:
    """Whole or not at all: no reader sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    return fresh.replace(path)


def seen_by(gate: Gate, caller: Caller, inventory: Inventory, told: Told) -> tuple[Inventory, Told]:
    """Only series the caller may know as they were measured, and what was said of these."""
    admitted = gate.admit(inventory, caller)
    known = admitted.datastreams.keys() - admitted.limits.keys()
    streams = {number: one for number, one in inventory.datastreams.items() if number in known}
    return replace(inventory, datastreams=streams), replace(
        told,
        statements={key: one for key, one in told.statements.items() if key[0] in known},
        cards=[one for one in told.cards if one.of and set(one.of) <= known],
        cases=[one for one in told.cases if one.of in known],
    )
