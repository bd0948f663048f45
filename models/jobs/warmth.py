"""Temperature ahead as it was expected at any moment: the newest point forecast somebody had by then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from models.forecaster import Leads
from models.jobs.issued_runs import newest_known
from models.report.wording import full
from models.series import HOUR, Floats, Instant, Step, Times, instant, step_of
from udp.weather.archive import Runs

# Two days of leads from a run that may be half a day old, and some.
_HOURS = 72


@dataclass(frozen=True, slots=True)
class WarmthRuns:
    """Runs by issue time (models.consumption.warmth.WarmthAhead): ``values`` (runs, hours) degrees Celsius at
    issue + 1 h, + 2 h ... A run older than ``limit`` is not used. ``provider`` is named beside forecasts."""

    issued: Times
    known_at: Times
    values: Floats
    limit: Step
    provider: str = ""

    @classmethod
    def of(cls, runs: Runs, limit: Step, provider: str) -> WarmthRuns:
        """From the archive, the first series being air temperature."""
        return cls(runs.issued, runs.known_at, runs.values[:, 0, :_HOURS], limit, provider)

    def since(self, moment: datetime) -> WarmthRuns:
        """Without the runs issued before."""
        keep = self.issued >= instant(moment)
        return WarmthRuns(
            self.issued[keep], self.known_at[keep], self.values[keep], self.limit, self.provider
        )

    def table(self, origins: Times, leads: Leads) -> Floats:
        """See WarmthAhead; even between two hours."""
        rows = newest_known(self.issued, self.known_at, origins, self.limit)
        out = np.full((len(origins), len(leads)), np.nan)
        told = np.flatnonzero(rows >= 0)
        if not told.size or not self.values.shape[1]:
            return out
        run = rows[told]
        place = (origins[told][:, None] + leads[None, :] - self.issued[run][:, None]) / HOUR - 1.0
        low = np.clip(np.floor(place), 0, self.values.shape[1] - 1).astype(np.int64)
        high = np.minimum(low + 1, self.values.shape[1] - 1)
        below, above = self.values[run[:, None], low], self.values[run[:, None], high]
        # On the hour the next one is not asked: it may not have been said.
        share = place - low
        warm = np.where(share > 0, below + share * (above - below), below)
        out[told] = np.where((place >= 0) & (place <= self.values.shape[1] - 1), warm, np.nan)
        return out

    def mark(self) -> str:
        """Changes with every run that becomes known: the past says how far the newest is to be trusted."""
        return f"{len(self.issued)} {self.issued[-1:]} {self.known_at[-1:]}"

    def told(self, now: Instant) -> str:
        """Which temperature ahead is used and how old it is, in German."""
        row = int(newest_known(self.issued, self.known_at, np.array([now]), self.limit)[0])
        if row >= 0:
            return f"Temperatur voraus ({self.provider}): Punktvorhersage von {full(self.issued[row])}"
        last = self.issued[self.known_at <= now]
        if not len(last):
            return f"{AS_YESTERDAY}: eine Temperaturvorhersage liegt nicht vor"
        return f"{AS_YESTERDAY}: die letzte Temperaturvorhersage ist von {full(last[-1])} und zu alt"


AS_YESTERDAY = "Gerechnet, als bliebe das Wetter wie gestern"


def no_runs() -> WarmthRuns:
    """Where no weather service is asked."""
    never = np.array([], dtype="datetime64[us]")
    return WarmthRuns(never, never, np.empty((0, _HOURS)), step_of(timedelta(0)))
