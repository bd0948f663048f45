"""Put the products together from settings and from what people said: the wiring that verbs share."""

from __future__ import annotations

from collections.abc import Sequence

from models.jobs.config import ModelSettings
from models.jobs.consumption import Consumption, Judged
from models.jobs.drift import Drift
from models.jobs.fill import Fill
from models.jobs.load import Loads
from models.jobs.ponds import Ponds
from models.jobs.product import Product
from models.jobs.rain import RainDesk
from models.jobs.runoff import Runoff
from models.jobs.trees import Trees
from models.series import instant
from udp.forecasting.port import Case, Verdict

PRODUCTS = ("fuellstand", "abfluss", "last", "verbrauch", "teich", "boden", "drift")


def products(
    settings: ModelSettings, cases: Sequence[Case] = (), rain: RainDesk | None = None
) -> list[Product]:
    """All products in the order in which a round serves them: what is urgent first."""
    return [
        Runoff(rain=rain, seed=settings.seed),
        Fill(critical_percent=settings.fill.critical_percent),
        Ponds(rain=rain),
        Loads(rain=rain, seed=settings.seed),
        Consumption(
            price_kwh=settings.consumption.price_kwh,
            price_m3=settings.consumption.price_m3,
            threshold=settings.consumption.threshold,
            judged=_judged(cases),
        ),
        Trees(dry_percent=settings.soil.dry_percent, rain=rain),
        Drift(),
    ]


def _judged(cases: Sequence[Case]) -> dict[int, tuple[Judged, ...]]:
    found: dict[int, list[Judged]] = {}
    for one in cases:
        if one.verdict is not Verdict.NONE:
            until = instant(one.closed_at or one.last_seen_at)
            fine = one.verdict is Verdict.FINE
            found.setdefault(one.of, []).append(Judged(one.kind, instant(one.opened_at), until, fine))
    return {of: tuple(many) for of, many in found.items()}
