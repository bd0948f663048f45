"""`udp chirpstack ...`: what the IT team can ask of the network server, in German."""

from __future__ import annotations

import argparse
from typing import Any

from edge.wire.identifiers import DevEUI
from udp.config import Settings


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done; 1: not everything was done."""
    from udp import chirpstack_verbs  # noqa: PLC0415 - gRPC, which the API's process need not load

    return chirpstack_verbs.run(config, given)


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`chirpstack` and what follows it, below the verbs of `udp`."""
    group = verbs.add_parser("chirpstack")
    actions = group.add_subparsers(dest="action", required=True)

    def action(name: str, meaning: str) -> argparse.ArgumentParser:
        made: argparse.ArgumentParser = actions.add_parser(name, parents=[shared], help=meaning)
        return made

    one = action("sync", "Geräte, Profile und Gateways aus dem Verzeichnis nach ChirpStack übertragen")
    one.add_argument("--dry-run", action="store_true", help="nur sagen, was geschähe")
    one.add_argument("--all", action="store_true", help="jede Zeile zeigen")
    one.add_argument("--adopt", action="store_true", help="von Hand Angelegtes übernehmen (Marke udp setzen)")
    one.add_argument(
        "--delete-removed", action="store_true", help="löschen, was von hier kam und entfallen ist"
    )
    one.add_argument("--delete-most", action="store_true", help="auch dann, wenn es die meisten wären")
    one = action("activations", "Sitzungen beigetretener Geräte ins Verzeichnis holen")
    one.add_argument("--every", type=_seconds, metavar="SEKUNDEN", help="immer wieder, bis man es beendet")
    one = action("downlink", "einen Auftrag an ein Gerät einreihen")
    one.add_argument("dev_eui", type=_dev_eui, metavar="DEVEUI")
    one.add_argument("--f-port", type=int, required=True, help="Port der Anwendung, 1 bis 223")
    one.add_argument("--hex", type=_octets, required=True, help="Nutzdaten, hexadezimal")
    one.add_argument("--confirmed", action="store_true", help="das Gerät soll den Empfang bestätigen")
    one.add_argument("--replace", action="store_true", help="statt allem, was noch nicht gesendet ist")
    one.add_argument("--expires-in", type=_seconds, metavar="SEKUNDEN", help="danach nicht mehr senden")
    one = action("queue", "zeigen, was auf ein Gerät wartet")
    one.add_argument("dev_eui", type=_dev_eui, metavar="DEVEUI")
    one.add_argument("--flush", action="store_true", help="die Warteschlange erst leeren")
    one = action("status", "zeigen, wann Gateways und Geräte zuletzt gehört wurden")
    one.add_argument("--silent", type=float, metavar="STUNDEN", help="nur, was so lange geschwiegen hat")


def _dev_eui(text: str) -> DevEUI:
    try:
        return DevEUI.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} ist keine DevEUI; 16 Hexadezimalziffern") from error


def _octets(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} ist nicht hexadezimal, z. B. 01FF0A") from error


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 31 * 86400:
        raise argparse.ArgumentTypeError(f"{text!r} ist keine Zahl von 1 bis 2678400 Sekunden")
    return seconds
