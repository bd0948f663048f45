"""`udp`: the data API, the city's register and its keys.

Only what the verb asked for is loaded: the web framework and the drivers of time-series servers cost
seconds, and whoever imports a table waits for them at each call.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from edge.wire import settings as files
from edge.wire.settings import SettingsError
from udp.config import Settings
from udp.errors import ConfigurationError, PlatformError

if TYPE_CHECKING:
    from udp.registry.port import Changes

_BROKEN_CONFIG = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the settings once and hand out slices. 0: done, 1: failed, 2: the configuration is wrong."""
    words = sys.argv[1:] if arguments is None else arguments
    given = _parser(next((one for one in words if one in _GROUPS), "")).parse_args(words)
    # Of several cities each says who speaks.
    city = f"{given.behind.stem} " if getattr(given, "behind", None) else ""
    form = f"%(asctime)s {city}%(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=given.log_level, stream=sys.stderr, format=form)
    try:
        config = _load(given.config)
        return _act(given.verb)(config, given)
    except (SettingsError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        return _BROKEN_CONFIG
    except PlatformError as error:
        print(error, file=sys.stderr)
        return 1


def run(config: Settings, given: argparse.Namespace) -> int:
    """Serve until told to stop: this city, or the door of several with a process for each."""
    if config.cities and given.behind is None:
        from udp.cities.reading import read_cities  # noqa: PLC0415
        from udp.cities.running import run_cities  # noqa: PLC0415

        return run_cities(read_cities(given.config, config, os.environ), given.log_level)
    from udp.serving import serve  # noqa: PLC0415 - see above

    return serve(config, given)


def import_city(config: Settings, given: argparse.Namespace) -> int:
    """Read all, then write all or nothing."""
    from udp.registry.city_file import read_city  # noqa: PLC0415
    from udp.registry.profiles import load_profiles  # noqa: PLC0415
    from udp.registry.sql import SqlRegistry  # noqa: PLC0415

    city = read_city(given.file, load_profiles(own=config.profiles_dir))
    with closing(SqlRegistry(config.registry.address())) as registry:
        changes = registry.preview(city) if given.dry_run else registry.import_city(city)
    print(_told(city.name, changes, dry=given.dry_run))
    return 0


def check_config(config: Settings, given: argparse.Namespace) -> int:
    """What can be known without starting: settings, addresses, profiles."""
    from udp.datasets.source import PolicyFile  # noqa: PLC0415
    from udp.registry.profiles import load_profiles  # noqa: PLC0415

    config.registry.address()
    config.ledger.address()
    config.forecasts_address()
    profiles = load_profiles(own=config.profiles_dir)
    PolicyFile(config.policy)
    city = config.citizens.city + (f" ({config.server.root})" if config.server.root else "")
    print(f"{given.config or 'defaults'}: in order; {city}, {len(profiles)} profiles")
    if config.cities:
        from udp.cities.reading import read_cities  # noqa: PLC0415

        for one in read_cities(given.config, config, os.environ)[1:]:
            check_config(one.settings, argparse.Namespace(config=one.path))
    return 0


def print_config(config: Settings, _given: argparse.Namespace) -> int:
    """What is in force, secrets hidden."""
    print(files.render(config))
    return 0


_OWN: dict[str, Callable[[Settings, argparse.Namespace], int]] = {
    "run": run,
    "import-city": import_city,
    "check-config": check_config,
    "print-config": print_config,
}
# Verb: the module and function that do it, and what help says.
_GROUPS = {
    "keys": ("access_commands", "keys", "keys for programs"),
    "key": ("access_commands", "keys", ""),  # what the verb was called at first
    "users": ("access_commands", "users", "people who sign in"),
    "audit": ("access_commands", "audit", "who did what, when and from where"),
    "citizens": ("citizen_commands", "run", "Bürgersensoren: ansehen, freigeben, ablehnen"),
    "derive": ("derive_commands", "run", "compute what can be computed from what is measured"),
    "devices": ("device_commands", "run", "Geräteverzeichnis: Tabellen einlesen, zurücknehmen, ausgeben"),
    "policy": ("policy_commands", "run", "Datenordnung: prüfen, zeigen, vergleichen"),
    "retention": ("retention_commands", "run", "Aufbewahrung: Fristen durchsetzen, Löschprotokoll zeigen"),
    "dumps": ("opendata_commands", "run", "Offene Daten: Dateien je Monat und Tag"),
    "charging": ("charging_commands", "run", "Ladesäulen aus dem Register der Bundesnetzagentur"),
    "lastgang": ("energy_commands", "run", "Lastgänge und Zählerstände mit OBIS-Kennzahlen (CSV)"),
    "export": ("instance_commands", "run", "write the whole instance into a folder"),
    "import": ("instance_commands", "run", "fill an empty instance from such a folder"),
    "chirpstack": (
        "chirpstack_commands", "run", "Netzserver ChirpStack: abgleichen, Sitzungen, Aufträge, Zustand",
    ),
    "weather": ("weather_commands", "run", "Wettervorhersagen holen und aufbewahren"),
    "profiles": ("profile_commands", "run", "Gerätetypen: nennen, übernehmen, prüfen"),
}  # fmt: skip


def _act(verb: str) -> Callable[[Settings, argparse.Namespace], int]:
    if verb in _OWN:
        return _OWN[verb]
    module, function, _ = _GROUPS[verb]
    found: Callable[[Settings, argparse.Namespace], int] = getattr(import_module(f"udp.{module}"), function)
    return found


def _load(path: Path | None) -> Settings:
    return Settings() if path is None else files.load(Settings, path, os.environ)


def _told(city: str, changes: Changes, *, dry: bool) -> str:
    would = "would be " if dry else ""
    return (
        f"{city}: {changes.added} {would}added, {changes.changed} {would}changed, "
        f"{changes.unchanged} unchanged, {changes.retired} {would}retired"
    )


def _parser(wanted: str) -> argparse.ArgumentParser:
    """`wanted`: the group whose actions it must know; of the others it knows the names."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, help="settings (TOML); without it, the defaults below ./var")
    shared.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser = argparse.ArgumentParser(prog="udp", description="Data API, register and keys of the platform")
    verbs = parser.add_subparsers(dest="verb", required=True)
    running = verbs.add_parser("run", parents=[shared], help="serve the data API and the pages")
    # How the door of several cities starts each of them (udp.cities.children); nobody else needs them.
    running.add_argument("--behind", type=Path, help=argparse.SUPPRESS)
    running.add_argument("--door-port", type=int, help=argparse.SUPPRESS)
    city = verbs.add_parser("import-city", parents=[shared], help="make the register hold a city file")
    city.add_argument(
        "file", type=Path, help="the city file (TOML); for an example: udp-city describe --out city.toml"
    )
    city.add_argument("--dry-run", action="store_true", help="only say what would change")
    for name, (module, _, meaning) in _GROUPS.items():
        if meaning and module != _GROUPS.get(wanted, ("",))[0]:
            verbs.add_parser(name, help=meaning)
    if wanted:
        import_module(f"udp.{_GROUPS[wanted][0]}").add_verbs(verbs, shared)
    verbs.add_parser("check-config", parents=[shared], help="say whether the settings can be meant")
    verbs.add_parser("print-config", parents=[shared], help="show what is in force, secrets hidden")
    return parser


if __name__ == "__main__":
    sys.exit(main())
