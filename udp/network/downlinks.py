"""The queue of ChirpStack as the platform's DownlinkQueue."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from chirpstack_api import api

from edge.wire.identifiers import DevEUI
from udp.network.connection import Connection
from udp.network.port import Downlink, QueuedDownlink


class ChirpStackQueue:
    """`DownlinkQueue` (udp.network.port) of the devices in ChirpStack."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def enqueue(self, downlink: Downlink, *, replace: bool = False) -> str:
        """See the port."""
        item = api.DeviceQueueItem(
            dev_eui=downlink.dev_eui.hex(),
            f_port=downlink.f_port,
            data=downlink.payload,
            confirmed=downlink.confirmed,
        )
        if downlink.expires_at is not None:
            item.expires_at.FromDatetime(downlink.expires_at.astimezone(UTC))
        request = api.EnqueueDeviceQueueItemRequest(queue_item=item, flush_queue=replace)
        what = f"Auftrag an Gerät {downlink.dev_eui}"
        return str(self._connection.call_once(self._connection.devices.Enqueue, request, what).id)

    def flush(self, dev_eui: DevEUI) -> None:
        """See the port."""
        request = api.FlushDeviceQueueRequest(dev_eui=dev_eui.hex())
        what = f"Warteschlange von {dev_eui} leeren"
        self._connection.call(self._connection.devices.FlushQueue, request, what)

    def waiting(self, dev_eui: DevEUI) -> tuple[QueuedDownlink, ...]:
        """See the port."""
        request = api.GetDeviceQueueItemsRequest(dev_eui=dev_eui.hex())
        what = f"Warteschlange von {dev_eui} lesen"
        answer = self._connection.call(self._connection.devices.GetQueue, request, what)
        return tuple(_queued(item) for item in answer.result)


def _queued(item: Any) -> QueuedDownlink:
    return QueuedDownlink(
        id=item.id,
        f_port=item.f_port,
        payload=bytes(item.data),
        confirmed=item.confirmed,
        expires_at=item.expires_at.ToDatetime(UTC) if item.HasField("expires_at") else None,
        pending=item.is_pending,
        f_cnt_down=item.f_cnt_down if item.is_pending else None,
    )
