"""Why a delivery is in the quarantine and what helps, in German: ingest gives its reasons in English.

What a codec, a network server or a database said itself stays as it was said, behind a colon.
"""

from __future__ import annotations

import re

_REPLAY = "danach udp-ingest replay."
_CLOCK = "Die Uhr des Geräts oder Gateways stellen; die Werte stehen in diesen Bytes, unter einer Zeit, die "
_MAPPING = (
    "Die Zuordnungsdatei mit dem vergleichen, was die Plattform sendet (udp-ingest pull --check), " + _REPLAY
)
_SERVER = "Mit der Beschreibung des Netzservers vergleichen; nach einem Update von ingest udp-ingest replay."
_FORMAT = "Im Netzserver für diese Anbindung JSON oder Protobuf einstellen und ansehen, was gesendet wurde."

# (reason in English, in German, what helps); the first that fits counts.
_KNOWN = tuple(
    (re.compile(pattern, re.DOTALL), text, remedy)
    for pattern, text, remedy in (
        (
            r"nobody reads the topic (?P<topic>.*)",
            "Niemand liest das Thema {topic}.",
            "Das Thema bei ingest aus [[mqtt]] topics nehmen, oder den Absender ein bekanntes nutzen lassen.",
        ),
        (
            r"no mapping file is named (?P<name>.*)",
            "Keine Zuordnungsdatei heißt {name}.",
            "Sie in den Einstellungen von ingest nennen ([[foreign]]), " + _REPLAY,
        ),
        (
            r"mapping (?P<name>\S+): (?P<said>.*)",
            "Eine Nachricht der Plattform {name} passt nicht zu ihrer Zuordnungsdatei: {said}",
            _MAPPING,
        ),
        (
            r"frame: (?:DevAddr (?P<address>\S+)|device (?P<device>\S+)): ?(?P<said>.*)",
            "Keine bekannte Sitzung passt zu diesem Funkspruch ({address}{device}): {said}",
            "Ist das Gerät unseres, seine Sitzung in die Datei sessions von ingest schreiben, " + _REPLAY
            + " Sonst ist es das Gerät von Nachbarn.",
        ),
        (
            r"frame: DevAddr (?P<address>[^ ,]+), (?P<said>.*)",
            "Keine bekannte Sitzung passt zu diesem Funkspruch ({address}): {said}",
            "Ist das Gerät unseres, seine Sitzung in die Datei sessions von ingest schreiben, " + _REPLAY
            + " Sonst ist es das Gerät von Nachbarn.",
        ),
        (
            r"frame: (?P<said>.*)",
            "Der Funkspruch ist beschädigt oder keine Meldung eines Geräts: {said}",
            "Den Packet Forwarder des Gateways ansehen.",
        ),
        (
            r"agent (?P<agent>\S+), message (?P<number>\S+): (?P<said>.*)",
            "Eine Meldung des Agenten {agent} (Nummer {number}) ist nicht lesbar: {said}",
            "Die Versionen von Agent und ingest vergleichen; nach dem Update udp-ingest replay.",
        ),
        (
            r"agent (?P<agent>\S+) was named on the topic of (?P<topic>\S+) \((?P<origin>.*)\)",
            "Auf dem Thema des Agenten {topic} sprach jemand als {agent}.",
            "Einstellungen oder Zertifikat von {topic} prüfen: Ein Agent spricht nur für sich.",
        ),
        (
            r"envelope by (?P<origin>\S+): (?P<said>.*)",
            "Was über {origin} kam, ist keine Sendung eines Agenten, die diese Fassung liest: {said}",
            "Ansehen, wer dorthin sendet: nur Agenten dieser Plattform dürfen es. Ist der Agent neuer als "
            "ingest: ingest aktualisieren, " + _REPLAY,
        ),
        (
            r"device (?P<device>\S+), FPort (?P<port>\S+): the message has no decoded_payload",
            "Gerät {device}, FPort {port}: Der Nachricht fehlt decoded_payload.",
            "In der Konsole von The Things Network für das Gerät einen Uplink Payload Formatter einrichten.",
        ),
        (
            r"device (?P<device>\S+): no codec named (?P<codec>.*?) \((?P<said>.*)\)",
            "Gerät {device}: Es gibt keinen Codec {codec}: {said}",
            "Im Profil des Geräts codec berichtigen, das Stadtverzeichnis neu einlesen, " + _REPLAY,
        ),
        (
            r"device (?P<device>\S+), codec (?P<codec>\S+), FPort (?P<port>\S+): (?P<said>.*)",
            "Gerät {device}: Der Codec {codec} kann die Nutzdaten auf FPort {port} nicht lesen: {said}",
            "Profil und Firmware des Geräts prüfen; nach der Berichtigung udp-ingest replay.",
        ),
        (
            r"device (?P<device>\S+): counter restarted or replayed: FCnt (?P<count>\S+) (?P<said>.*)",
            "Gerät {device}: Der Zähler (FCnt) {count} war schon da oder überholt: {said}",
            "Hat das Gerät neu zu zählen begonnen (ABP nach Batteriewechsel, 16-Bit-Zähler nach 65535), das "
            "im Verzeichnis sagen (Spalte zaehlerneustart) und ab jenem Tag udp-ingest replay; sonst sendet "
            "jemand aufgezeichnete Funksprüche.",
        ),
        (
            r"device (?P<device>\S+) does not belong to project (?P<project>\S+)",
            "Das Gerät {device} gehört nicht zum Projekt {project}.",
            "Die DevEUI mit der Anmeldung vergleichen; ein weiteres Gerät braucht eine eigene Anmeldung.",
        ),
        (
            r"device (?P<device>\S+) is not registered",
            "Das Gerät {device} steht nicht im Verzeichnis.",
            "Die DevEUI mit udp devices import oder udp import-city eintragen, " + _REPLAY,
        ),
        (
            r"sensor (?P<sensor>.*) of agent (?P<agent>\S+) is not registered",
            "Der Sensor {sensor} des Agenten {agent} steht nicht im Verzeichnis.",
            "Ihn in der Stadtdatei beschreiben ([[thing.wired]]), mit udp import-city einlesen, " + _REPLAY,
        ),
        (
            r"field (?P<field>.*?) holds (?P<said>.*), which is no finite number",
            "Im Feld {field} steht keine Zahl, sondern: {said}",
            "Den Codec berichtigen oder das Feld aus dem Profil nehmen; " + _REPLAY,
        ),
        (
            r"field (?P<field>.*?) is in (?P<unit>\S*), its Datastream (?P<stream>\S+) in (?P<other>\S*)",
            "Das Feld {field} kommt in {unit}, sein Datastream {stream} führt {other}.",
            "Einheit, scale und offset in der Zuordnungsdatei berichtigen, " + _REPLAY,
        ),
        (
            r"the clock is wrong: it says (?P<time>.*) UTC, and Datastream (?P<stream>\S+) keeps nothing .*",
            "Die Uhr geht falsch: Sie sagt {time} UTC, und so Altes behält Datastream {stream} nicht mehr.",
            _CLOCK + "niemand kennt.",
        ),
        (
            r"device (?P<device>\S+): its clock stands still: Datastream (?P<stream>\S+) has (?P<most>\S+) "
            r"different values of (?P<time>.*) UTC already",
            "Die Uhr des Geräts {device} steht: Datastream {stream} hat von {time} UTC schon {most} "
            "verschiedene Werte.",
            _CLOCK + "nicht ihre ist.",
        ),
        (
            r"(?P<who>.*): its clock stands still: Datastream (?P<stream>\S+) has (?P<most>\S+) different "
            r"values of (?P<time>.*) UTC already",
            "Die Uhr steht: Datastream {stream} hat von {time} UTC schon {most} verschiedene Werte ({who}).",
            _CLOCK + "nicht ihre ist.",
        ),
        (
            r"the store refuses it: (?P<said>.*)",
            "Der Speicher der Messwerte nimmt einen Wert nicht an: {said}",
            "Die Ursache steht beim Grund; nach der Berichtigung udp-ingest replay.",
        ),
        (
            r"unexpected (?P<said>.*)",
            "Ein Fehler in ingest: {said}",
            "Bitte als Fehler von ingest melden; nach der Berichtigung udp-ingest replay.",
        ),
        (
            r"ChirpStack event (?P<kind>.*) is unknown",
            "ChirpStack sandte ein unbekanntes Ereignis {kind}.",
            _SERVER,
        ),
        (
            r"ChirpStack (?P<kind>\S+) event is neither JSON nor protobuf: (?P<said>.*)",
            "Ein Ereignis {kind} von ChirpStack ist weder JSON noch Protobuf: {said}",
            _FORMAT,
        ),
        (
            r"ChirpStack (?P<kind>\S+) event: (?P<said>.*)",
            "Einem Ereignis {kind} von ChirpStack fehlt etwas, oder es ist anders geschrieben: {said}",
            _SERVER,
        ),
        (
            r"(?P<whose>.*) event is (?:not JSON: (?P<said>.*)|a JSON (?P<kind>\S+), not an object)",
            "Eine Nachricht von {whose} ist kein Objekt in JSON. {said}{kind}",
            _FORMAT,
        ),
        (
            r"The Things Stack message holds neither uplink_message nor any other known part",
            "Eine Nachricht von The Things Stack enthält weder uplink_message noch sonst etwas Bekanntes.",
            _SERVER,
        ),
        (
            r"The Things Stack message: (?P<said>.*)",
            "Einer Nachricht von The Things Stack fehlt etwas, oder sie ist anders geschrieben: {said}",
            _SERVER,
        ),
    )
)  # fmt: skip


def in_german(reason: str, remedy: str) -> tuple[str, str]:
    """(reason, remedy); what nobody has translated yet stays as ingest said it."""
    for pattern, text, helps in _KNOWN:
        if found := pattern.fullmatch(reason):
            words = {name: said or "" for name, said in found.groupdict().items()}
            return text.format(**words).strip(), helps.format(**words)
    return reason, remedy
