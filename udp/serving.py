"""`udp run`: put the data API together from its parts and serve it until told to stop."""

from __future__ import annotations

import argparse
import logging
from contextlib import closing
from types import FrameType

import uvicorn

from udp import citizen_commands
from udp.access.porter import open_porter
from udp.api.app import create_app
from udp.api.connections import Patience, patient
from udp.api.desk import Ports, Writable, utc_now
from udp.api.late_store import LateStore
from udp.auth import SqlKeys
from udp.config import ServerSettings, Settings
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


def serve(config: Settings, _given: argparse.Namespace) -> int:
    """Serve until told to stop."""
    with (
        closing(SqlRegistry(config.registry.address())) as registry,
        closing(SqlLedger(config.ledger.address())) as ledger,
        closing(SqlForecasts(config.forecasts_address())) as forecasts,
        closing(LateStore(lambda: open_store(config.store, utc_now, read_only=True))) as store,
        closing(LateStore(lambda: open_store(config.store, utc_now))) as appending,
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
                writing=Writable(registry.database, appending),
                porter=porter,
                events=events,
                sheets=DeviceSheets(registry.database),
                silent_after=watch.silent_after,
                forecasts=forecasts,
                warnings=SqlWarnings(registry.database),
                opendata=config.opendata,
                mqtt=config.sensorthings_mqtt,
                public_url=config.opendata.public_url or f"http://localhost:{config.server.port}",
                citizens=citizen_commands.open_office(config, registry),
            )
        )
        server = _Server(
            uvicorn.Config(
                app,
                host=config.server.host,
                port=config.server.port,
                log_config=None,
                http=patient(_patience(config.server)),
                # Its access log would write keys that stand in addresses.
                access_log=False,
                server_header=False,
                proxy_headers=bool(config.server.proxy),
                forwarded_allow_ips=config.server.proxy or None,
                # Longer than programs wait between two rounds, so that they keep their connection.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=5,
                # MQTT for browsers: nothing that unpacks to more than it is.
                ws="wsproto",
                ws_max_size=config.sensorthings_mqtt.most_packet * 2,
                ws_per_message_deflate=False,
            )
        )
        _LOG.info("API and pages at http://%s:%d/", config.server.host, config.server.port)
        with watching(watch):
            server.run()
    return 0 if server.started else 1


def _patience(server: ServerSettings) -> Patience:
    return Patience(server.head_s, server.body_s, server.connections, server.per_address, server.proxy)


class _Server(uvicorn.Server):
    """Ends the endless answers first: listeners would keep a stopping server alive."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called in the main thread, between two steps of its event loop."""
        application = self.config.app
        if not self.should_exit and hasattr(application, "state"):
            application.state.feed.close()
            application.state.event_feed.close()
        super().handle_exit(sig, frame)
