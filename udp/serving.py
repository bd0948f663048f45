"""`udp run`: put the data API together from its parts and serve it until told to stop."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import FrameType

import uvicorn

from udp import citizen_commands
from udp.access.porter import open_porter
from udp.api.app import create_app
from udp.api.desk import Ports, Writable, utc_now
from udp.api.events import EventFeed
from udp.api.late_store import LateStore
from udp.api.live import LiveFeed
from udp.api.standing import Standing
from udp.auth import SqlKeys
from udp.cities.behind import end_with_parent
from udp.cities.receiving import uvicorn_settings
from udp.config import Settings
from udp.datasets.source import PolicyFile
from udp.devices.sheets import DeviceSheets
from udp.events.sql import SqlEvents
from udp.events.watch import Watch, watching
from udp.forecasting.sql import SqlForecasts
from udp.ledger.sql import SqlLedger
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.store.opening import open_store
from udp.weather.warning_state import SqlWarnings

_LOG = logging.getLogger("udp")


def serve(config: Settings, given: argparse.Namespace) -> int:
    """Serve one city until told to stop; behind the door of several, at the socket file `given.behind`."""
    behind: Path | None = given.behind
    if behind is not None:
        end_with_parent()
        config = replace(config, server=replace(config.server, port=given.door_port))
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(SqlLedger(config.ledger.address())) as ledger,
        closing(SqlForecasts(config.forecasts_address())) as forecasts,
        closing(LateStore(lambda: open_store(config.store, utc_now, read_only=True))) as store,
        closing(LateStore(lambda: open_store(config.store, utc_now))) as appending,
        closing(open_porter(registry.database, config.access)) as porter,
    ):
        keys, root = SqlKeys(registry.database, config.operator_key), config.server.root
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
                writing=Writable(registry.database, appending),
                porter=porter,
                events=events,
                sheets=DeviceSheets(registry.database),
                silent_after=watch.silent_after,
                forecasts=forecasts,
                warnings=SqlWarnings(registry.database),
                weather=config.weather,
                opendata=config.opendata,
                mqtt=config.sensorthings_mqtt,
                public_url=config.public_url(),
                root=root,
                citizens=citizen_commands.open_office(config, registry),
                standing=Standing(),
            )
        )
        server = _Server(uvicorn_settings(app, config, behind), (app.state.feed, app.state.event_feed))
        if behind is None:
            _LOG.info("API and pages at http://%s:%d%s/", config.server.host, config.server.port, root)
        with watching(watch):
            server.run()
    return 0 if server.started else 1


class _Server(uvicorn.Server):
    """Ends the endless answers first: listeners would keep a stopping server alive."""

    def __init__(self, config: uvicorn.Config, endless: Sequence[LiveFeed | EventFeed]) -> None:
        super().__init__(config)
        self._endless = endless

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in the main thread, between two steps of its event loop."""
        if not self.should_exit:
            for one in self._endless:
                one.close()
        super().handle_exit(sig, frame)
