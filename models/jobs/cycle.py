"""One round over all products: fit what is due, forecast what has new data, and nothing else."""

from __future__ import annotations

import json
import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from models.card import german
from models.jobs import consumption
from models.jobs.artefacts import Artefact, Artefacts
from models.jobs.basis import Based, Basis, marks
from models.jobs.inputs import Inputs, fingerprint
from models.jobs.outcome import Fitted
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, Product
from models.jobs.publishing import Publisher
from models.jobs.trace import Trace
from udp.forecasting.port import Card, Forecasts, Told
from udp.registry.port import Registry
from udp.store.port import ObservationStore

_log = logging.getLogger(__name__)

# What could not be learned yet is tried again sooner than what only grows better.
_RETRY = timedelta(hours=3)


@dataclass(slots=True)
class Tally:
    """What one round did."""

    fitted: int = 0
    asked: int = 0
    unchanged: int = 0
    values: int = 0
    postponed: int = 0
    seconds: float = 0.0
    silent: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return (
            f"{self.fitted} fitted, {self.asked} forecast, {self.unchanged} unchanged, "
            f"{sum(self.silent.values())} without a forecast, {self.values} values, "
            f"{self.postponed} fits postponed, {self.seconds:.1f} s"
        )


@dataclass(frozen=True, slots=True)
class Cycle:
    """The ports and the products. ``clock`` counts seconds; fits stop starting after ``fit_budget_s``."""

    registry: Registry
    store: ObservationStore
    forecasts: Forecasts
    artefacts: Artefacts
    products: Sequence[Product]
    run: Runner
    clock: Callable[[], float] = time.monotonic
    fit_budget_s: float = float("inf")

    def round(
        self, issued_at: datetime, *, fit: bool = True, forecast: bool = True, force: bool = False
    ) -> Tally:
        """As of ``issued_at`` (aware UTC). ``force``: also what did not change."""
        began, tally = self.clock(), Tally()
        inputs = Inputs(self.store, self.registry.inventory(), issued_at)
        told = self.forecasts.told()
        for product in self.products:
            for group in product.groups(inputs.inventory):
                if fit:
                    self._fit(product, group, inputs, tally, began=began, force=force)
                if forecast:
                    self._forecast(product, group, inputs, told, tally, force=force)
        tally.seconds = self.clock() - began
        return tally

    def measure(self, issued_at: datetime) -> Iterator[tuple[str, str, Fitted]]:
        """Fit everything as of ``issued_at`` and keep nothing: product, group and how good it is."""
        inputs = Inputs(self.store, self.registry.inventory(), issued_at)
        for product in self.products:
            for group in product.groups(inputs.inventory):
                if materials := product.gather(inputs, group, learning=True):
                    yield product.name, group.name, product.fit(materials, self.run)

    def _fit(
        self, product: Product, group: Group, inputs: Inputs, tally: Tally, *, began: float, force: bool
    ) -> None:
        newest = self.artefacts.newest(product.name, group.name, inputs.issued_at)
        if newest is not None and not force and not self._due(product, newest, inputs.issued_at):
            return
        if self.clock() - began > self.fit_budget_s:
            tally.postponed += 1
            return
        materials = product.gather(inputs, group, learning=True)
        mark = fingerprint([], *(f"{of} {one.fingerprint()}" for of, one in sorted(materials.items())))
        if newest is not None and newest.fingerprint == mark and not force:
            return
        _log.info("%s %s: learning", product.name, group.name)
        fitted = product.fit(materials, self.run)
        artefact = Artefact(fitted, inputs.issued_at.replace(microsecond=0), mark)
        self.artefacts.keep(product.name, group.name, artefact)
        self.forecasts.write(cards=_card(product, group, artefact))
        tally.fitted += 1
        _log.info("%s %s: %s", product.name, group.name, fitted.verdict)

    @staticmethod
    def _due(product: Product, newest: Artefact, issued_at: datetime) -> bool:
        every = product.refit_every if not newest.fitted.reason else min(product.refit_every, _RETRY)
        return issued_at - newest.fitted_at >= every

    def _forecast(
        self, product: Product, group: Group, inputs: Inputs, told: Told, tally: Tally, *, force: bool
    ) -> None:
        newest = self.artefacts.newest(product.name, group.name, inputs.issued_at)
        if newest is None:
            return
        changed = self._changed(product, group, inputs, told, newest, force=force)
        tally.unchanged += len(group.targets) - len(changed)
        asks = [
            (Ask(of, _narrowed(newest.fitted, of), material, inputs.now), mark)
            for of, material, mark in changed
        ]
        if not asks:
            return
        answers = self.run.map(product.answer, [ask for ask, _ in asks], f"{product.name} {group.name}")
        units = {of: inputs.inventory.datastreams[of].unit.symbol for of in group.targets}
        marked = [(answer, mark) for answer, (_, mark) in zip(answers, asks, strict=True)]
        tally.values += Publisher(self.store, self.forecasts, product.name).publish(marked, units)
        tally.asked += len(asks)
        tally.silent.update(answer.reason for answer in answers if answer.reason)

    def _changed(
        self, product: Product, group: Group, inputs: Inputs, told: Told, newest: Artefact, *, force: bool
    ) -> list[tuple[int, Any, str]]:
        """Targets whose answer would rest on something else than the one that stands: with what is known of
        them, and the mark of it."""

        def news(of: int, mark: str, stands: timedelta = timedelta.max) -> bool:
            said = told.statements.get((of, product.name))
            if force or said is None or said.fingerprint != mark:
                return True
            return not said.reason and inputs.issued_at - said.issued_at > stands

        if not isinstance(product, Based):
            materials = product.gather(inputs, group, learning=False)
            made = {of: fingerprint([], one.fingerprint(), newest.mark) for of, one in materials.items()}
            return [(of, one, made[of]) for of, one in materials.items() if news(of, made[of])]
        basis = product.basis(inputs, group, newest.fitted, told)
        found = self._marks(product, group, basis, newest)
        reaches: dict[timedelta, list[int]] = {}
        for of, mark in found.items():
            if news(of, mark, basis.stands):
                reaches.setdefault(basis.history[of], []).append(of)
        return [
            (of, material, found[of])
            for history, some in reaches.items()
            for of, material in product.gather(
                inputs, replace(group, targets=tuple(some), history=history), learning=False
            ).items()
        ]

    def _marks(self, product: Product, group: Group, basis: Basis, newest: Artefact) -> dict[int, str]:
        """What is remembered of reading is kept where it has grown."""
        traces = self.artefacts.traces(product.name, group.name)
        before = {name: one.settled() for name, one in traces.items()}
        found = marks(basis, lambda name: traces.setdefault(name, Trace()))
        if before != {name: one.settled() for name, one in traces.items()}:
            self.artefacts.keep_traces(product.name, group.name)
        return {of: fingerprint([], mark, newest.mark) for of, mark in found.items()}


def _narrowed(fitted: Fitted, of: int) -> Fitted:
    return consumption.narrowed(fitted, of) if isinstance(fitted.speaker, dict) else fitted


def _card(product: Product, group: Group, artefact: Artefact) -> list[Card]:
    fitted = artefact.fitted
    if fitted.speaker is None and fitted.card is None and not fitted.reason:
        return []  # nothing is learned here, so there is nothing to judge
    content: dict[str, Any] = {} if fitted.card is None else json_of(fitted)
    return [
        Card(
            product=product.name,
            group=group.name,
            fitted_at=artefact.fitted_at,
            of=group.targets,
            usable=fitted.speaker is not None and not fitted.fallback,
            verdict=fitted.verdict,
            content=content,
        )
    ]


def json_of(fitted: Fitted) -> dict[str, Any]:
    """The model card as JSON can say it: what could not be measured is null."""
    if fitted.card is None:
        return {}
    raw: dict[str, Any] = json.loads(fitted.card.to_json())
    raw["scores"] = {
        name: {metric: value if math.isfinite(value) else None for metric, value in row.items()}
        for name, row in raw["scores"].items()
    }
    metrics = {metric for row in raw["scores"].values() for metric in row}
    if fitted.trials:
        raw["warnings"] = [asdict(one) for one in fitted.trials]
    raw["labels"] = {name: german(name) for name in (*raw["scores"], *sorted(metrics))}
    return raw


def with_products(cycle: Cycle, names: Sequence[str]) -> Cycle:
    """Only some products; all where ``names`` is empty."""
    return cycle if not names else replace(cycle, products=[p for p in cycle.products if p.name in names])
