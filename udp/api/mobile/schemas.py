"""The answers for apps as the OpenAPI document describes them; tests hold the real answers against these."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from udp.api.mobile.words import AirWord, BayWord, FillWord, SoilWord

_AT = "2026-11-21T08:00:00Z"
Stand = Annotated[
    datetime | None, Field(description="when it was measured; null: nothing fresh is known", examples=[_AT])
]
Until = Annotated[
    datetime | None,
    Field(description="when it turns unknown if nothing follows; null: it is unknown", examples=[_AT]),
]
Version = Annotated[
    Literal["1"], Field(description="fields and words are only ever added within one version")
]
Simulated = Annotated[bool, Field(description="true: from the virtual city, nobody measured it")]
Key = Annotated[str, Field(description="stable for ever", examples=["behaelter-001"])]
YesNo = Literal["ja", "nein", "unbekannt"]


class Said(BaseModel):
    """Nothing beyond what is described."""

    model_config = ConfigDict(extra="forbid")


class Text(Said):
    """A finished sentence."""

    de: str = Field(examples=["Der Behälter ist halb voll."])
    en: str = Field(examples=["The container is half full."])


class Point(Said):
    """Longitude, latitude (RFC 7946), WGS 84."""

    type: Literal["Point"]
    coordinates: tuple[float, float] = Field(examples=[[7.31196, 51.56491]])


class Navigation(Said):
    """Links that open a map; nothing is loaded from there before somebody taps."""

    geo: str = Field(examples=["geo:51.564910,7.311960?q=51.564910,7.311960(Rathaus)"])
    apple: str
    osm: str


class Prognosis(Said):
    """What a model in use expects; always shown as a forecast."""

    prognose: Literal[True]
    text: Text
    voll_ab: datetime
    voll_fruehestens: datetime | None
    voll_spaetestens: datetime | None
    erstellt: datetime
    modell: str
    bedingung: str = Field(examples=["Gilt, wenn der Behälter nicht geleert wird"])


class Place(Said):
    """What every place tells."""

    id: Key
    name: str = Field(examples=["Abfallbehälter Marktplatz"])
    ortsteil: str = Field(examples=["Castrop (Altstadt)"])
    text: Text
    stand: Stand
    gueltig_bis: Until
    entfernung_m: int | None = Field(
        description="as the crow flies from `near`; null without it", examples=[120]
    )
    navigation: Navigation
    simuliert: Simulated
    hinweis: str = Field(description="to be shown with it", examples=["", "Simuliert, kein echter Messwert"])
    lizenz: str = Field(examples=["dl-de/zero-2-0"])


class Bin(Place):
    """A public bin. Without a sensor it is `unbekannt`."""

    art: Literal["abfallbehaelter"]
    sensor: bool
    fuellstand: FillWord
    prognose: Prognosis | None


class ContainerOfSite(Said):
    """One container of a site."""

    id: Key
    name: str
    fuellstand: FillWord
    stand: Stand
    prognose: Prognosis | None


class Week(Said):
    """When a site usually has room, from what was measured."""

    tage: dict[str, Literal["meist frei", "wechselnd", "oft voll", "unbekannt"]]
    meist_frei: str = Field(description="empty: no weekday is", examples=["Di–Do"])
    wochen: int
    grundlage: str


class Container(Place):
    """A site of paper containers: free where one of them has room."""

    art: Literal["papiercontainer"]
    sensor: bool
    frei: YesNo
    fuellstand: FillWord = Field(description="of the emptiest container")
    wochenprofil: Week | None = Field(description="null: not seen often enough")
    behaelter: list[ContainerOfSite]


class Bay(Said):
    """One bay now; never since when."""

    id: Key
    name: str
    zustand: BayWord


class CarPark(Place):
    """Bays of one site; `stand` is the newest report of any."""

    art: Literal["parkplatz"]
    frei: int
    belegt: int
    unbekannt: int
    plaetze: list[Bay]


class ChargingRegister(Said):
    """What the Ladesäulenregister said, as of its date: whether the device is in operation at all, never
    whether it is free."""

    betrieb: Literal["in Betrieb", "in Wartung", "unbekannt"]
    stand: date
    quelle: str


class ChargingPoint(Place):
    """A charging point. Bays beside it stand in /parking, apart from its state."""

    art: Literal["ladesaeule"]
    zustand: BayWord
    betreiber: str | None
    leistung_kw: float | None
    ladepunkte: int | None
    stecker: str | None
    # Of the same name as a method of what pydantic's classes are made from.
    federal_register: ChargingRegister | None = Field(alias="register")


class Tree(Place):
    """A tree whose soil is measured."""

    art: Literal["baum"]
    wasser: SoilWord
    grundlage: str | None


class Measured(Said):
    """A value of one station."""

    wert: float
    einheit: str = Field(examples=["°C"])
    stand: datetime
    qualitaet: Literal["ohne Auffälligkeit", "fraglich"]


class Station(Place):
    """Weather and air at one place; null: not measured there, or nothing fresh."""

    art: Literal["klimastation"]
    temperatur: Measured | None
    gefuehlt: Measured | None
    feuchte: Measured | None
    wind: Measured | None
    luft: AirWord


class Collected(Said):
    """A FeatureCollection (RFC 7946) with when it was and until when it may be believed."""

    type: Literal["FeatureCollection"]
    version: Version
    stand: Stand
    gueltig_bis: Until
    simuliert: Simulated
    anzahl: int


class Feature(Said):
    """A place on the map."""

    type: Literal["Feature"]
    id: Key
    geometry: Point


class BinFeature(Feature):
    properties: Bin


class ContainerFeature(Feature):
    properties: Container


class CarParkFeature(Feature):
    properties: CarPark


class ChargingFeature(Feature):
    properties: ChargingPoint


class TreeFeature(Feature):
    properties: Tree


class StationFeature(Feature):
    properties: Station


class Bins(Collected):
    """Public bins."""

    features: list[BinFeature]


class NextFree(Said):
    """The nearest site known to have room."""

    id: Key
    name: str
    ortsteil: str
    fuellstand: FillWord
    entfernung_m: int
    navigation: Navigation
    stand: Stand
    gueltig_bis: Until


class Containers(Collected):
    """Sites of paper containers; `naechster_freier` needs `near`."""

    naechster_freier: NextFree | None
    features: list[ContainerFeature]


class CarParks(Collected):
    """Sites with bays that are watched."""

    features: list[CarParkFeature]


class ChargingPoints(Collected):
    """Charging points."""

    features: list[ChargingFeature]


class Trees(Collected):
    """Trees."""

    features: list[TreeFeature]


class Near(Collected):
    """Everything around, nearest first."""

    features: list[BinFeature | ContainerFeature | CarParkFeature | ChargingFeature | TreeFeature]


class CityValue(Said):
    """The median of the city's own fresh stations."""

    wert: float
    einheit: str
    stationen: int
    stand: datetime


class City(Said):
    """The city as a whole; `luft` is the worst of its fresh stations."""

    version: Version
    stand: Stand
    gueltig_bis: Until
    simuliert: Simulated
    temperatur: CityValue | None
    gefuehlt: CityValue | None
    feuchte: CityValue | None
    wind: CityValue | None
    luft: AirWord
    gefuehlt_ist: str


class Climate(Collected):
    """Now."""

    stadt: City
    features: list[StationFeature]


class Warnings(Said):
    """Official warnings; without a source nobody may take the empty list for peace."""

    version: Version
    zustand: Literal["aktuell", "unbekannt"] = Field(description="unbekannt: an empty list proves nothing")
    stand: Stand
    gueltig_bis: Until
    quelle: str | None = Field(description="null: no source is connected, the list says nothing")
    hinweis: str
    anzahl: int
    warnungen: list[dict[str, Any]]
