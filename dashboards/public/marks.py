"""Quality in words and symbols: a reader who sees no colours learns the same."""

from __future__ import annotations

from dataclasses import dataclass

from udp.sensorthings import Quality, QualityRule


@dataclass(frozen=True, slots=True)
class Mark:
    """`symbol` and `word` say the same; `reason` may be empty; `style` is a class of the style sheet."""

    symbol: str
    word: str
    reason: str
    style: str


_REASONS = {
    QualityRule.RANGE: "außerhalb des möglichen Bereichs",
    QualityRule.STEP: "ungewöhnlich großer Sprung",
    QualityRule.STUCK: "Wert bewegt sich seit Langem nicht",
    QualityRule.SILENCE: "nach langem Schweigen",
    QualityRule.CLOCK: "Uhr des Geräts ging falsch",
    QualityRule.NEIGHBOUR: "passt nicht zu den Nachbarn",
    QualityRule.DRY_PROBE: "Fühler lag trocken",
    QualityRule.PERSON: "von Hand beurteilt",
    QualityRule.WITHDRAWN: "zurückgenommen: neu dekodiert ergibt die Meldung keinen Wert",
    QualityRule.NO_NUMBER: "ein Wort, keine Zahl",
}

_BY_QUALITY = {
    Quality.UNCHECKED: ("○", "ungeprüft", "ungeprueft"),
    Quality.GOOD: ("✓", "plausibel", "plausibel"),
    Quality.SUSPECT: ("▲", "verdächtig", "verdaechtig"),
    Quality.BAD: ("✕", "fehlerhaft", "fehlerhaft"),
}

EXPLANATIONS = (
    ("✓", "plausibel", "automatische Prüfung bestanden"),
    ("○", "ungeprüft", "noch keine Prüfung möglich"),
    ("▲", "verdächtig", "auffällig, mit Vorsicht lesen"),
    ("✕", "fehlerhaft", "der Wert wird nicht gezeigt"),
    ("◇", "Bürgersensor, ungeprüft", "privat betrieben, Standort gerundet"),
)


def mark(quality: Quality, rule: QualityRule) -> Mark:
    """How to name what was found out about a value."""
    if rule is QualityRule.CITIZEN and quality in (Quality.UNCHECKED, Quality.GOOD):
        return Mark("◇", "Bürgersensor, ungeprüft", "", "buerger")
    symbol, word, style = _BY_QUALITY[quality]
    return Mark(symbol, word, _REASONS.get(rule, ""), style)
