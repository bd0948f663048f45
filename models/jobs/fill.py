"""Containers: how full if nobody comes, how likely critical within a week, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import isfinite
from typing import Any

import numpy as np

from models import metrics
from models.card import ModelCard
from models.fill_level.cleaning import Cleaned, Container, clean
from models.fill_level.forecast import FillForecaster, Outlook
from models.fill_level.naive import NaiveRate
from models.forecaster import LEVELS, NotCalibrated
from models.jobs.basis import Basis, fed_by
from models.jobs.inputs import Inputs, fingerprint, moment, streams_of
from models.jobs.outcome import PUBLISHED, Chance, Fitted, Outcome
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, below, silent
from models.series import Floats, Instant, Series, hours, step_of
from udp.forecasting.port import Told
from udp.registry.port import Channel, Inventory

VERSION = "4"
LEADS = np.array([hours(h) for h in (6, 12, 24, 48, 72, 120, 168)])
JUDGED_HOURS = (24, 48, 72)
CRITICAL_PERCENT = 80.0
HORIZONS = (24, 48, 72, 168)
SHARE = 0.6
_MOST_ORIGINS = 60
# What a sensor said so long ago tells nothing of today.
_SILENT_AFTER = timedelta(days=2)
# Without measures a container counts as one metre deep: percent are then centimetres.
_UNMEASURED = Container(120.0, 20.0)


@dataclass(frozen=True, slots=True)
class FillMaterial:
    """Raw distances of one container, in cm."""

    name: str
    distance_cm: Series
    container: Container
    critical_percent: float

    def fingerprint(self) -> str:
        """See Material."""
        about = f"{self.name} {self.container} {self.critical_percent}"
        return fingerprint([self.distance_cm], VERSION, about)


@dataclass(frozen=True, slots=True)
class Fill:
    """One group per kind of container: a fleet shares what one bin alone cannot know."""

    history: timedelta = timedelta(days=60)
    learn: timedelta = timedelta(days=400)
    critical_percent: float = CRITICAL_PERCENT
    refit_every: timedelta = timedelta(days=1)
    name: str = "fuellstand"

    def groups(self, inventory: Inventory) -> list[Group]:
        """See Product."""
        kinds: dict[str, list[int]] = {}
        for thing, one in streams_of(inventory, ("fill_level",)):
            kinds.setdefault(thing.kind, []).append(one.id)
        return [Group(kind, tuple(targets)) for kind, targets in sorted(kinds.items())]

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, FillMaterial]:
        """See Product."""
        history = self.learn if learning else self.history
        sources = _sources(inputs.inventory, group.targets)
        found = inputs.series([source.datastream for source in sources.values()], history)
        return {
            of: source.material(of, found[source.datastream], self.critical_percent)
            for of, source in sources.items()
        }

    def basis(self, inputs: Inputs, group: Group, fitted: Fitted, told: Told) -> Basis:
        """See Based."""
        del fitted, told
        devices, sources = fed_by(inputs.inventory), _sources(inputs.inventory, group.targets)
        about = {
            of: f"{VERSION} {source} {self.critical_percent} {devices.get(source.datastream)}"
            for of, source in sources.items()
        }
        own = {of: source.datastream for of, source in sources.items()}
        reach = dict.fromkeys(group.targets, self.history)
        return Basis(inputs, inputs.issued_at, reach, own, about, stands=_SILENT_AFTER)

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """See Product."""
        listed: list[FillMaterial] = list(materials.values())
        whole = run.map(_clean, [(one, None) for one in listed], "Füllstände bereinigen")
        times = [one.times for one in whole if one is not None]
        if not times:
            return Fitted(
                None, FillForecaster().name, fallback=False, reason="Noch keine Messwerte", card=None
            )
        start, end = min(t[0] for t in times), max(t[-1] for t in times)
        split = np.datetime64(start + (end - start) * SHARE, "us")
        early = run.map(_clean, [(one, split) for one in listed], "Füllstände vor der Trennung")
        card = _measure(_named(listed, early), _named(listed, whole), split, (start, end))
        return _choose(_named(listed, whole), card)

    @staticmethod
    def answer(ask: Ask) -> Outcome:
        """See Product."""
        material: FillMaterial = ask.material
        fitted = ask.fitted
        if fitted.speaker is None:
            return silent(ask.of, ask.now, fitted.name, fitted.reason)
        cleaned = clean(material.distance_cm, material.container)
        if cleaned is None:
            return silent(ask.of, ask.now, fitted.name, "Weniger als drei brauchbare Messungen im Vorlauf")
        issued = min(cleaned.times[-1], ask.now)
        if ask.now - issued > step_of(_SILENT_AFTER):
            return silent(ask.of, ask.now, fitted.name, "Der Sensor schweigt seit mehr als zwei Tagen")
        fill, spread = float(cleaned.filtered[-1]), float(cleaned.spread[-1])
        made = fitted.speaker.predict(
            material.name, fill, issued_at=issued, leads=LEADS, spread=spread, levels=PUBLISHED
        )
        view = fitted.speaker.outlook(
            material.name,
            fill,
            issued_at=issued,
            critical=material.critical_percent,
            spread=spread,
            horizons=HORIZONS,
        )
        if isinstance(made, NotCalibrated) or isinstance(view, NotCalibrated):
            return silent(
                ask.of, ask.now, fitted.name, made.reason if isinstance(made, NotCalibrated) else ""
            )
        remarks: tuple[str, ...] = ("Gilt, wenn der Behälter nicht geleert wird",)
        if fitted.fallback:
            remarks += (fitted.verdict,)
        return Outcome(
            ask.of, issued, fitted.name, fitted.fallback, forecast=made, remarks=remarks,
            chance=Chance(material.critical_percent, view.probability),
            summary=_summary(view, cleaned, material.critical_percent),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Source:
    """Where a container's distance is found, and how it becomes centimetres."""

    datastream: int
    scale: float
    offset: float
    container: Container

    def material(self, of: int, found: Series, critical: float) -> FillMaterial:
        """What lies outside the container is for the mathematics a reading without echo."""
        centimetres = found.with_values(found.values * self.scale + self.offset, "cm")
        return FillMaterial(str(of), centimetres, self.container, critical)


def _sources(inventory: Inventory, targets: Sequence[int]) -> dict[int, _Source]:
    """The raw distance where the container's measures are known, else the fill itself turned upside down."""
    wanted, found = set(targets), dict[int, _Source]()
    for device in inventory.devices.values():
        for fill in device.channels:
            if fill.datastream not in wanted or fill.datastream in found:
                continue
            for raw in device.channels:
                other = inventory.datastreams.get(raw.datastream)
                if other is None or raw.field != fill.field or other.observed_property.key != "distance":
                    continue
                if (source := _measured(raw, fill, other.unit.symbol)) is not None:
                    found[fill.datastream] = source
                    break
    return {of: found.get(of) or _Source(of, -1.0, _UNMEASURED.depth_cm, _UNMEASURED) for of in targets}


def _measured(raw: Channel, fill: Channel, unit: str) -> _Source | None:
    """fill = a x distance + b tells where empty (0 %) and full (100 %) are."""
    to_cm = {"mm": 0.1, "cm": 1.0}.get(unit)
    if to_cm is None or not raw.scale or not fill.scale:
        return None
    slope = fill.scale / raw.scale
    intercept = fill.offset - slope * raw.offset
    empty, full = -intercept / slope * to_cm, (100.0 - intercept) / slope * to_cm
    if not 0 <= full < empty:
        return None
    return _Source(raw.datastream, to_cm, 0.0, Container(empty, full))


def _clean(work: tuple[FillMaterial, Instant | None]) -> Cleaned | None:
    material, until = work
    known = material.distance_cm if until is None else material.distance_cm.as_of(until)
    return clean(known, material.container)


def _named(materials: Sequence[FillMaterial], cleaned: Sequence[Cleaned | None]) -> dict[str, Cleaned]:
    return {one.name: made for one, made in zip(materials, cleaned, strict=True) if made is not None}


def _choose(whole: Mapping[str, Cleaned], card: ModelCard | None) -> Fitted:
    model, naive = FillForecaster(), NaiveRate()
    refused, naive_refused = model.fit(whole), naive.fit(whole)
    if refused is None and card is not None and card.usable:
        return Fitted(model, model.name, fallback=False, reason="", card=card)
    reason = refused.reason if refused is not None else ("" if card is not None else "noch nicht geprüft")
    if naive_refused is not None:
        return Fitted(None, model.name, fallback=False, reason=naive_refused.reason, card=card)
    return Fitted(naive, naive.name, fallback=True, reason=reason, card=card)


def _measure(
    early: Mapping[str, Cleaned], whole: Mapping[str, Cleaned], split: Instant, span: tuple[Instant, Instant]
) -> ModelCard | None:
    """Both fitted before the split, both asked after it, at the same moments."""
    model, naive = FillForecaster(), NaiveRate()
    if model.fit(early) is not None or naive.fit(early) is not None:
        return None
    rows = [(name, one, *row) for name, one in whole.items() for row in _origins(one, split)]
    if not rows:
        return None
    seen = np.array([[real.get(h, np.nan) for h in JUDGED_HOURS] for _, _, _, real in rows])
    leads = np.array([hours(h) for h in JUDGED_HOURS])
    scores = {"persistence": _score(seen, np.array([[one.filtered[i]] * 3 for _, one, i, _ in rows]), None)}
    for one in (model, naive):
        made = [
            one.predict(
                name, float(cleaned.filtered[i]), issued_at=cleaned.times[i], leads=leads,
                spread=float(cleaned.spread[i]),
            )
            for name, cleaned, i, _ in rows
        ]  # fmt: skip
        unknown = np.full((len(leads), len(LEVELS)), np.nan)
        bands = np.array([unknown if isinstance(m, NotCalibrated) else m.quantiles for m in made])
        scores[one.name] = _score(seen, bands[:, :, LEVELS.index(0.5)], bands)
    return ModelCard(
        name=model.name, target="Füllstand in %, wenn nicht geleert wird", version=VERSION, seed=0,
        data_start=moment(span[0]), data_end=moment(span[1]), split=moment(split), scores=scores,
        deciding_metric="mae",
        notes=(f"{len(whole)} Behälter, {len(rows)} Vorhersagen nach der Trennung geprüft",),
    )  # fmt: skip


def _origins(cleaned: Cleaned, split: Instant) -> list[tuple[int, dict[int, float]]]:
    """Positions, and what came at each judged lead without an emptying between."""
    first = int(np.searchsorted(cleaned.times, split))
    last = len(cleaned.times) - JUDGED_HOURS[0]
    stride = max(6, (last - first) // _MOST_ORIGINS)
    visits = np.cumsum(cleaned.emptied)
    found = []
    for i in range(first, last, stride):
        real = {
            h: min(float(cleaned.smoothed[i + h]), 100.0)
            for h in JUDGED_HOURS
            if i + h < len(cleaned.times) and visits[i + h] == visits[i]
        }
        if real and cleaned.smoothed[i] < 95.0:
            found.append((i, real))
    return found


def _score(seen: Floats, middle: Floats, bands: Floats | None) -> dict[str, float]:
    """``middle`` (n, leads), ``bands`` (n, leads, levels)."""
    rows = {
        f"mae_{h}h": metrics.mean_absolute_error(seen[:, k], middle[:, k]) for k, h in enumerate(JUDGED_HOURS)
    }
    rows["mae"] = metrics.mean_absolute_error(seen.ravel(), middle.ravel())
    if bands is not None:
        flat = bands.reshape(-1, bands.shape[-1])
        rows |= below(seen.ravel(), flat)
        rows["crps"] = metrics.crps(seen.ravel(), flat, LEVELS)
        rows["coverage80"] = metrics.coverage(
            seen.ravel(), flat[:, LEVELS.index(0.1)], flat[:, LEVELS.index(0.9)]
        )
    return rows


def _summary(view: Outlook, cleaned: Cleaned, critical: float) -> dict[str, Any]:
    """Hours are from the issue time; null where critical is not reached within three weeks."""
    emptied = np.flatnonzero(cleaned.emptied)
    early, late = view.hours_to_critical_interval
    return {
        "fill_percent": round(view.fill_now, 1),
        "critical_percent": critical,
        "hours_to_critical": _finite(view.hours_to_critical),
        "hours_to_critical_10": _finite(early),
        "hours_to_critical_90": _finite(late),
        "last_emptied_at": f"{moment(cleaned.times[emptied[-1]]):%Y-%m-%dT%H:%M:%SZ}"
        if emptied.size
        else None,
        "obstacle_cm": _finite(cleaned.container.obstacle_cm or float("nan")),
    }


def _finite(value: float) -> float | None:
    return round(value, 1) if isfinite(value) else None
