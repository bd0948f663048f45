"""What the live pages say about packets and projects: one German sentence for each case."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from udp.api.citizens.reasons import Reason, reason
from udp.citizens.project import State
from udp.ledger.port import Packet, PacketOutcome

_ZONE = ZoneInfo("Europe/Berlin")

OUTCOMES: dict[PacketOutcome, tuple[str, str, str]] = {
    PacketOutcome.STORED: ("✓", "angekommen und gespeichert", ""),
    PacketOutcome.NOTHING: (
        "▲",
        "angekommen, aber kein Feld passt",
        "Der Codec nennt Felder, für die keine Messgröße angemeldet ist. Vergleichen Sie die Feldnamen unten "
        "mit Ihrer Anmeldung; groß und klein zählt.",
    ),
    PacketOutcome.DUPLICATE: (
        "○",
        "Wiederholung, ohne Wirkung",
        "Dasselbe Paket (gleicher Zähler) war schon da. Das ist in Ordnung.",
    ),
    PacketOutcome.SET_ASIDE: (
        "✕",
        "angekommen, aber nicht brauchbar",
        "Was nicht stimmt, steht darunter. Das Paket ist aufgehoben.",
    ),
    PacketOutcome.WRONG_KEY: (
        "✕",
        "abgewiesen: falscher Schlüssel",
        "Im Webhook bei TTN fehlt der Kopf „Authorization“ mit „Bearer …“, oder der Schlüssel ist alt.",
    ),
    PacketOutcome.TOO_LARGE: (
        "✕",
        "abgewiesen: zu groß",
        "Schalten Sie im Webhook bei TTN nur „Uplink message“ ein.",
    ),
    PacketOutcome.NOT_READABLE: (
        "✕",
        "abgewiesen: nicht lesbar",
        "Das war keine Nachricht von The Things Stack in JSON. Stellen Sie im Webhook das Format „JSON“ ein.",
    ),
    PacketOutcome.TOO_OFTEN: (
        "▲",
        "abgewiesen: zu oft",
        "Es kamen mehr Pakete je Minute als erlaubt. Vergrößern Sie den Sendeabstand.",
    ),
    PacketOutcome.NOT_APPROVED: (
        "○",
        "der Weg stimmt, die Freigabe fehlt noch",
        "Ihr Webhook ist richtig eingerichtet. Sobald die Stadt freigibt, werden Pakete angenommen.",
    ),
    PacketOutcome.CONNECTION: ("○", "Verbindung zu The Things Network", ""),
}

STATES = {
    State.APPLIED: "Ihre Anmeldung wartet auf die Freigabe durch die Stadt.",
    State.APPROVED: "Freigegeben: Ihre Messwerte sind öffentlich, als „Bürgersensor, ungeprüft“.",
    State.REFUSED: "Die Stadt hat die Anmeldung abgelehnt.",
}


@dataclass(frozen=True, slots=True)
class PacketWords:
    """One packet as the page shows it."""

    at: str
    symbol: str
    word: str
    advice: str
    reason: Reason
    what: str
    fields: tuple[tuple[str, str, str], ...]


def packet_words(packet: Packet, names: dict[int, tuple[str, str]]) -> PacketWords:
    """`names`: Datastream to its name and unit."""
    symbol, word, advice = OUTCOMES[packet.outcome]
    parts = []
    if packet.dev_eui:
        parts.append(f"DevEUI {packet.dev_eui}")
    if packet.f_cnt is not None:
        parts.append(f"Zähler {packet.f_cnt}")
    if packet.f_port is not None:
        parts.append(f"Port {packet.f_port}")
    if packet.size:
        parts.append(f"{packet.size} Byte")
    fields = []
    for value in packet.values:
        meant = "keine Messgröße angemeldet"
        if value.datastream in names and value.result is not None:
            name, unit = names[value.datastream]
            meant = f"{name}: {f'{value.result:g}'.replace('.', ',')} {unit}".strip()
            if value.quality is not None and value.quality >= 2:
                meant += " – auffällig" if value.quality == 2 else " – unmöglicher Wert, wird nicht gezeigt"
        fields.append((value.field, value.said, meant))
    return PacketWords(
        moment(packet.at), symbol, word, advice, reason(packet.detail), ", ".join(parts), tuple(fields)
    )


def moment(at: datetime) -> str:
    """In local time, to the second: people compare with the console of The Things Network."""
    return at.astimezone(_ZONE).strftime("%d.%m.%Y, %H:%M:%S Uhr")
