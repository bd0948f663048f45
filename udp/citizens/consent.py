"""What a citizen agrees to, word for word and by version; who agreed to an older text stays with it.

A changed text gets a new version: the version is kept with every project.
"""

from __future__ import annotations

from collections.abc import Mapping

VERSION = "2026-11-21"

TEXT: tuple[str, ...] = (
    "Die Stadt verarbeitet meinen Namen und meine E-Mail-Adresse, um die Anmeldung zu prüfen und mich zu "
    "meinem Sensor zu erreichen. Beides wird nie veröffentlicht und nicht weitergegeben (Art. 6 Abs. 1 "
    "Buchst. a DSGVO).",
    "Die Messwerte, der Titel und der Ort meines Sensors werden unter der gewählten Lizenz veröffentlicht, "
    "gekennzeichnet als „Bürgersensor, ungeprüft“. Der Ort wird auf 100 m gerundet gespeichert und gezeigt; "
    "genau nur, wenn ich das eigens ankreuze.",
    "Ich kann jederzeit über meinen persönlichen Link alles löschen: Anmeldung, Schlüssel, Gerät, "
    "Datenreihen und alle Messwerte verschwinden sofort von allen Seiten und Schnittstellen und werden "
    "bis zum nächsten Tag endgültig gelöscht. Übrig bleiben höchstens Stundensummen ohne Namen, Ort und "
    "Gerät, auf die nichts mehr verweist.",
    "Die Funkpakete, wie sie ankamen (Nutzdaten, Geräte-Kennung, Namen der empfangenden Gateways; kein Name, "
    "keine E-Mail-Adresse), liegen im Eingangsjournal der Stadt, bis ich alles lösche; dann werden sie auch "
    "dort binnen eines Tages überschrieben. Sicherungskopien, die es dann schon gibt, bleiben bis zu ihrer "
    "Frist, höchstens 14 Monate; daraus wird nichts wieder eingelesen.",
    "Wer die Daten schon heruntergeladen hat, darf sie nach der Lizenz weiter nutzen; das kann die Stadt "
    "nicht zurückholen.",
)

LICENCES: Mapping[str, str] = {
    "dl-de/zero-2-0": "Datenlizenz Deutschland Zero 2.0 – jede Nutzung ohne Bedingung",
    "CC0-1.0": "Creative Commons CC0 1.0 – jede Nutzung ohne Bedingung",
    "dl-de/by-2-0": "Datenlizenz Deutschland Namensnennung 2.0 – mit Nennung des Titels",
    "CC-BY-4.0": "Creative Commons BY 4.0 – mit Nennung des Titels",
}

# The Things Network, Fair Use Policy of the community network; the network enforces it, not we.
FAIR_USE = (
    "Das Gemeinschaftsnetz von The Things Network erlaubt je Gerät und 24 Stunden höchstens "
    "30 Sekunden Sendezeit und 10 Nachrichten zum Gerät (Downlinks), Bestätigungen mitgezählt."
)
