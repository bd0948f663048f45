"""What the processes say of themselves in English, as clerks read it: what it means and what to do."""

from __future__ import annotations

from collections.abc import Mapping

# What is wrong, what follows from it, what to do. By the beginning of a subject, the longest first;
# behind it stands the name of a broker or a mapping.
_MEANINGS: Mapping[str, tuple[str, str, str]] = {
    "journal files": (
        "Dateien des Journals fehlen oder sind beschädigt",
        "Was darin stand und noch nicht verarbeitet war, fehlt.",
        "Verzeichnis und Datenträger prüfen; gesicherte Dateien bei angehaltenem Eingang zurücklegen.",
    ),
    "journal": (
        "Das Journal kann nicht schreiben",
        "Nichts wird bestätigt; die Gateways behalten ihre Meldungen, bis es wieder geht.",
        "Platz und Schreibrechte im Verzeichnis des Journals prüfen.",
    ),
    "store": (
        "Der Speicher der Messwerte nimmt nichts an",
        "Alles bleibt im Journal und wird nachgeholt; bis dahin altern die gezeigten Werte.",
        "Platz und Rechte prüfen, oder den eingestellten Zeitreihen-Server.",
    ),
    "registry": (
        "Das Stadtverzeichnis ist nicht lesbar",
        "Der zuletzt gelesene Stand gilt weiter; neue Geräte und Orte werden noch nicht bekannt.",
        "Datenbank des Verzeichnisses prüfen.",
    ),
    "pipeline": (
        "Die Verarbeitung ist stehen geblieben",
        "Sie wird von selbst neu gestartet; bis dahin sammelt das Journal.",
        "Kommt die Meldung wieder: Protokoll des Eingangs lesen (udp-ingest).",
    ),
    "retention": (
        "Fristgerechtes Löschen steht aus",
        "Gelöscht wird erst wieder, wenn die Ursache behoben ist; der Nachweis nennt Begonnenes.",
        "udp retention log zeigt, was aussteht.",
    ),
    "broker": (
        "Der MQTT-Vermittler verliert Meldungen oder antwortet nicht",
        "Bestätigte Meldungen können dort verloren gehen.",
        "Seine Grenzen (max_queued_messages, persistence) und seinen Zustand prüfen.",
    ),
    "mqtt": (
        "Die Verbindung zum MQTT-Vermittler fehlt oder ist zu langsam",
        "Über ihn kommt zurzeit nichts oder nicht alles an.",
        "Vermittler, Netz und Zugangsdaten prüfen; fremde Absender sollen mit QoS 1 senden.",
    ),
    "things stack": (
        "Die Verbindung zu The Things Stack fehlt oder ist zu langsam",
        "Von dort kommt zurzeit nichts oder nicht alles an.",
        "Netz und Schlüssel der Anwendung prüfen; der Webhook ist der zweite Weg.",
    ),
    "pull": (
        "Eine fremde Plattform antwortet nicht wie erwartet",
        "Ihre Werte fehlen, bis sie wieder lesbar ist.",
        "Adresse und Zugang in der Zuordnungsdatei prüfen: udp-ingest pull --check BEISPIEL.json.",
    ),
}  # fmt: skip


def meaning(subject: str) -> tuple[str, str, str]:
    """For a subject of the ledger; the subject itself where nothing better is known."""
    for beginning in sorted(_MEANINGS, key=len, reverse=True):
        if subject == beginning or subject.startswith(f"{beginning} "):
            what, follows, remedy = _MEANINGS[beginning]
            named = subject.removeprefix(beginning).strip()
            return f"{what} ({named})" if named and beginning != "journal files" else what, follows, remedy
    return f"Eingang meldet: {subject}", "", ""
