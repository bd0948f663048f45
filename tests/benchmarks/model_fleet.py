"""A fleet of containers and meters in a real store, refreshed by the command as it is installed.

Meters' models are learned by a few and copied to the rest: what is measured is reading, asking, writing.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from models.jobs.artefacts import Artefact
from models.jobs.inputs import Inputs
from models.jobs.parallel import ParallelSettings, Runner
from models.jobs.product import Group, Product
from models.series import Times
from udp.store.columns import Observations

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "models" / "jobs"))
from small_city import NOW, SmallCity, before_now, fill_stream

PRODUCTS = ("fuellstand", "last", "verbrauch")
_METER_DAYS, _BIN_DAYS = 430, 60


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds on the clock and of all processors together, children included."""

    wall: float
    cpu: float
    said: str


class Fleet:
    """``taught`` meters learn; the rest copy what they learned."""

    def __init__(self, folder: Path, *, bins: int, meters: int, taught: int) -> None:
        self.bins, self.meters, self.folder = bins, meters, folder
        self.rng = np.random.default_rng(4)
        self.city = SmallCity(folder, bins=bins, meters=meters)
        self.content, self.counter = self.rng.uniform(0, 60, bins), self.rng.uniform(0, 5e4, meters)
        meter_times, bin_times = before_now(_METER_DAYS), before_now(_BIN_DAYS)
        self._use(meter_times)
        self._fill(bin_times)
        fill_stream(self.city, days=_BIN_DAYS)
        self._teach(taught)
        (folder / "models.toml").write_text(
            f'registry = "sqlite:///{folder}/registry.sqlite"\n'
            f'forecasts = "sqlite:///{folder}/forecasts.sqlite"\nartefacts = "{folder}/artefacts"\n'
            f'[store.embedded]\nfolder = "{folder}/store"\n'
        )
        self.city.close()

    def live(self, hours: int, until: datetime) -> None:
        """What all of them say meanwhile."""
        self.city.store = self.city.opened("store")
        times = before_now(hours / 24, until=until)
        self._fill(times)
        self._use(times)
        self.city.store.close()

    def command(self, verb: str, at: datetime, *more: str) -> Took:
        """`udp-models` in a process of its own."""
        asked = [sys.executable, "-m", "models", verb, "--config", str(self.folder / "models.toml")]
        began, before = time.perf_counter(), _children()
        run = subprocess.run(
            [*asked, "--at", at.isoformat(), "--product", *PRODUCTS, *more],
            capture_output=True, text=True, check=False, env=os.environ | {"PYTHONWARNINGS": "ignore"},
        )  # fmt: skip
        if run.returncode:
            raise RuntimeError(f"udp-models {verb} ended with {run.returncode}: {run.stderr[-2000:]}")
        return Took(time.perf_counter() - began, _children() - before, run.stdout.strip().splitlines()[-1])

    def _fill(self, times: Times) -> None:
        hour = times.astype("datetime64[h]").astype(int) % 24
        share = np.where((hour >= 8) & (hour <= 20), 1.5, 0.2)[:, None]
        pace = np.linspace(0.2, 1.2, self.bins)
        added = pace * self.rng.gamma(2.0, 0.5, (len(times), self.bins)) * share
        level = (self.content + np.cumsum(added, axis=0)) % 95.0
        self.content = level[-1]
        distance = np.round((1300.0 - level * 11.0 + self.rng.normal(0, 10, level.shape)) / 20) * 20
        for key, table in (("distance", distance), ("fill_level", level)):
            self._put([(f"korb-{n}", key) for n in range(self.bins)], times, table)

    def _use(self, times: Times) -> None:
        hour = times.astype("datetime64[h]").astype(int) % 24
        weekday = (times.astype("datetime64[D]").astype(int) + 3) % 7
        due = np.where((weekday < 5) & (hour >= 7) & (hour < 18), 20.0, 4.0)[:, None]
        used = due * np.exp(self.rng.normal(0, 0.1, (len(times), self.meters)))
        counted = self.counter + np.cumsum(used, axis=0)
        self.counter = counted[-1]
        self._put([(f"zaehler-{n}", "energy") for n in range(self.meters)], times, np.round(counted, 1))

    def _put(self, streams: list[tuple[str, str]], times: Times, table: np.ndarray) -> None:
        """All series of a fortnight at once, as history arrives."""
        found = {(one.thing, one.key): one.id for one in self.city.inventory.datastreams.values()}
        numbers = np.array([found[one] for one in streams])
        for start in range(0, len(times), 14 * 24):
            part = times[start : start + 14 * 24]
            self.city.store.append(
                Observations.build(
                    np.repeat(numbers, len(part)), np.tile(part, len(numbers)),
                    table[start : start + 14 * 24].T.ravel(),
                )
            )  # fmt: skip

    def _teach(self, taught: int) -> None:
        cycle = self.city.cycle(*PRODUCTS)
        inputs, run = Inputs(self.city.store, self.city.inventory, NOW), Runner(ParallelSettings())
        for product in cycle.products:
            for group in product.groups(self.city.inventory):
                artefact = _taught(product, group, inputs, run, taught)
                cycle.artefacts.keep(product.name, group.name, artefact)


def _taught(product: Product, group: Group, inputs: Inputs, run: Runner, taught: int) -> Artefact:
    of = group.targets if product.name == "fuellstand" else group.targets[:taught]
    materials = product.gather(inputs, replace(group, targets=of), learning=True)
    fitted = product.fit(materials, run)
    if isinstance(fitted.speaker, dict):
        models = list(fitted.speaker.values())
        every = {str(one): deepcopy(models[k % len(models)]) for k, one in enumerate(group.targets)}
        fitted = replace(fitted, speaker=every)
    return Artefact(fitted, inputs.issued_at, f"{product.name} taught")


def _children() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def refreshed(folder: Path, *, bins: int, meters: int, taught: int) -> dict[str, Took]:
    """By name: the first round, one six hours later with all that came, one without anything new, and what
    the published forecasts were worth."""
    fleet = Fleet(folder, bins=bins, meters=meters, taught=taught)
    later = NOW + timedelta(hours=6)
    found = {"first round": fleet.command("forecast", NOW)}
    fleet.live(6, later)
    found["all of it with six new hours"] = fleet.command("forecast", later)
    found["a round without new data"] = fleet.command("forecast", later + timedelta(minutes=10))
    found["score"] = fleet.command("score", later + timedelta(minutes=10))
    return found
