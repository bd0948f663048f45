"""What can be said to `udp-ingest`: its verbs, their options, and times and devices as people write them."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

from edge.wire.identifiers import DevEUI
from edge.wire.topics import agent_name
from ingest.config import IngestSettings

Verb: TypeAlias = Callable[[IngestSettings, argparse.Namespace], int]

_HELP = {
    "run": "open the doors and keep the pipeline running",
    "check-config": "read the configuration and say whether it can be meant",
    "print-config": "show what is in force, defaults included",
    "pipeline": "journal to store and ledger (started by run)",
    "replay": "read the journal again with today's codecs, profiles and register",
    "pull": "what a sample of a foreign platform would become (run fetches by itself)",
    "retire": "forget a worker that is gone for good, once its journal is worked off",
}


def arguments_of(
    argv: Sequence[str] | None, *, description: str | None, verbs: Mapping[str, Verb]
) -> argparse.Namespace:
    """What was said; its `verb` is the one of `verbs` that was named. Ends the process, as argparse does, for
    what cannot be meant."""
    parser = argparse.ArgumentParser(prog="udp-ingest", description=description)
    known = parser.add_subparsers(required=True, metavar="VERB")
    for name, text in _HELP.items():
        one = known.add_parser(name, help=text)
        one.add_argument("--config", type=Path, required=True, metavar="PATH")
        one.set_defaults(verb=verbs[name])
    _of_pull(known.choices["pull"])
    _of_replay(known.choices["replay"])
    known.choices["retire"].add_argument("gone", type=agent_name, metavar="WORKER")
    return parser.parse_args(argv)


def _of_pull(pull: argparse.ArgumentParser) -> None:
    pull.add_argument("--check", type=Path, required=True, metavar="FILE", help="the sample, as JSON")
    pull.add_argument("--mapping", metavar="NAME", help="needed where [[foreign]] names several")


def _of_replay(replay: argparse.ArgumentParser) -> None:
    replay.add_argument("--since", type=_time, required=True, metavar="TIME", help="2026-11-01T00:00Z")
    replay.add_argument("--until", type=_time, metavar="TIME", help="default: everything until now")
    replay.add_argument(
        "--device", type=_dev_eui, action="append", default=[], metavar="DEVEUI", help="this device only"
    )
    replay.add_argument(
        "--profile", metavar="NAME", help="decode the named devices by this profile, or .toml file, instead"
    )
    replay.add_argument("--dry-run", action="store_true", help="only say what would change")
    replay.add_argument(
        "--withdraw-lost", action="store_true", help="mark values as bad that are no longer produced"
    )


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 2026-11-01T00:00Z is meant") from error
    if moment.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} lacks its offset from UTC: 2026-11-01T00:00Z is meant")
    return moment.astimezone(UTC)


def _dev_eui(text: str) -> DevEUI:
    try:
        return DevEUI.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
