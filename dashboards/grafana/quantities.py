"""What the boards show of each theme: properties, units as the register has them, limits with source."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.grafana.model import Limit
from udp.units import written_unit

_GREEN, _YELLOW, _ORANGE, _RED = "green", "#EAB839", "orange", "red"


@dataclass(frozen=True, slots=True)
class Quantity:
    """An observed property. `unit`: UCUM; `of`: what is told of a bucket (see /api/v1/history);
    `hint`: what the limits are, and says who; `interval_s` where it is not the theme's."""

    observed_property: str
    title: str
    unit: str
    decimals: int = 1
    of: str = "mean"
    limits: tuple[Limit, ...] = ()
    hint: str = ""
    interval_s: float | None = None

    @property
    def written(self) -> str:
        """The unit as people write it; of a rise or a total, of the bucket."""
        return written_unit(self.unit)


@dataclass(frozen=True, slots=True)
class Theme:
    """One overview and one detail board. `interval_s`: how often its slowest sensors send; `closed`: what to
    know where the shipped policy shows this to operators alone."""

    key: str
    theme: str
    title: str
    about: str
    quantities: tuple[Quantity, ...]
    interval_s: float
    closed: str = ""


def _steps(*pairs: tuple[float | None, str]) -> tuple[Limit, ...]:
    return tuple(Limit(value, colour) for value, colour in pairs)


_HEAT = _steps((None, "blue"), (20, _GREEN), (30, _ORANGE), (35, _RED))
_HEAT_HINT = "Ab 30 °C am Tag: heißer Tag; über 20 °C die ganze Nacht: Tropennacht (DWD)."
_PM10 = _steps((None, _GREEN), (50, _RED))
_PM2_5 = _steps((None, _GREEN), (25, _RED))
_NO2 = _steps((None, _GREEN), (200, _RED))
_CO2 = _steps((None, _GREEN), (1000, _YELLOW), (2000, _RED))
_FULL = _steps((None, _GREEN), (60, _YELLOW), (80, _RED))
_SATURATION = _steps((None, _RED), (60, _GREEN))
_OXYGEN = _steps((None, _RED), (4, _YELLOW), (6, _GREEN))
_CLOSED = (
    "Nach der mitgelieferten Datenrichtlinie sieht das Klimateam diese Daten nicht; leere Bilder heißen dann "
    '„nicht freigegeben“. Freigeben: in policy.toml beim Datensatz `{}` visible_to = ["climate"].'
)

THEMES = (
    Theme(
        "wetter", "wetter", "Hitze und Wetter",
        "Wetterstationen der Stadt und ihrer Bürgerinnen und Bürger.",
        (
            Quantity("air_temperature", "Lufttemperatur", "Cel", limits=_HEAT, hint=_HEAT_HINT),
            Quantity("heat_index", "Gefühlte Temperatur (Näherung)", "Cel"),
            Quantity("relative_humidity", "Luftfeuchte", "%", 0),
            Quantity("precipitation", "Niederschlag je Zeitschritt", "mm", of="total"),
            Quantity("wind_speed", "Wind", "m/s"),
            Quantity("wind_gust", "Böen", "m/s", of="max"),
            Quantity("solar_radiation", "Globalstrahlung", "W/m2", 0),
            Quantity("air_pressure", "Luftdruck", "hPa"),
        ),
        900.0,
    ),
    Theme(
        "luft", "luft", "Luft und Lärm", "Messpunkte an Masten.",
        (
            Quantity("pm10", "Feinstaub PM10", "ug/m3", limits=_PM10,
                     hint="50 µg/m³ im Tagesmittel, höchstens an 35 Tagen im Jahr (39. BImSchV § 4)."),
            Quantity("pm2_5", "Feinstaub PM2,5", "ug/m3", limits=_PM2_5,
                     hint="25 µg/m³ im Jahresmittel (39. BImSchV § 5), nicht je Augenblick."),
            Quantity("no2", "Stickstoffdioxid", "ug/m3", limits=_NO2,
                     hint="200 µg/m³ im Stundenmittel, höchstens 18-mal im Jahr (39. BImSchV § 3)."),
            Quantity("air_quality_index", "Luftqualitätsindex (1 sehr gut bis 5 sehr schlecht)", "1", 0,
                     interval_s=5400.0),
            Quantity("sound_level", "Schallpegel", "dB[A]", 0),
            Quantity("air_temperature", "Lufttemperatur am Mast", "Cel", limits=_HEAT, hint=_HEAT_HINT),
        ),
        900.0,
    ),
    Theme(
        "wasser", "regen-und-baeche", "Regen und Bäche", "Regenmesser und Pegel.",
        (
            Quantity("water_level", "Wasserstand", "cm", 0),
            Quantity("precipitation", "Niederschlag je Zeitschritt", "mm", of="total"),
            Quantity("water_temperature", "Wassertemperatur", "Cel"),
            Quantity("electrical_conductivity", "Leitfähigkeit", "uS/cm", 0),
        ),
        600.0,
    ),
    Theme(
        "teiche", "teiche", "Teiche", "Sonden in den Teichen.",
        (
            Quantity("oxygen_concentration", "Sauerstoff", "mg/L", limits=_OXYGEN,
                     hint="Unter 4 mg/l wird es für Karpfenfische eng; das Ufer ansehen, belüften."),
            Quantity("oxygen_saturation", "Sauerstoffsättigung", "%", 0, limits=_SATURATION),
            Quantity("water_temperature", "Wassertemperatur", "Cel"),
        ),
        900.0,
    ),
    Theme(
        "abfall", "papier-und-abfall", "Abfall und Füllstände", "Papierkörbe und Container.",
        (
            Quantity("fill_level", "Füllstand", "%", 0, limits=_FULL,
                     hint="Ab 80 % soll geleert werden."),
        ),
        3600.0,
    ),
    Theme(
        "boden", "baeume-und-boden", "Boden und Bäume", "Fühler in Baumscheiben.",
        (
            Quantity("soil_moisture", "Bodenfeuchte", "%"),
            Quantity("soil_temperature", "Bodentemperatur", "Cel"),
            Quantity("electrical_conductivity", "Leitfähigkeit (Salz)", "uS/cm", 0),
        ),
        3600.0,
    ),
    Theme(
        "schulen", "schulen", "Luft in Schulen", "Klassenräume.",
        (
            Quantity("co2", "Kohlendioxid", "[ppm]", 0, limits=_CO2,
                     hint="Bis 1000 ppm unbedenklich, über 2000 unakzeptabel: lüften (Umweltbundesamt)."),
            Quantity("air_temperature", "Raumtemperatur", "Cel"),
            Quantity("relative_humidity", "Luftfeuchte", "%", 0),
        ),
        1800.0, closed=_CLOSED.format("schulluft"),
    ),
    Theme(
        "energie", "energie", "Energie und Verbrauch", "Zähler städtischer Gebäude und Straßenlicht.",
        (
            Quantity("energy", "Strom und Wärme je Zeitschritt", "kWh", of="rise"),
            Quantity("volume", "Wasser und Gas je Zeitschritt", "m3", 2, of="rise"),
            Quantity("power", "Leistung der Straßenleuchten", "W", 0, interval_s=300.0),
        ),
        3600.0, closed=_CLOSED.format("zaehler") + " Straßenlicht ist offen.",
    ),
)  # fmt: skip
