"""What ingest counts, in German for people, beside its name in /metrics for those who draw boards."""

from __future__ import annotations

from collections.abc import Mapping

_WAYS: Mapping[str, str] = {
    "edge": "Agenten",
    "chirpstack": "ChirpStack",
    "things_stack": "The Things Stack",
    "webhook": "andere Plattformen",
    "unknown": "unbekannter Weg",
}
_NAMES: Mapping[str, str] = {
    "broker_dropped_total": "vom Broker verworfene Nachrichten",
    "broker_drops_messages": "Broker verliert Nachrichten (Selbsttest, 1 = ja), jetzt",
    "counters_doubtful": "Uplinks mit zweifelhaftem Zähler (FCnt)",
    "duplicates": "Wiederholungen, die nichts änderten",
    "frames_taken_up": "Funksprüche, deren Sitzung später bekannt wurde",
    "frames_without_session": "Funksprüche ohne bekannte Sitzung",
    "joins": "Beitritte (Joins)",
    "journal_backlog_age_s": "Rückstand des Journals: Alter in Sekunden, jetzt",
    "journal_backlog_bytes": "Rückstand des Journals: Bytes, jetzt",
    "journal_backlog_messages": "Rückstand des Journals: Lieferungen, jetzt",
    "observations": "gespeicherte Werte",
    "quarantine_octets": "Quarantäne: Bytes, jetzt",
    "quarantined": "in die Quarantäne gelegt",
    "receive_queue_dropped_total": "beim Empfang verworfen",
    "receive_queue_mb": "Warteschlange des Empfangs in MB, jetzt",
    "values_moved": "Werte desselben Augenblicks, auf einen freien Platz daneben gelegt",
    "values_outlived": "Werte, älter als ihre Aufbewahrungsfrist",
    "values_repeated": "Werte, die schon gespeichert waren",
    "withdrawn": "Lieferungen zurückgezogener Anmeldungen, nicht gelesen",
}
_EVENTS: Mapping[str, str] = {
    "ack": "Bestätigungen von Geräten",
    "command_acknowledged": "Aufträge angekommen",
    "command_approved": "Aufträge freigegeben",
    "command_expired": "Aufträge verfallen",
    "command_failed": "Aufträge gescheitert",
    "command_requested": "Aufträge angefordert",
    "command_sent": "Aufträge gesendet",
    "command_verified": "Aufträge nachgewiesen",
    "downlink_ack": "Downlinks vom Gerät bestätigt",
    "downlink_failed": "Downlinks gescheitert",
    "downlink_nack": "Downlinks nicht bestätigt",
    "downlink_queue_invalidated": "Warteschlangen für Downlinks verfallen",
    "downlink_queued": "Downlinks eingereiht",
    "downlink_sent": "Downlinks gesendet",
    "integration": "Ereignisse anderer Anbindungen",
    "location": "Ortsbestimmungen",
    "location_solved": "Ortsbestimmungen",
    "log_error": "Fehlermeldungen",
    "log_info": "Hinweise",
    "log_other": "sonstige Meldungen",
    "log_warning": "Warnungen",
    "service_data": "Daten anderer Dienste",
    "status": "Gerätezustände",
    "txack": "Downlinks vom Gateway gesendet",
    "uplink_normalized": "vereinheitlichte Uplinks (ungenutzt)",
}


def in_german(name: str) -> str:
    """What is counted; what nobody has translated yet keeps its name."""
    if name in _NAMES:
        return _NAMES[name]
    for way, whose in _WAYS.items():
        if name == f"deliveries_{way}":
            return f"Lieferungen: {whose}"
        if name == f"messages_{way}":
            return f"Meldungen: {whose}"
        if name.removeprefix(f"{way}_") in _EVENTS:
            return f"{whose}: {_EVENTS[name.removeprefix(f'{way}_')]}"
    return name
