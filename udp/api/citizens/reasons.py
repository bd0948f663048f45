"""Why nothing came of a packet, in German: ingest and servers give their reasons to operators, in English.

What a codec or a server said itself stays as it was said, and is marked as a quotation.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Reason(NamedTuple):
    """What the page says, and the words it quotes, if there are any."""

    text: str = ""
    quoted: str = ""


# The text may name what the pattern found; `quoted` is what somebody else said. The first that fits counts.
_KNOWN = tuple(
    (re.compile(pattern, re.DOTALL), text)
    for pattern, text in (
        (r"connected", "Verbunden; wir holen Ihre Pakete ab."),
        (
            r"refused: (?P<quoted>.*); check username, password .*",
            "The Things Network lässt uns nicht ein. Stimmt die Application ID, und ist der API-Schlüssel "
            "noch gültig? Die Antwort des Servers:",
        ),
        (
            r"refuses subscriptions: .*",
            "Der Schlüssel darf die Pakete nicht lesen. Legen Sie in der TTN-Konsole einen an, der „Read "
            "application traffic (uplink and downlink)“ darf.",
        ),
        (r"did not answer; .*", "The Things Network antwortet nicht. Wir versuchen es weiter."),
        (
            r"closed the connection: (?P<quoted>.*); connecting again",
            "The Things Network hat die Verbindung beendet; wir verbinden uns neu. Die Antwort des Servers:",
        ),
        (
            r"the key cannot be opened; .*",
            "Wir können Ihren Schlüssel nicht mehr öffnen. Bitte tragen Sie ihn noch einmal ein.",
        ),
        (r"limit: (?P<most>\d+) deliveries per minute", "Erlaubt sind {most} Pakete je Minute."),
        (r"limit: (?P<most>\d+) bytes", "Erlaubt sind {most} Byte je Nachricht."),
        (
            r"device (?P<device>\S+) (?:does not belong to project \S+|is not registered); .*",
            "Das Gerät {device} gehört nicht zu Ihrer Anmeldung. Vergleichen Sie die DevEUI; ein weiteres "
            "Gerät braucht eine neue Anmeldung.",
        ),
        (
            r"device \S+, FPort (?P<port>\d+): the message has no decoded_payload; .*",
            "Dem Paket auf Port {port} fehlt decoded_payload. Richten Sie für das Gerät in der TTN-Konsole "
            "einen „Uplink payload formatter“ ein.",
        ),
        (
            r"device \S+, codec (?P<codec>\S+), FPort (?P<port>\d+): (?P<quoted>.*); "
            r"check the device's profile .*",
            "Der Codec „{codec}“ kann die Nutzdaten auf Port {port} nicht lesen. Ist es das Gerät, das Sie "
            "angemeldet haben? Der Codec sagt:",
        ),
        (
            r"device \S+: no codec named .*",
            "Für dieses Gerät fehlt bei uns der Codec. Bitte sagen Sie der Stadt Bescheid.",
        ),
        (
            r"device \S+: counter restarted or replayed: FCnt (?P<count>\d+) .*",
            "Der Zähler steht auf {count} und war schon höher. Hat das Gerät neu begonnen, etwa nach einem "
            "Batteriewechsel, sagen Sie bitte der Stadt Bescheid.",
        ),
        (
            r"the clock is wrong: it says (?P<time>.*) UTC, .*",
            "Die Uhr des Geräts geht falsch: Sie sagt {time} UTC, und so Altes wird nicht mehr aufgehoben.",
        ),
        (
            r".*: its clock stands still: Datastream \S+ has (?P<most>\d+) different values of "
            r"(?P<time>.*) UTC already; .*",
            "Die Uhr des Geräts steht: Von {time} UTC gibt es schon {most} verschiedene Werte.",
        ),
        (
            r"field '(?P<field>.*?)' holds (?P<quoted>.*), which is no finite number; .*",
            "Im Feld „{field}“ steht keine Zahl, sondern:",
        ),
        (
            r"field '(?P<field>.*?)' is in .*",
            "Die Einheit des Feldes „{field}“ passt nicht zu seiner Messgröße.",
        ),
        (r"The Things Stack event is .*", "Die Nachricht ist kein Objekt in JSON."),
        (
            r"The Things Stack message holds neither .*",
            "Die Nachricht enthält keine „uplink_message“. Schalten Sie im Webhook bei TTN nur „Uplink "
            "message“ ein.",
        ),
        (
            r"The Things Stack message: (?P<quoted>.*); compare .*",
            "In der Nachricht von The Things Stack fehlt etwas, oder es ist anders geschrieben. "
            "Unser Leser sagt:",
        ),
    )
)  # fmt: skip


def reason(detail: str) -> Reason:
    """In German; what nobody has translated yet is quoted, never left out."""
    if not detail:
        return Reason()
    for pattern, text in _KNOWN:
        if found := pattern.fullmatch(detail):
            words = found.groupdict()
            quoted = words.pop("quoted", "")
            return Reason(text.format(**words), quoted)
    return Reason("Das System gibt als Grund an:", detail)
