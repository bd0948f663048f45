"""The landing page and what it may promise: only what the tests of this room hold us to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from udp.api.sensorthings.model import SETS

_ROOT = "http://www.opengis.net/spec/iot_sensing/1.1/req/"
CLASSES = tuple(
    _ROOT + one
    for one in (
        "datamodel",
        "resource-path/resource-path-to-entities",
        "request-data/order",
        "request-data/expand",
        "request-data/select",
        "request-data/status-code",
        "request-data/query-status-code",
        "request-data/orderby",
        "request-data/top",
        "request-data/skip",
        "request-data/count",
        "request-data/filter",
        "request-data/built-in-filter-operations",
        "request-data/built-in-query-functions",
        "request-data/pagination",
    )
)
WRITING = tuple(
    _ROOT + one
    for one in (
        "create-update-delete/create-entity",
        "create-update-delete/link-to-existing-entities",
        "create-update-delete/deep-insert",
        "create-update-delete/deep-insert-status-code",
        "create-update-delete/update-entity",
        "create-update-delete/update-entity-put",
        "create-update-delete/update-entity-jsonpatch",
        "create-update-delete/delete-entity",
        "create-update-delete/historical-location-auto-creation",
        "create-update-delete/historical-location-manual-creation",
        "data-array/data-array",
    )
)
RECEIVING = _ROOT + "receive-updates-via-mqtt/receive-updates"
CREATING = _ROOT + "create-observations-via-mqtt/observations-creation"


def landing(root: str, *, writable: bool, mqtt: Sequence[str]) -> dict[str, Any]:
    """`root` ends in /v1.1. `writable`: whether this instance takes writes at all. `mqtt`: addresses."""
    by_mqtt = [RECEIVING, CREATING] if writable else [RECEIVING]
    classes = [*CLASSES, *(WRITING if writable else ()), *by_mqtt]
    return {
        "value": [{"name": name, "url": f"{root}/{name}"} for name in SETS],
        "serverSettings": {
            "conformance": classes, **{one: {"endpoints": list(mqtt)} for one in by_mqtt},
        },
    }  # fmt: skip
