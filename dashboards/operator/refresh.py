"""Draws the operator page: what is wrong, or that nobody can know."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import jinja2

from dashboards.interface import Interface, InterfaceUnavailable
from dashboards.operator.findings import REPORT_FRESH, Finding, Severity, findings
from dashboards.operator.reading import fetch
from dashboards.operator.register_page import PAGE, fetch_register, register_tables
from dashboards.operator.report import Operations
from dashboards.operator.silence import Arrivals
from dashboards.operator.tables import tables
from dashboards.page_directory import PageDirectory
from dashboards.reading import Unreadable
from dashboards.templating import assets
from dashboards.wording import LocalTime, counted, listed

_log = logging.getLogger(__name__)

_SEVERITIES = {
    Severity.CRITICAL: ("✕", "kritisch", "kritisch"),
    Severity.WARNING: ("▲", "Warnung", "warnung"),
    Severity.NOTICE: ("○", "Hinweis", "notiz"),
}
_PAGE = "index.html"


@dataclass(frozen=True, slots=True)
class FindingView:
    """A finding with its severity as symbol, word and class of the style sheet."""

    symbol: str
    word: str
    style: str
    what: str
    detail: str
    remedy: str


class OperatorRefresh:
    """Writes one page into a private directory; style sheet and script are those of the public pages."""

    def __init__(
        self,
        interface: Interface,
        directory: PageDirectory,
        templates: jinja2.Environment,
        *,
        time: LocalTime,
        city: str,
        now: Callable[[], datetime],
    ) -> None:
        self._interface = interface
        self._directory = directory
        self._template = templates.get_template("operations.html")
        self._register = templates.get_template("register.html")
        self._time = time
        self._city = city
        self._now = now
        self._arrivals = Arrivals()
        self._addresses = {name: address for name, (address, _) in assets().items()}

    def round(self) -> bool:
        """Fetch and draw once; False when the report could not be had, which the page then says."""
        try:
            operations = fetch(self._interface)
        except (InterfaceUnavailable, Unreadable) as error:
            _log.warning("no operations report: %s", error)
            self._write(fault=str(error))
            return False
        self._draw_register()
        self._write(**self._shown(replace(operations, catching_up=self._arrivals.note(operations))))
        return True

    def _draw_register(self) -> None:
        """The second page; without an answer the last one stays, and says its time at its foot."""
        try:
            devices = fetch_register(self._interface)
        except (InterfaceUnavailable, Unreadable) as error:
            _log.warning("no register of devices: %s", error)
            return
        content = self._frame() | {"fault": "", "tables": register_tables(devices, self._time)}
        self._directory.write(PAGE, self._register.render(content))

    def _shown(self, operations: Operations) -> dict[str, Any]:
        now = self._now()
        found = findings(operations, now)
        return {
            "fault": "",
            "report_time": f"{self._time.full(operations.at)} ({self._time.local(operations.at):%S} s)",
            "report_iso": operations.at.isoformat().replace("+00:00", "Z"),
            "findings": [_view(finding) for finding in found],
            "in_order": in_order(found, operations, now),
            "tally": _tally(found),
            "tables": tables(operations, self._time),
        }

    def _write(self, **content: Any) -> None:
        remedy = "Läuft udp run? Stimmen api_url und operator_key dieses Prozesses?"
        self._directory.write(
            _PAGE, self._template.render(self._frame() | {"fault_remedy": remedy} | content)
        )

    def _frame(self) -> dict[str, Any]:
        """What every page of the operators needs around its content."""
        now = self._now()
        return {
            "site": {"city": self._city},
            "assets": self._addresses,
            "drawn": self._time.full(now),
            "drawn_iso": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "limit": int(1.5 * REPORT_FRESH.total_seconds()),
            "outage": "",
            "simulated": False,
            # Made by the models' process within the first hour, or never where it does not run.
            "models_report": self._directory.exists("bericht/index.html"),
        }


def in_order(found: list[Finding], operations: Operations, now: datetime) -> bool:
    """Proven, not assumed: a fresh report that has heard of somebody and names no trouble."""
    heard = any(agent.last_journalled_at for agent in operations.agents)
    fresh = now - operations.at <= REPORT_FRESH
    return heard and fresh and all(finding.severity is Severity.NOTICE for finding in found)


def _view(finding: Finding) -> FindingView:
    symbol, word, style = _SEVERITIES[finding.severity]
    return FindingView(symbol, word, style, finding.what, finding.detail, finding.remedy)


def _tally(found: list[Finding]) -> str:
    counts = Counter(finding.severity for finding in found)
    names = {
        Severity.CRITICAL: ("kritische Störung", "kritische Störungen"),
        Severity.WARNING: ("Warnung", "Warnungen"),
        Severity.NOTICE: ("Hinweis", "Hinweise"),
    }
    return listed([counted(counts[one], *names[one]) for one in Severity if counts[one]])
