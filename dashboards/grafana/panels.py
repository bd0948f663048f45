"""The few kinds of pictures that boards are made of, each one question to the data API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dashboards.grafana.model import Override, Panel, Style, Type, Variable
from dashboards.grafana.quantities import Quantity, Theme
from dashboards.grafana.source import FROM, TO, Kind, Question, columns

POINTS = 300
_LINE: Mapping[str, Any] = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "auto"}
_LEGEND = {
    "showLegend": True,
    "displayMode": "table",
    "placement": "bottom",
    "calcs": ["min", "max", "lastNotNull"],
}
_TOOLTIP = {"mode": "multi", "sort": "desc"}
_BAND = {
    "custom.lineWidth": 0,
    "custom.showPoints": "never",
    "color": {"mode": "fixed", "fixedColor": "blue"},
}

QUALITY = {
    "good": ("gut", "green"), "unchecked": ("ungeprüft", "blue"),
    "suspect": ("zweifelhaft", "orange"), "bad": ("schlecht", "red"),
}  # fmt: skip
STALE = {"true": ("überfällig", "orange"), "false": ("aktuell", "green")}
ORIGIN = {"true": ("simuliert", "purple"), "false": ("gemessen", "green")}
RULES = {
    "none": ("keine", "text"), "passed": ("alle bestanden", "green"),
    "range": ("außerhalb des Möglichen", "red"),
    "step": ("Sprung", "orange"), "stuck": ("steht still", "orange"), "silence": ("Sendepause", "orange"),
    "clock": ("Uhr ging falsch", "orange"), "neighbour": ("anders als die Nachbarn", "orange"),
    "dry_probe": ("Sonde trocken", "orange"), "person": ("von Hand", "blue"),
    "citizen": ("Bürgersensor", "blue"), "withdrawn": ("zurückgezogen", "red"),
}  # fmt: skip


def district_choice(theme: str | None) -> Variable:
    """Ortsteil: those where a Thing of the theme may be known."""
    asked = (("theme", theme),) if theme else ()
    named = columns(("location.district_name", "__text"), ("location.district", "__value"))
    return Variable("ortsteil", "Ortsteil", Question("/api/v1/things", "things", named, asked))


def device_choice(theme: str | None, *, with_all: bool = True) -> Variable:
    """Gerät: those of the district chosen."""
    asked = [("theme", theme), ("district", "${ortsteil}")]
    named = columns(("name", "__text"), ("key", "__value"))
    question = Question("/api/v1/things", "things", named, tuple((k, v) for k, v in asked if v))
    return Variable("geraet", "Gerät", question, with_all)


def _history(quantity: Quantity, theme: Theme, **more: str) -> tuple[tuple[str, str], ...]:
    asked = {
        "theme": theme.theme, "district": "${ortsteil}",
        "observed_property": quantity.observed_property, "value": quantity.of, "points": str(POINTS),
        "from": FROM, "to": TO, **more,
    }  # fmt: skip
    return tuple((key, value) for key, value in asked.items() if value)


def _style(quantity: Quantity, theme: Theme, *, name: str | None = None) -> Style:
    # A sender may be late by a whole interval; the step of the picture is never shorter than it.
    custom = {**_LINE, "spanNulls": int((quantity.interval_s or theme.interval_s) * 2500)}
    if quantity.of in ("total", "rise"):
        custom |= {"drawStyle": "bars", "fillOpacity": 60, "showPoints": "never"}
    elif quantity.limits:
        custom |= {"thresholdsStyle": {"mode": "line"}}
    return Style(quantity.written, quantity.decimals, quantity.limits, name=name, custom=custom)


def _description(quantity: Quantity, theme: Theme, said: str) -> str:
    return " ".join(one for one in (said, quantity.hint, theme.closed) if one)


def _lines(title: str, question: Question, style: Style, **more: Any) -> Panel:
    options = {"legend": _LEGEND, "tooltip": _TOOLTIP}
    return Panel(Type.LINES, title, question, style=style, points=POINTS, options=options, **more)


def spread(quantity: Quantity, theme: Theme) -> Panel:
    """The median of all places and how far they lie apart."""
    named = columns(
        ("start", "Zeit", Kind.TIME), ("series", "Auswahl"), ("value", "Median", Kind.NUMBER),
        ("low", "niedrigster", Kind.NUMBER), ("high", "höchster", Kind.NUMBER),
    )  # fmt: skip
    question = Question(
        "/api/v1/history", "values", named, _history(quantity, theme, across="all"), series=True
    )
    bands = (
        Override("niedrigster", _BAND),
        Override("höchster", {**_BAND, "custom.fillBelowTo": "niedrigster", "custom.fillOpacity": 15}),
    )
    said = "Median aller Messpunkte der Auswahl; der Streifen reicht vom niedrigsten zum höchsten."
    return _lines(
        f"{quantity.title}: Median und Spanne", question, _style(quantity, theme), overrides=bands,
        description=_description(quantity, theme, said),
    )  # fmt: skip


def by_district(quantity: Quantity, theme: Theme) -> Panel:
    """One line per district: its median."""
    asked = _history(quantity, theme, across="district")
    named = columns(
        ("start", "Zeit", Kind.TIME), ("series", "Ortsteil"), ("value", quantity.title, Kind.NUMBER)
    )
    question = Question("/api/v1/history", "values", named, asked, series=True)
    style = _style(quantity, theme, name="${__field.labels.Ortsteil}")
    said = "Median der Messpunkte je Ortsteil. Lücken bleiben Lücken."
    return _lines(
        f"{quantity.title} nach Ortsteil", question, style, description=_description(quantity, theme, said)
    )


def by_device(quantity: Quantity, theme: Theme) -> Panel:
    """One line per Datastream of the device chosen."""
    named = columns(
        ("start", "Zeit", Kind.TIME), ("series", "Messreihe"), ("value", quantity.title, Kind.NUMBER)
    )
    question = Question(
        "/api/v1/history", "values", named, _history(quantity, theme, thing="${geraet}"), series=True
    )
    style = _style(quantity, theme, name="${__field.labels.Messreihe}")
    said = "Je Messreihe. Lücken bleiben Lücken; lange Zeiträume zeigen Stunden- und Tageswerte."
    return _lines(
        quantity.title, question, style, width=24, height=9, description=_description(quantity, theme, said)
    )


def now_table(
    theme: str | None, *, device: bool = False, title: str = "Datenqualität", height: int = 10
) -> Panel:
    """The newest value of every series with its age, its quality and where it comes from."""
    asked = [("theme", theme), ("district", "${ortsteil}"), ("thing", "${geraet}" if device else None)]
    named = columns(
        ("thing_name", "Gerät"), ("name", "Messgröße"), ("value", "Wert", Kind.NUMBER),
        ("unit", "Einheit (UCUM)"), ("phenomenon_time", "Stand", Kind.TIME), ("age_s", "Alter", Kind.NUMBER),
        ("stale", "Sendung", Kind.YES_NO), ("quality", "Qualität"), ("rule", "Prüfregel"),
        ("simulated", "Herkunft", Kind.YES_NO),
        ("notice", "Hinweis"), ("licence", "Lizenz"),
    )  # fmt: skip
    question = Question("/api/v1/latest", "values", named, tuple((k, v) for k, v in asked if v))
    said = "Überfällig: zwei Sendeabstände ohne Wert. Schlechte Werte gehen in kein Bild ein."
    return Panel(
        Type.TABLE, title, question, said, width=24, height=height, style=Style(custom={"filterable": True}),
        overrides=(
            Override("Wert", {"decimals": 2}),
            Override("Alter", {"unit": "s", "decimals": 0}),
            worded("Sendung", STALE), worded("Qualität", QUALITY), worded("Prüfregel", RULES),
            worded("Herkunft", ORIGIN),
        ),
        options={"showHeader": True, "sortBy": [{"displayName": "Alter", "desc": True}]},
    )  # fmt: skip


def worded(column: str, words: Mapping[str, tuple[str, str]]) -> Override:
    """A column whose values are said in German and coloured."""
    mappings = Style(words=words).as_json()["mappings"]
    return Override(column, {"mappings": mappings, "custom.cellOptions": {"type": "color-text"}})


def figures(quantity: Quantity, theme: Theme) -> Panel:
    """The newest value of each place as a bar, the greatest first where that is what matters."""
    asked = [("theme", theme.theme), ("district", "${ortsteil}"),
             ("observed_property", quantity.observed_property)]  # fmt: skip
    named = columns(("thing_name", "Gerät"), ("value", quantity.title, Kind.NUMBER))
    question = Question("/api/v1/latest", "values", named, tuple((k, v) for k, v in asked if v))
    options = {
        "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True,
        "reduceOptions": {"values": True, "calcs": ["lastNotNull"], "fields": "", "limit": 40},
    }  # fmt: skip
    style = Style(quantity.written, quantity.decimals, quantity.limits)
    return Panel(
        Type.BARS, f"{quantity.title} jetzt", question,
        _description(quantity, theme, "Neuester Wert je Gerät."), width=24, height=9, style=style,
        options=options,
    )  # fmt: skip


def words(text: str, *, height: int = 3) -> Panel:
    """What people should know before they look."""
    return Panel(Type.TEXT, "", None, width=24, height=height, options={"mode": "markdown", "content": text})
