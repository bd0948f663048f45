"""What a session asks of the house it belongs to: the listener knows its sessions, they know only this."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from udp.api.desk import Desk
from udp.api.sensorthings.mqtt.figures import Figures
from udp.api.sensorthings.mqtt.settings import MqttSettings
from udp.api.sensorthings.mqtt.telling import Subscription
from udp.api.sensorthings.mqtt.topics import Wish
from udp.api.sensorthings.routes import SensorThings
from udp.policy import Caller

T = TypeVar("T")


class House(Protocol):
    """Shared by all sessions of one event loop."""

    desk: Desk
    room: SensorThings
    settings: MqttSettings
    figures: Figures

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """In a thread; few of them, so that MQTT leaves some to HTTP."""

    def subscribed(self) -> None:
        """Somebody has subscribed."""

    async def subscription(self, wanted: Wish, qos: int, who: Caller) -> Subscription:
        """See Feed."""
