"""Everything `udp-models` can be told, in one file; `udp-models print-config` shows what is in force.

registry = "sqlite:///var/registry.sqlite"
forecasts = "sqlite:///var/forecasts.sqlite"   # statements, model cards, cases
artefacts = "var/models"                       # fitted models; nobody else may write there
cycle = 600                                    # seconds from one round to the next
[store]
kind = "embedded"
[parallel]
backend = "loky"                               # threading, sequential, dask (with scheduler = "tcp://...")
[fill]
critical_percent = 80.0
[consumption]
price_kwh = 0.30
[rain]
use = true                                     # rain ahead as `udp weather` fetches it
provider = "DWD"                               # named beside every forecast
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from models.jobs.fill import CRITICAL_PERCENT
from models.jobs.parallel import ParallelSettings
from models.jobs.rain import RainSettings
from models.jobs.trees import DRY_PERCENT
from udp.forecasting.placing import beside
from udp.store.opening import StoreSettings

_SHORTEST_CYCLE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class FillSettings:
    """From how many per cent a container counts as critical."""

    critical_percent: float = CRITICAL_PERCENT

    def __post_init__(self) -> None:
        if not 10 <= self.critical_percent <= 100:
            raise ValueError("critical_percent must lie between 10 and 100")


@dataclass(frozen=True, slots=True)
class ConsumptionSettings:
    """Prices in euro per kWh and m3, water with its sewage. ``threshold``: see models.jobs.consumption."""

    price_kwh: float = 0.30
    price_m3: float = 4.60
    threshold: float = 2.5

    def __post_init__(self) -> None:
        if min(self.price_kwh, self.price_m3) < 0 or not 0.5 <= self.threshold <= 10:
            raise ValueError("prices must not be negative, and threshold must lie between 0.5 and 10")


@dataclass(frozen=True, slots=True)
class SoilSettings:
    """From which moisture (per cent by volume) a tree pit counts as dry; tensiometers use 80 kPa."""

    dry_percent: float = DRY_PERCENT

    def __post_init__(self) -> None:
        if not 1 <= self.dry_percent <= 60:
            raise ValueError("dry_percent must lie between 1 and 60")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """The whole process. ``behind``: while half of all series end longer ago, the data are still
    catching up, and a round would only be repeated. ``niceness``: how far forecasts stand back behind
    taking in data. ``report``: where the verb puts the whole report. ``pages_dir``: the directory of pages;
    below it the service puts staff's reports, shortened by ``policy`` (the city's own policy.toml)."""

    registry: str = "sqlite:///var/registry.sqlite"
    forecasts: str = ""  # beside the registry
    store: StoreSettings = field(default_factory=StoreSettings)
    artefacts: Path = Path("var/models")
    report: Path | None = None
    pages_dir: Path | None = None
    policy: Path | None = None
    city: str = "Castrop-Rauxel"
    cycle: timedelta = timedelta(minutes=10)
    behind: timedelta = timedelta(hours=2)
    niceness: int = 10
    seed: int = 0
    parallel: ParallelSettings = field(default_factory=ParallelSettings)
    fill: FillSettings = field(default_factory=FillSettings)
    consumption: ConsumptionSettings = field(default_factory=ConsumptionSettings)
    soil: SoilSettings = field(default_factory=SoilSettings)
    rain: RainSettings = field(default_factory=RainSettings)

    def __post_init__(self) -> None:
        if self.cycle < _SHORTEST_CYCLE:
            raise ValueError("cycle must be at least 60 seconds")
        if not 0 <= self.niceness <= 19:
            raise ValueError("niceness must lie between 0 and 19")

    def forecasts_address(self) -> str:
        """Where forecasts are kept."""
        return self.forecasts or beside(self.registry)
