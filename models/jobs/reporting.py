"""Gather what the report tells from the store, the fitted models and what they said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from models.card import ModelCard
from models.consumption.cases import MeterModel
from models.fill_level.cleaning import clean
from models.fill_level.tours import TourRule, compare_tours
from models.forecaster import NotCalibrated
from models.jobs.artefacts import Artefacts
from models.jobs.consumption import Consumption, MeterMaterial
from models.jobs.fill import Fill, FillMaterial
from models.jobs.inputs import Inputs, binned
from models.jobs.rain import RainDesk
from models.jobs.report_events import events_section, return_period
from models.jobs.report_parts import (
    ahead,
    comparison_table,
    hours_until_critical,
    in_unit,
    inflows_together,
    next_days,
    notes_of,
    spoken,
    table_of,
    visits_told,
    why_silent,
)
from models.jobs.report_rain import rain_expected
from models.jobs.runoff import Runoff, city_rain, rain_by_gauge
from models.rainfall_runoff.events import RainRarity, rarest_duration
from models.report import kostra
from models.report.document import CardEntry, Picture, Report, Section, Table
from models.report.drawing import Band, Chart, Line
from models.report.wording import full, local, number, unit
from models.series import DAY, HOUR, Series
from udp.forecasting.port import Statement, Told

PRODUCT_NAMES = {
    "abfluss": "Wasserstand der Bäche", "fuellstand": "Füllstand der Behälter",
    "teich": "Sauerstoff der Teiche", "verbrauch": "Verbrauch der Gebäude",
    "boden": "Trockenheit an Bäumen", "drift": "Drift von Sensoren", "last": "Lastprognose der Gebäude",
}  # fmt: skip
GROUP_NAMES = {
    "waste_bin": "Abfallbehälter", "paper_container": "Papiercontainer", "energy": "Strom und Wärme",
    "volume": "Wasser und Gas",
}  # fmt: skip
_MOST_PICTURES = 6
_BEFORE = timedelta(days=3)
_STEP = np.timedelta64(600_000_000, "us")
TOUR = TourRule(fixed_days=3, visit_at=75.0)


@dataclass(frozen=True, slots=True)
class Reporter:
    """Everything as of the inputs' issue time."""

    inputs: Inputs
    told: Told
    artefacts: Artefacts
    city: str
    seed: int = 0
    rain: RainDesk | None = None

    def report(self) -> Report:
        """The document; sections without anything to tell are left out."""
        sections = [
            self.overview(), self.streams(), events_section(self.inputs, self.artefacts, self._name),
            self.containers(), self.pilot(), self.consumption(), self.others(),
        ]  # fmt: skip
        return Report(
            self.city,
            self.inputs.issued_at,
            any(thing.simulated for thing in self.inputs.inventory.things.values()),
            [one for one in sections if one.pictures or one.tables or one.sentences],
            [CardEntry(*row) for row in self._cards()],
        )

    def overview(self) -> Section:
        """One line per product."""
        rows = []
        for product, name in PRODUCT_NAMES.items():
            said = [one for (_, which), one in self.told.statements.items() if which == product]
            if said:
                spoke = [one for one in said if not one.reason]
                models = sum(not one.fallback for one in spoke)
                counts = (len(said), models, len(spoke) - models, len(said) - len(spoke))
                rows.append((name, *map(str, counts), why_silent(said)))
        heads = (
            "Gegenstand", "Messreihen", "mit Modell", "mit einfachem Vergleich", "ohne Aussage",
            "häufigster Grund dafür",
        )  # fmt: skip
        return Section(
            "ueberblick", "Überblick", (), (), [Table("Was zurzeit vorhergesagt wird", heads, rows)]
        )

    def streams(self) -> Section:
        """Hydrographs with rain above and the forecast behind."""
        pictures, product = [], Runoff()
        for group in product.groups(self.inputs.inventory):
            of = group.targets[0]
            level = binned(self.inputs.series([of], _BEFORE)[of], _STEP, self.inputs.now)
            if not len(level):
                continue
            place = self._place(of)
            rain = city_rain(self.inputs, self.inputs.inventory.things[place].location, _STEP, _BEFORE)
            pictures.append(self._hydrograph(of, level, rain))
        return Section("baeche", "Regen und Bäche", self._rain_told(), pictures[:_MOST_PICTURES])

    def _rain_told(self) -> list[str]:
        """The rarest rain of the last month, with the edition of the table beside it."""
        best = None
        for of, rain in rain_by_gauge(self.inputs, _STEP, timedelta(days=30)).items():
            rarity = rarest_duration(rain, kostra.TABLE)
            if rarity is not None and (best is None or _rarer(rarity, best[1])):
                best = (of, rarity)
        if best is None:
            return ["In den letzten 30 Tagen wurde kein Regen gemessen."]
        of, rarity = best
        return [
            f"Stärkster Regen der letzten 30 Tage: {number(rarity.depth, 1)} mm in {rarity.minutes} Minuten, "
            f"{self._name(of)}, bis {full(rarity.ends_at)}. So viel fällt hier "
            f"{return_period(rarity.return_period)} ({kostra.TABLE.edition}; 2023 durch "
            "KOSTRA-DWD-2020 abgelöst)."
        ]

    def _hydrograph(self, of: int, level: Series, rain: Series | None) -> Picture:
        said = self.told.statements.get((of, "abfluss"))
        symbol = unit(level.unit)
        solid = level.values[np.isfinite(level.values)]
        place = self.inputs.inventory.things[self._place(of)].location
        due, rain_told = rain_expected(self.inputs, self.rain, place, _STEP)
        sentence = (
            f"In den letzten drei Tagen zwischen {number(float(solid.min()), 0)} und "
            f"{number(float(solid.max()), 0)} {symbol}. {spoken(said, symbol)} {rain_told}"
        ).rstrip()
        bars = None if rain is None else Line("Regen in mm je 10 Minuten", rain.times, rain.values)
        lines: list[Line] = [Line("gemessen", level.times, level.values)]
        bands: list[Band] = []
        if said is not None and said.bands:
            middle, bands = ahead(said, level)
            lines.append(middle)
        chart = Chart(
            f"Wasserstand {self._name(of)}",
            sentence,
            f"Wasserstand in {symbol}",
            lines,
            bands,
            bars,
            self.inputs.now,
            bars_ahead=due,
        )
        return Picture(self._name(of), chart, notes_of(said), *table_of(said, symbol, 0))

    def containers(self) -> Section:
        """Fill curves of the most urgent, and all by urgency."""
        said = {of: one for (of, which), one in self.told.statements.items() if which == "fuellstand"}
        urgent = sorted(said, key=lambda of: (hours_until_critical(said[of]), of))
        rows = [self._urgency(of, said[of]) for of in urgent if not said[of].reason]
        product = Fill()
        wanted = {of for of in urgent[:_MOST_PICTURES] if not said[of].reason}
        pictures = [
            self._fill_curve(of, material, said[of])
            for group in product.groups(self.inputs.inventory)
            for of, material in product.gather(self.inputs, group, learning=False).items()
            if of in wanted
        ]
        heads = (
            "Behälter",
            "jetzt",
            "voll (80 %)",
            "frühestens",
            "spätestens",
            "in 24 h voll",
            "in 72 h voll",
        )
        tables = [Table("Alle Behälter, die dringendsten zuerst", heads, rows)] if rows else []
        told = ["Alle Angaben gelten, wenn niemand leert. Punkte: Rohwerte des Sensors; Linie: bereinigt."]
        return Section(
            "behaelter", "Behälter", told if rows else (), [one for one in pictures if one], tables
        )

    def _urgency(self, of: int, said: Statement) -> tuple[str, ...]:
        def when(key: str) -> str:
            hours = said.summary.get(key)
            return (
                f"{local(said.issued_at + timedelta(hours=hours)):%d.%m., %H Uhr}"
                if hours is not None
                else "–"
            )

        chance = dict(zip(said.chance.leads_s, said.chance.values, strict=True)) if said.chance else {}
        shares = [f"{number(100 * chance[h * 3600], 0)} %" if h * 3600 in chance else "–" for h in (24, 72)]
        level = f"{number(float(said.summary.get('fill_percent', np.nan)), 0)} %"
        times = (when(f"hours_to_critical{end}") for end in ("", "_10", "_90"))
        return (self._name(of), level, *times, *shares)

    def _fill_curve(self, of: int, material: FillMaterial, said: Statement) -> Picture | None:
        cleaned = clean(material.distance_cm, material.container)
        if cleaned is None:
            return None
        week = cleaned.times > self.inputs.now - 10 * DAY
        raw = material.distance_cm.between(self.inputs.now - 10 * DAY, self.inputs.now)
        shown = material.container.percent(material.container.depth_cm - raw.values)
        visits = int(cleaned.emptied[week].sum())
        sentence = f"Letzte zehn Tage, {visits_told(visits)} erkannt. {spoken(said, '%', (24, 72))}"
        lines = [
            Line("Rohwerte", raw.times, shown, "raw"),
            Line("bereinigt", cleaned.times[week], cleaned.filtered[week]),
        ]
        middle, bands = ahead(said, Series(cleaned.times[week], cleaned.filtered[week], "%"))
        chart = Chart(
            f"Füllstand {self._name(of)}", sentence, "Füllstand in %", [*lines, middle], bands,
            None, self.inputs.now, (material.critical_percent, "voll ab hier"), 0.0,
        )  # fmt: skip
        return Picture(self._name(of), chart, notes_of(said), *table_of(said, "%", 0))

    def pilot(self) -> Section:
        """R24: what sensors are worth, tour by tour on the same inflow."""
        product = Fill()
        tables, told = [], []
        for group in product.groups(self.inputs.inventory):
            materials = product.gather(self.inputs, group, learning=True)
            inflows, weekday = inflows_together(materials.values())
            rng = np.random.default_rng(self.seed)
            found = compare_tours(inflows, TOUR, first_weekday=weekday, rng=rng)
            name = GROUP_NAMES.get(group.name, group.name)
            if isinstance(found, NotCalibrated):
                told.append(f"{name}: {found.reason}.")
                continue
            tables.append(comparison_table(name, found, len(inflows)))
        intro = (
            f"Nachgespielt auf demselben gemessenen Zufluss: eine feste Tour alle {TOUR.fixed_days} Tage "
            f"gegen Anfahrt ab {TOUR.visit_at:.0f} %. Beide fahren werktags um {TOUR.hour} Uhr. Der "
            "Bereich in Klammern enthält den wahren Wert mit 95 % Sicherheit, wenn weitere Behälter so sind "
            "wie diese."
        )
        return Section("pilot", "Pilotbericht: feste Tour gegen Bedarf", [intro, *told], (), tables)

    def consumption(self) -> Section:
        """Load curves beside the expectation and what is forecast, and the open cases."""
        pictures: list[Picture] = []
        waiting = watched = 0
        product = Consumption()
        for group in product.groups(self.inputs.inventory):
            artefact = self.artefacts.newest(product.name, group.name, self.inputs.issued_at)
            speaker = artefact.fitted.speaker if artefact is not None else None
            models = speaker if isinstance(speaker, dict) else {}
            for of, material in product.gather(self.inputs, group, learning=False).items():
                found = models.get(material.name)
                model = found if isinstance(found, MeterModel) else None
                watched += model is not None
                waiting += model is None
                said = self.told.statements.get((of, "last"))
                worth = model is not None or (said is not None and said.bands and len(material.load))
                if len(pictures) < _MOST_PICTURES and worth:
                    pictures.append(self._load_curve(of, material, model, said))
        told = []
        if waiting:
            told.append(
                f"{waiting} Zähler werden noch nicht auf Auffälliges geprüft: nötig sind 60 Tage Verbrauch "
                "als Vergleich."
            )
        cases = [one for one in self.told.cases if one.closed_at is None]
        rows = [
            (
                self._name(one.of),
                f"{local(one.opened_at):%d.%m.%Y}",
                f"{number(one.cost_eur, 0)} €",
                one.reason,
            )
            for one in sorted(cases, key=lambda one: -one.cost_eur)
        ]
        tables = (
            [Table("Offene Fälle, die teuersten zuerst", ("Zähler", "seit", "Kosten", "Grund"), rows)]
            if rows
            else []
        )
        if not rows and watched:
            told.append("Keine offenen Fälle.")
        return Section("verbrauch", "Verbrauch der Gebäude", told, pictures, tables)

    def _load_curve(
        self, of: int, material: MeterMaterial, model: MeterModel | None, said: Statement | None
    ) -> Picture:
        load = material.load.between(self.inputs.now - 7 * DAY, self.inputs.now + HOUR)
        symbol = unit(load.unit)
        known = np.isfinite(load.values)
        sentence = f"Letzte sieben Tage: verbraucht {number(float(load.values[known].sum()), 0)} {symbol}"
        lines = [Line("gemessen", load.times, load.values)]
        if model is not None:
            expected = model.expected.predict(load.times, material.temperature)
            lines.append(Line("erwartet", load.times, expected, "expected"))
            sentence += f", erwartet {number(float(expected[known].sum()), 0)} {symbol}"
        sentence += "."
        bands: list[Band] = []
        if said is not None and said.bands:
            said = in_unit(said, load.unit)
            middle, bands = ahead(said, load)
            lines.append(middle)
            sentence += f" {next_days(said, symbol)}"
        chart = Chart(
            f"Verbrauch {self._name(of)}", sentence, f"{symbol} je Stunde", lines, bands,
            now=self.inputs.now, lowest=0.0,
        )  # fmt: skip
        return Picture(self._name(of), chart, notes_of(said), *table_of(said, symbol, 1))

    def others(self) -> Section:
        """Ponds, trees and drift as a table of what was said."""
        rows = []
        for (of, product), said in sorted(self.told.statements.items()):
            if product == "teich":
                told = said.reason or (
                    f"tiefster Wert der Nacht etwa {number(said.summary['minimum_mg_l'], 1)} mg/l, "
                    f"unter {number(said.summary['limit_mg_l'], 0)} mg/l mit "
                    f"{number(100 * said.summary['probability_below'], 0)} %"
                )
            elif product == "boden" and not said.reason:
                days = said.summary.get("days_to_dry")
                told = (
                    "nicht innerhalb eines Monats trocken"
                    if days is None
                    else f"trocken in etwa {number(days, 0)} Tagen"
                )
            elif product == "drift" and said.summary.get("drifting"):
                told = "weicht zunehmend von der Umgebung ab; bitte prüfen"
            else:
                continue
            rows.append((self._name(of), told))
        heads = ("Messpunkt", "Aussage")
        return Section(
            "weiteres", "Teiche, Bäume, Sensoren", (), (), [Table("Aussagen", heads, rows)] if rows else []
        )

    def _cards(self) -> Iterator[tuple[str, str, str, ModelCard | None, int]]:
        for one in self.told.cards:
            artefact = self.artefacts.newest(one.product, one.group, self.inputs.issued_at)
            card = artefact.fitted.card if artefact is not None else None
            group = GROUP_NAMES.get(one.group, one.group)
            heading = self._name(one.of[0]) if len(one.of) == 1 else f"{group}: {len(one.of)} Messreihen"
            yield PRODUCT_NAMES.get(one.product, one.product), heading, one.verdict, card, len(one.of)

    def _place(self, of: int) -> str:
        return self.inputs.inventory.datastreams[of].thing

    def _name(self, of: int) -> str:
        stream = self.inputs.inventory.datastreams.get(of)
        return self.inputs.inventory.things[stream.thing].name if stream is not None else f"Datenreihe {of}"


def _rarer(one: RainRarity, other: RainRarity) -> bool:
    return (one.return_period, one.depth) > (other.return_period, other.depth)
