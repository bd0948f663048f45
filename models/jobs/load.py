"""Meters ahead: what a building will probably use in each hour of the next two days, and who says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from models.baselines import SeasonalNaive
from models.consumption.outlook import LoadForecaster
from models.forecaster import Forecast, NotCalibrated
from models.jobs.basis import Basis, fed_by
from models.jobs.inputs import Inputs
from models.jobs.load_exam import LEADS, NAME, VERSION, Learned, Learner, LoadMaterial, card_of
from models.jobs.metering import by_medium, hourly_use
from models.jobs.outcome import PUBLISHED, Fitted, Outcome
from models.jobs.parallel import Runner
from models.jobs.product import Ask, Group, silent
from models.jobs.rain import RainDesk
from models.jobs.warmth import AS_YESTERDAY, no_runs
from models.series import HOUR, Record
from udp.forecasting.port import Told
from udp.registry.port import Inventory
from udp.weather.archive import EXPECTED_AIR, HOURS

# Two days of hours in five quantiles per meter: four issues a day say all that is new, and fill no store.
EVERY_H = 6
_TOLD = "Verbrauch je Stunde, die zur genannten Zeit endet"
_DEAF = f"{AS_YESTERDAY}: die Temperaturvorhersage brachte hier bisher keinen Gewinn"


@dataclass(frozen=True, slots=True)
class _Voice:
    """Who speaks for one meter; ``why`` says why it is the simple comparison. ``deaf``: temperature forecasts
    made it worse, and are not used."""

    speaker: LoadForecaster | SeasonalNaive
    why: str = ""
    deaf: bool = False


def _voice(learned: Learned, *, trusted: bool) -> _Voice | str:
    """The model only where it is better; a German reason where nobody can speak."""
    model, naive = learned.model, learned.naive
    if not model.calibrated or not learned.scores:
        reason = "noch nicht geprüft"
        if not model.calibrated:
            reason = model.reason.removeprefix("Lastprognose nicht kalibriert: ")
        return reason if naive is None else _Voice(naive, reason)
    if trusted and learned.wins:
        return _Voice(model, deaf=learned.worth.deaf)
    why = "an diesem Zähler war der einfache Vergleich besser"
    return why if naive is None else _Voice(naive, why)


@dataclass(frozen=True, slots=True)
class Loads:
    """One group and one card per medium; each meter has a model of its own, and is left to the simple
    comparison where that was better."""

    history: timedelta = timedelta(days=45)
    learn: timedelta = timedelta(days=430)
    refit_every: timedelta = timedelta(days=14)
    rain: RainDesk | None = None
    seed: int = 0
    name: str = "last"

    def groups(self, inventory: Inventory) -> list[Group]:
        """See Product."""
        return by_medium(inventory)

    def gather(self, inputs: Inputs, group: Group, *, learning: bool) -> Mapping[int, LoadMaterial]:
        """See Product; all of it as known at the last issue hour."""
        then = inputs.earlier(_issue_hour(inputs.issued_at))
        history = self.learn if learning else self.history
        warmth = then.warmth(HOUR, history)
        drivers = {} if warmth is None else {"temperature": warmth}
        ahead = no_runs() if self.rain is None else self.rain.warmth(then.issued_at)
        if not learning:
            ahead = ahead.since(then.issued_at - history)
        return {
            of: LoadMaterial(str(of), Record(hourly_use(one, then.now)[0], drivers), then.now, ahead)
            for of, one in then.series(group.targets, history).items()
        }

    def basis(self, inputs: Inputs, group: Group, fitted: Fitted, told: Told) -> Basis:
        """See Based; asked again with every issue hour."""
        del fitted
        then = inputs.earlier(_issue_hour(inputs.issued_at))
        devices, air = fed_by(inputs.inventory), told.streams.get(EXPECTED_AIR)
        used = None if self.rain is None else self.rain.settings
        if self.rain is not None:
            self.rain.forget_warmth()
        return Basis(
            then, then.issued_at, dict.fromkeys(group.targets, self.history),
            own={of: of for of in group.targets},
            about={of: f"{VERSION} {then.now} {used} {devices.get(of)}" for of in group.targets},
            shared=then.outdoors(),
            expected=() if air is None or used is None else (air,), ahead=HOURS * timedelta(hours=1),
        )  # fmt: skip

    def fit(self, materials: Mapping[int, Any], run: Runner) -> Fitted:
        """See Product."""
        listed: list[LoadMaterial] = list(materials.values())
        made = run.map(Learner(self.seed, EVERY_H), listed, "Lastgänge lernen")
        card = card_of(listed, made, self.seed, EVERY_H)
        trusted = card is not None and card.usable
        voices = {
            one.name: _voice(learned, trusted=trusted) for one, learned in zip(listed, made, strict=True)
        }
        why = "" if card is not None else "noch kein Zeitraum, an dem das Modell geprüft werden konnte"
        if not any(isinstance(one, _Voice) for one in voices.values()):
            reason = next(iter(voices.values()), "kein Zähler im Register")
            return Fitted(None, NAME, fallback=False, reason=str(reason), card=card)
        return Fitted(voices, NAME, fallback=not trusted, reason=why, card=card)

    @staticmethod
    def answer(ask: Ask) -> Outcome:
        """See Product."""
        material: LoadMaterial = ask.material
        voice = ask.fitted.speaker[material.name] if ask.fitted.speaker is not None else ask.fitted.reason
        if isinstance(voice, str):
            return silent(ask.of, material.issued, NAME, voice)
        if len(material.record.target) < 2:
            return silent(ask.of, material.issued, voice.speaker.name, "Noch keine Messwerte")
        speaker, remarks = _heard(voice, material)
        made = speaker.predict(material.record, material.issued, LEADS, PUBLISHED)
        if isinstance(made, NotCalibrated):
            reason = "Der Zähler hat zuletzt nichts gemeldet" if voice.why else made.reason
            return silent(ask.of, material.issued, voice.speaker.name, reason)
        # A counter does not run backwards, whatever the errors of past weeks say.
        made = replace(made, quantiles=np.maximum(made.quantiles, 0.0), point=np.maximum(made.point, 0.0))
        return Outcome(
            ask.of, material.issued, voice.speaker.name, bool(voice.why), forecast=made, remarks=remarks,
            summary=_summary(made), per_hour=True,
        )  # fmt: skip


def _heard(voice: _Voice, material: LoadMaterial) -> tuple[LoadForecaster | SeasonalNaive, tuple[str, ...]]:
    """Who speaks, with the temperature to come, and what is said beside the numbers."""
    if not isinstance(voice.speaker, LoadForecaster):
        return voice.speaker, (_TOLD, f"Einfacher Vergleich: {voice.why}")
    if material.record.driver("temperature") is None:
        return voice.speaker, (_TOLD, "Ohne Außentemperatur gerechnet: sie wird nicht gemessen")
    if voice.deaf:
        return voice.speaker, (_TOLD, _DEAF)
    return voice.speaker.listening(material.ahead), (_TOLD, material.ahead.told(material.issued))


def _issue_hour(at: datetime) -> datetime:
    seconds = EVERY_H * 3600
    return datetime.fromtimestamp(at.timestamp() // seconds * seconds, UTC)


def _summary(made: Forecast) -> dict[str, Any]:
    """The sum of expected values is the expected value of the sum; of quantiles no such thing is true."""
    return {
        "unit": made.unit,
        "expected_24h": round(float(made.point[:24].sum()), 1),
        "expected_48h": round(float(made.point.sum()), 1),
    }
