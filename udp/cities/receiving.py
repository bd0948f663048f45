"""How callers are received: at a port by one city or the door of several, at a socket file behind it."""

from __future__ import annotations

from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

from udp.api.connections import Patience, patient
from udp.cities.behind import Behind
from udp.config import ServerSettings, Settings


def uvicorn_settings(
    app: ASGIApp, config: Settings, behind: Path | None = None, *, is_door: bool = False
) -> uvicorn.Config:
    """`behind`: the socket file, where callers are who the door says. `is_door`: nothing of `app` must be
    started, and answers have a date already."""
    server = config.server
    return uvicorn.Config(
        app if behind is None else Behind(app),
        host=server.host,
        port=server.port,
        uds=None if behind is None else str(behind),
        log_config=None,
        # The door has a line to a city behind each.
        http=patient(_patience(server), 2 if is_door else 1),
        # Its access log would write keys that stand in addresses.
        access_log=False,
        server_header=False,
        date_header=not is_door,
        lifespan="off" if is_door else "auto",
        proxy_headers=bool(server.proxy) and behind is None,
        forwarded_allow_ips=server.proxy or None,
        # Longer than programs wait between two rounds, so that they keep their connection.
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
        # MQTT for browsers: nothing that unpacks to more than it is.
        ws="wsproto",
        ws_max_size=config.sensorthings_mqtt.most_packet * 2,
        ws_per_message_deflate=False,
    )


def _patience(server: ServerSettings) -> Patience:
    return Patience(server.head_s, server.body_s, server.connections, server.per_address, server.proxy)
