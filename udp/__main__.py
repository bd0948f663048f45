"""`udp`: the data API, the city's register and its keys."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import FrameType

import uvicorn

from edge.wire import settings as files
from edge.wire.settings import SettingsError
from udp import (
    access_commands,
    chirpstack_commands,
    citizen_commands,
    device_commands,
    instance_commands,
    policy_commands,
    profile_commands,
    retention_commands,
)
from udp.access.porter import open_porter
from udp.api.app import create_app
from udp.api.desk import Ports, utc_now
from udp.api.late_store import LateStore
from udp.auth import SqlKeys
from udp.config import Settings
from udp.datasets.source import PolicyFile
from udp.devices.sheets import DeviceSheets
from udp.errors import ConfigurationError, PlatformError
from udp.events.sql import SqlEvents
from udp.events.watch import Watch, watching
from udp.forecasting.sql import SqlForecasts
from udp.ledger.sql import SqlLedger
from udp.registry.city_file import read_city
from udp.registry.port import Changes
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.store.opening import open_store

_LOG = logging.getLogger("udp")
_BROKEN_CONFIG = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the settings once and hand out slices. 0: done, 1: failed, 2: the configuration is wrong."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(
        level=given.log_level, stream=sys.stderr, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        config = _load(given.config)
        return _VERBS[given.verb](config, given)
    except (SettingsError, ConfigurationError) as error:
        print(error, file=sys.stderr)
        return _BROKEN_CONFIG
    except PlatformError as error:
        print(error, file=sys.stderr)
        return 1


def run(config: Settings, _given: argparse.Namespace) -> int:
    """Serve until told to stop."""
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(SqlLedger(config.ledger.address())) as ledger,
        closing(SqlForecasts(config.forecasts.address())) as forecasts,
        closing(LateStore(lambda: open_store(config.store, utc_now, read_only=True))) as store,
        closing(open_porter(registry.database, config.access)) as porter,
    ):
        keys = SqlKeys(registry.database, config.operator_key)
        policy = PolicyFile(config.policy)
        digest = policy.current().digest
        _LOG.info("policy %s, SHA-256 %s", policy.path, digest)
        porter.audit.write("udp run", "started", subject=str(policy.path), detail=f"policy {digest}")
        events = SqlEvents(registry.database)
        watch = Watch(registry, ledger, store, events, load_profiles(own=config.profiles_dir), utc_now)
        app = create_app(
            Ports(
                registry,
                store,
                ledger,
                keys,
                config.pages_dir,
                config.api,
                policy=policy,
                porter=porter,
                events=events,
                sheets=DeviceSheets(registry.database),
                silent_after=watch.silent_after,
                forecasts=forecasts,
                citizens=citizen_commands.open_office(config, registry),
            )
        )
        server = _Server(
            uvicorn.Config(
                app,
                host=config.server.host,
                port=config.server.port,
                log_config=None,
                # Its access log would write keys that stand in addresses.
                access_log=False,
                server_header=False,
                proxy_headers=bool(config.server.proxy),
                forwarded_allow_ips=config.server.proxy or None,
                # Longer than programs wait between two rounds, so that they keep their connection.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=5,
            )
        )
        _LOG.info("API and pages at http://%s:%d/", config.server.host, config.server.port)
        with watching(watch):
            server.run()
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """Ends the endless answers first: listeners would keep a stopping server alive."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in the main thread, between two steps of its event loop."""
        application = self.config.app
        if not self.should_exit and hasattr(application, "state"):
            application.state.feed.close()
            application.state.event_feed.close()
        super().handle_exit(sig, frame)


def import_city(config: Settings, given: argparse.Namespace) -> int:
    """Read all, then write all or nothing."""
    city = read_city(given.file, load_profiles(own=config.profiles_dir))
    with closing(SqlRegistry(config.registry.address())) as registry:
        changes = registry.preview(city) if given.dry_run else registry.import_city(city)
    print(_told(city.name, changes, dry=given.dry_run))
    return 0


def check_config(config: Settings, given: argparse.Namespace) -> int:
    """What can be known without starting: settings, addresses, profiles."""
    config.registry.address()
    config.ledger.address()
    config.forecasts.address()
    profiles = load_profiles(own=config.profiles_dir)
    PolicyFile(config.policy)
    print(f"{given.config or 'defaults'}: in order; {len(profiles)} profiles")
    return 0


def print_config(config: Settings, _given: argparse.Namespace) -> int:
    """What is in force, secrets hidden."""
    print(files.render(config))
    return 0


_VERBS = {
    "run": run,
    "import-city": import_city,
    "keys": access_commands.keys,
    "key": access_commands.keys,
    "users": access_commands.users,
    "audit": access_commands.audit,
    "chirpstack": chirpstack_commands.run,
    "citizens": citizen_commands.run,
    "devices": device_commands.run,
    "policy": policy_commands.run,
    "retention": retention_commands.run,
    "export": instance_commands.run,
    "import": instance_commands.run,
    "profiles": profile_commands.run,
    "check-config": check_config,
    "print-config": print_config,
}


def _load(path: Path | None) -> Settings:
    return Settings() if path is None else files.load(Settings, path, os.environ)


def _told(city: str, changes: Changes, *, dry: bool) -> str:
    would = "would be " if dry else ""
    return (
        f"{city}: {changes.added} {would}added, {changes.changed} {would}changed, "
        f"{changes.unchanged} unchanged, {changes.retired} {would}retired"
    )


def _parser() -> argparse.ArgumentParser:
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--config", type=Path, help="settings (TOML); without it, the defaults below ./var")
    shared.add_argument("--log-level", default="INFO", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    parser = argparse.ArgumentParser(prog="udp", description="Data API, register and keys of the platform")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("run", parents=[shared], help="serve the data API and the pages")
    city = verbs.add_parser("import-city", parents=[shared], help="make the register hold a city file")
    city.add_argument("file", type=Path)
    city.add_argument("--dry-run", action="store_true", help="only say what would change")
    access_commands.add_verbs(verbs, shared)
    citizen_commands.add_verbs(verbs, shared)
    device_commands.add_verbs(verbs, shared)
    policy_commands.add_verbs(verbs, shared)
    retention_commands.add_verbs(verbs, shared)
    instance_commands.add_verbs(verbs, shared)
    chirpstack_commands.add_verbs(verbs, shared)
    profile_commands.add_verbs(verbs, shared)
    verbs.add_parser("check-config", parents=[shared], help="say whether the settings can be meant")
    verbs.add_parser("print-config", parents=[shared], help="show what is in force, secrets hidden")
    return parser


if __name__ == "__main__":
    sys.exit(main())
