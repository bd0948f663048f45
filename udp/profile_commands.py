"""`udp profiles ...`: device types from files of others, and whether they hold what was published."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from edge.codecs.by_profile import codec_named, codec_names
from edge.codecs.javascript import JavaScriptCodecs, JavaScriptSettings
from udp.config import Settings
from udp.device_types.checking import Verdict, check_profile
from udp.device_types.examples import examples_file, read_examples
from udp.device_types.foreign import ForeignType, slug
from udp.device_types.importing import native_codec, read_types, write_type
from udp.errors import ConfigurationError
from udp.registry.profiles import HERE, Profile, load_observed_properties, load_profiles

_SHIPPED = HERE / "profiles"


def run(config: Settings, given: argparse.Namespace) -> int:
    """0: done; 1: something does not hold."""
    return {"list": _list, "import": _import, "check": _check}[given.action](config, given)


def add_verbs(verbs: Any, shared: argparse.ArgumentParser) -> None:
    """`profiles` and what follows it, below the verbs of `udp`."""
    group = verbs.add_parser("profiles")
    actions = group.add_subparsers(dest="action", required=True)
    actions.add_parser("list", parents=[shared], help="alle Gerätetypen nennen")
    take = actions.add_parser(
        "import",
        parents=[shared],
        help="aus dem TTN Device Repository oder einem ChirpStack-Profil übernehmen",
    )
    take.add_argument(
        "path", type=Path, help="Ordner eines Herstellers, Gerätedatei (.yaml, .toml) oder .json"
    )
    take.add_argument("--out", type=Path, help="Zielordner; sonst profiles_dir der Einstellungen")
    take.add_argument("--name", help="Name des Profils, wenn der Pfad ein einziges Gerät beschreibt")
    take.add_argument(
        "--codec", choices=codec_names(), metavar="NAME", help="eigener Decoder statt JavaScript"
    )
    check = actions.add_parser(
        "check", parents=[shared], help="Profile an veröffentlichten Beispielen prüfen"
    )
    check.add_argument("names", nargs="*", help="nur diese; sonst alle")


def _list(config: Settings, _given: argparse.Namespace) -> int:
    for profile in _profiles(config).values():
        decoder = profile.codec or "fest angeschlossen"
        _say(f"{profile.name:<32} {decoder:<32} {profile.sensor}")
    return 0


def _import(config: Settings, given: argparse.Namespace) -> int:
    folder = given.out or config.profiles_dir
    if folder is None:
        raise ConfigurationError("profiles: name the folder by --out, or set profiles_dir in the settings")
    kinds = read_types(given.path)
    if not kinds:
        raise ConfigurationError(f"{given.path}: no device with a decoder in it")
    if len(kinds) > 1 and (given.name or given.codec):
        raise ConfigurationError(
            f"{given.path}: describes {len(kinds)} devices; name one device's file instead"
        )
    known, properties = _profiles(config), load_observed_properties()
    for kind in kinds:
        native = given.codec or native_codec(kind, codec_names())
        name = slug(given.name) if given.name else _name(kind, native)
        if name in known:
            _say(f"{name}: gibt es schon, nicht übernommen (anderer Name: --name)")
            continue
        done = write_type(kind, folder, name=name, native=native, properties=properties)
        _say(f"{name}: {done.channels} Kanäle, {done.examples} Beispiele, Decoder {done.codec} -> {folder}")
        if done.open_fields:
            _say(f"  noch zu entscheiden (in der Datei erklärt): {', '.join(done.open_fields)}")
    return 0


def _name(kind: ForeignType, native: str | None) -> str:
    """The native decoder's name, so that a shipped profile of the same device is recognised."""
    return native or kind.name


def _check(config: Settings, given: argparse.Namespace) -> int:
    profiles = _profiles(config)
    if unknown := sorted(set(given.names) - set(profiles)):
        raise ConfigurationError(f"profile {unknown[0]!r} is not known; see udp profiles list")
    failed = False
    with closing(JavaScriptCodecs(JavaScriptSettings(directory=config.profiles_dir))) as javascript:
        codecs = partial(codec_named, javascript=javascript.named)
        for name in given.names or profiles:
            examples = read_examples(examples_file(_folder(config, name), name))
            verdict = check_profile(profiles[name], examples, codecs, datetime.now(UTC))
            _tell(verdict)
            failed = failed or bool(verdict.problems or verdict.untested)
    return 1 if failed else 0


def _tell(verdict: Verdict) -> None:
    if verdict.untested:
        _say(f"{verdict.name}: nicht geprüft: {verdict.untested}")
    elif verdict.problems:
        _say(f"{verdict.name}: {len(verdict.problems)} Fehler in {verdict.examples} Beispielen")
    elif not verdict.examples:
        _say(f"{verdict.name}: keine Beispiele")
    else:
        rest = f"; ohne Beispiel: {', '.join(verdict.unseen)}" if verdict.unseen else ""
        _say(f"{verdict.name}: {verdict.examples} Beispiele stimmen{rest}")
    for problem in verdict.problems:
        _say(f"  {problem}")
    for hint in verdict.implausible:
        _say(f"  Hinweis: {hint}")


def _folder(config: Settings, name: str) -> Path:
    own = config.profiles_dir
    return own if own is not None and (own / f"{name}.toml").exists() else _SHIPPED


def _profiles(config: Settings) -> Mapping[str, Profile]:
    return load_profiles(own=config.profiles_dir)


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
