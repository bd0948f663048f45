"""All boards: for each theme an overview and a detail, and two about the data themselves."""

from __future__ import annotations

from dashboards.grafana.model import Annotation, Board, Override, Panel, Style, Type, Variable
from dashboards.grafana.panels import (
    POINTS,
    QUALITY,
    RULES,
    by_device,
    by_district,
    device_choice,
    district_choice,
    figures,
    now_table,
    spread,
    worded,
    words,
)  # fmt: skip
from dashboards.grafana.quantities import THEMES, Quantity, Theme
from dashboards.grafana.source import FROM, TO, Column, Kind, Question, columns

_EVENT = {
    "silent": ("schweigt", "orange"), "stuck": ("steht still", "orange"),
    "battery": ("Batterie schwach", "#EAB839"),
}  # fmt: skip
_CASE = {"null": ("offen", "orange")}
_NOW_OF_INTEREST = (
    "fill_level",
    "soil_moisture",
    "oxygen_concentration",
    "water_level",
    "co2",
    "air_temperature",
)
_EVENT_COLUMNS = columns(
    ("thing_name", "Gerät"), ("kind", "Was"), ("reason", "Grund"), ("since", "seit", Kind.TIME),
    ("opened_at", "bemerkt", Kind.TIME),
)  # fmt: skip
_FIRST = "Höchstens 2000 Werte ab Beginn des Zeitraums."


def all_boards() -> tuple[Board, ...]:
    """In the order in which a person would look through them."""
    return (
        *(made(one) for one in THEMES for made in (overview, detail)),
        quality_overview(),
        quality_detail(),
    )


def overview(theme: Theme) -> Board:
    """How it is in the city, district by district."""
    first = theme.quantities[0]
    panels = [words(f"**{theme.title}** – {theme.about} {theme.closed}")]
    if theme.key == "wetter":
        panels.append(official_warnings())
    if first.observed_property in _NOW_OF_INTEREST:
        panels.append(figures(first, theme))
    for quantity in theme.quantities:
        panels += [spread(quantity, theme), by_district(quantity, theme)]
    if theme.key == "abfall":
        panels.append(expected())
    if theme.key == "energie":
        panels.append(cases())
    panels += [now_table(theme.theme), events_open(height=7)]
    return Board(
        f"{theme.key}-uebersicht", f"{theme.title} – Übersicht", theme.about, panels,
        (district_choice(theme.theme),), (events_marks(),),
    )  # fmt: skip


def detail(theme: Theme) -> Board:
    """One device, or all of a district, line by line."""
    panels = [by_device(one, theme) for one in theme.quantities]
    if theme.key == "wasser":
        panels.insert(1, forecast(theme.quantities[0]))
    panels.append(now_table(theme.theme, device=True))
    return Board(
        f"{theme.key}-detail", f"{theme.title} – Detail", f"{theme.about} Je Gerät.", panels,
        (district_choice(theme.theme), device_choice(theme.theme)), (events_marks(),),
    )  # fmt: skip


def quality_overview() -> Board:
    """What is wrong with the data, and what was."""
    panels = [
        words(
            "**Datenqualität** – Zustände: *aktiv* und *behoben*. Quittieren kennt die Plattform noch nicht; "
            "wer sich kümmert, schreibt es ins Wartungsbuch des Geräts (`udp devices note`)."
        ),
        events_open(),
        events_closed(),
        now_table(None, title="Alle Messreihen, die ältesten zuerst", height=14),
    ]
    return Board(
        "datenqualitaet-uebersicht", "Datenqualität – Übersicht",
        "Störungen, überfällige und zweifelhafte Werte.", panels, (district_choice(None),), (events_marks(),),
    )  # fmt: skip


def quality_detail() -> Board:
    """One series value by value, with the rule that judged it; and the network that carries them all."""
    named = columns(("name", "__text"), ("id", "__value"))
    asked = (("thing", "${geraet}"),)
    series = Variable(
        "messreihe", "Messreihe", Question("/api/v1/datastreams", "datastreams", named, asked), False
    )
    return Board(
        "datenqualitaet-detail", "Datenqualität – Detail", "Einzelwerte einer Messreihe und ihre Prüfung.",
        [single_values(), judged_values(), now_table(None, device=True, height=8), gateways()],
        (district_choice(None), device_choice(None, with_all=False), series), (events_marks(),),
    )  # fmt: skip


def events_open(height: int = 9) -> Panel:
    """Alarms that are active."""
    return _events("Störungen: aktiv", (("state", "open"), ("limit", "500")), height, _EVENT_COLUMNS)


def events_closed() -> Panel:
    """Alarms of the time shown, over or not."""
    return _events(
        "Störungen im Zeitraum: aktiv und behoben", (("state", "all"), ("since", FROM), ("limit", "500")), 9,
        (*_EVENT_COLUMNS, Column("closed_at", "behoben", Kind.TIME)),
    )  # fmt: skip


def _events(title: str, asked: tuple[tuple[str, str], ...], height: int, named: tuple[Column, ...]) -> Panel:
    still = worded("behoben", {"null": ("aktiv", "orange")})
    return Panel(
        Type.TABLE, title, Question("/api/v1/events", "events", named, asked),
        "Ganze Stunden; von selbst behoben, sobald wieder Werte kommen.", width=24, height=height,
        overrides=(worded("Was", _EVENT), still),
        options={"showHeader": True, "sortBy": [{"displayName": "bemerkt", "desc": True}]},
    )  # fmt: skip


def events_marks() -> Annotation:
    """When something fell silent or came back, in every picture."""
    named = columns(
        ("since", "time", Kind.TIME),
        ("closed_at", "timeEnd", Kind.TIME),
        ("thing_name", "title"),
        ("reason", "text"),
    )
    asked = (("state", "all"), ("since", FROM), ("limit", "200"))
    return Annotation("Störungen", "orange", Question("/api/v1/events", "events", named, asked))


def official_warnings() -> Panel:
    """In the words of the service."""
    named = columns(
        ("ueberschrift", "Amtliche Warnung"), ("stufe", "Stufe", Kind.NUMBER), ("gebiet", "Gebiet"),
        ("beginn", "von", Kind.TIME), ("ende", "bis", Kind.TIME), ("herausgeber", "Quelle"),
    )  # fmt: skip
    question = Question("/app/v1/warnings", "warnungen", named)
    said = (
        "Wortlaut des Deutschen Wetterdienstes. Ohne angeschlossene Quelle heißt leer nicht: keine Warnung."
    )
    return Panel(Type.TABLE, "Amtliche Warnungen", question, said, width=24, height=5)


def expected() -> Panel:
    """When containers are expected to be full."""
    named = columns(
        ("thing_name", "Gerät"), ("issued_at", "vorhergesagt", Kind.TIME),
        ("summary.hours_to_critical", "voll in Stunden", Kind.NUMBER), ("model", "Modell"),
        ("reason", "keine Vorhersage, weil"),
    )  # fmt: skip
    asked = (("theme", "papier-und-abfall"), ("district", "${ortsteil}"), ("observed_property", "fill_level"))
    return Panel(
        Type.TABLE, "Wann wird es voll?", Question("/api/v1/forecasts", "forecasts", named, asked),
        "Vorhersagen, keine Messwerte.", width=24, height=9,
        overrides=(Override("voll in Stunden", {"decimals": 0}),),
        options={"showHeader": True, "sortBy": [{"displayName": "voll in Stunden", "desc": False}]},
    )  # fmt: skip


def forecast(quantity: Quantity) -> Panel:
    """What is expected of the device chosen: median and the band that holds nine of ten."""
    named = columns(
        ("valid_time", "Zeit", Kind.TIME), ("quantiles.0\\.5", "erwartet", Kind.NUMBER),
        ("quantiles.0\\.05", "untere Grenze", Kind.NUMBER), ("quantiles.0\\.95", "obere Grenze", Kind.NUMBER),
    )  # fmt: skip
    asked = (("thing", "${geraet}"), ("observed_property", quantity.observed_property))
    question = Question("/api/v1/forecasts", "forecasts[0].values", named, asked, series=True)
    said = (
        "Vorhersage, keine Messung: Median und Bereich, in dem neun von zehn Werten liegen sollen. "
        "Bei „Alle“ die erste Messreihe; ein Gerät wählen und den Zeitraum bis in die Zukunft ziehen "
        "(z. B. now+6h)."
    )
    return Panel(
        Type.LINES, f"{quantity.title}: Vorhersage", question, said, width=24,
        style=Style(quantity.written, quantity.decimals, custom={"drawStyle": "line", "lineWidth": 2}),
    )  # fmt: skip


def cases() -> Panel:
    """Odd consumption."""
    named = columns(
        ("thing_name", "Zähler"), ("kind", "Was"), ("opened_at", "seit", Kind.TIME),
        ("closed_at", "beendet", Kind.TIME), ("cost_eur", "Euro", Kind.NUMBER), ("reason", "Erklärung"),
    )  # fmt: skip
    return Panel(
        Type.TABLE, "Auffälliger Verbrauch", Question("/api/v1/cases", "cases", named, (("all", "true"),)),
        "Die teuersten zuerst; beurteilt wird mit `udp-models faelle`.", width=24, height=8,
        overrides=(worded("beendet", _CASE),),
    )  # fmt: skip


def single_values() -> Panel:
    """As measured, bad values too."""
    named = columns(("phenomenon_time", "Zeit", Kind.TIME), ("value", "Wert", Kind.NUMBER))
    style = Style(custom={"drawStyle": "points", "pointSize": 4})
    return Panel(
        Type.LINES, "Einzelwerte, auch schlechte", _single(*named, series=True), _FIRST, width=24,
        style=style, points=2000,
    )  # fmt: skip


def judged_values() -> Panel:
    """The same with the rule that judged."""
    named = columns(
        ("phenomenon_time", "gemessen", Kind.TIME), ("result_time", "bekannt", Kind.TIME),
        ("value", "Wert", Kind.NUMBER), ("quality", "Qualität"), ("rule", "Prüfregel"),
        ("revision", "Fassung", Kind.NUMBER),
    )  # fmt: skip
    return Panel(
        Type.TABLE, "Einzelwerte mit Prüfung", _single(*named), _FIRST, width=24, height=10, points=2000,
        overrides=(worded("Qualität", QUALITY), worded("Prüfregel", RULES)),
        options={"showHeader": True, "sortBy": [{"displayName": "gemessen", "desc": True}]},
    )  # fmt: skip


def _single(*named: Column, series: bool = False) -> Question:
    asked = (("from", FROM), ("to", TO), ("limit", "2000"))
    return Question("/api/v1/datastreams/${messreihe}/observations", "observations", named, asked, series)


def gateways() -> Panel:
    """Packets each gateway hears; the policy shows it to operators alone until somebody decides otherwise."""
    asked = (
        ("theme", "netz"), ("observed_property", "packets_valid"), ("value", "total"),
        ("points", str(POINTS)), ("from", FROM), ("to", TO),
    )  # fmt: skip
    named = columns(("start", "Zeit", Kind.TIME), ("series", "Gateway"), ("value", "Pakete", Kind.NUMBER))
    look = {"drawStyle": "bars", "fillOpacity": 60}
    return Panel(
        Type.LINES, "Gateways: empfangene Funkpakete",
        Question("/api/v1/history", "values", named, asked, series=True),
        "Nach der mitgelieferten Richtlinie nur für den Betrieb; freigeben: Datensatz `netz`, visible_to.",
        width=24, points=POINTS, style=Style(decimals=0, name="${__field.labels.Gateway}", custom=look),
    )  # fmt: skip
