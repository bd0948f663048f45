"""How Grafana asks the platform: through the Infinity data source, by the data API, at the gate.

Grafana never reads the store. Names are those of the plugin `yesoreyeram-infinity-datasource`, query
type `json`, parser `backend`: its server part asks, so the key never reaches a browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

PLUGIN = "yesoreyeram-infinity-datasource"
SOURCE = "udp-plattform"
SOURCE_NAME = "Urbane Datenplattform"
KEY_HEADER = "X-Api-Key"
# Below these the key is sent, and nowhere else: the plugin compares the beginning of the whole address.
PATHS = ("/api/v1/", "/app/v1/")
HEALTH_PATH = "/api/v1/policy"

REFERENCE = {"type": PLUGIN, "uid": SOURCE}
FROM, TO = "${__from:date:iso}", "${__to:date:iso}"


class Kind(StrEnum):
    """How the plugin reads a cell."""

    TEXT = "string"
    NUMBER = "number"
    TIME = "timestamp"
    YES_NO = "boolean"


@dataclass(frozen=True, slots=True)
class Column:
    """A member of a row of the answer, and the German name of the column."""

    selector: str
    title: str
    kind: Kind = Kind.TEXT


@dataclass(frozen=True, slots=True)
class Question:
    """One address of the data API and the rows of its answer. `series`: rows become lines over time."""

    path: str
    rows: str
    columns: tuple[Column, ...]
    parameters: tuple[tuple[str, str], ...] = ()
    series: bool = False

    def __post_init__(self) -> None:
        if not self.path.startswith(PATHS):
            raise ValueError(f"{self.path} is not below {' or '.join(PATHS)}; the key would not be sent")

    def as_json(self, reference: str = "A") -> dict[str, Any]:
        """A query as the plugin keeps it."""
        return {
            "refId": reference,
            "datasource": dict(REFERENCE),
            "type": "json",
            "source": "url",
            "parser": "backend",
            "format": "timeseries" if self.series else "table",
            "url": self.path,
            "url_options": {
                "method": "GET",
                "data": "",
                "params": [{"key": key, "value": value} for key, value in self.parameters],
            },
            "root_selector": self.rows,
            "columns": [
                {"selector": one.selector, "text": one.title, "type": one.kind.value} for one in self.columns
            ],
            "filters": [],
        }


def data_source(platform: str, key: str, key_id: str) -> dict[str, Any]:
    """The data source as Grafana's API takes it; the key goes to its encrypted part.

    `key_id` is no secret: by it a second run knows whether the key that Grafana holds is this one."""
    return {
        "uid": SOURCE,
        "name": SOURCE_NAME,
        "type": PLUGIN,
        "access": "proxy",
        "url": platform,
        "isDefault": False,
        "basicAuth": False,
        "jsonData": settings(platform, key_id),
        "secureJsonData": {"apiKeyValue": key},
    }


def settings(platform: str, key_id: str) -> Mapping[str, Any]:
    """What of the data source is no secret."""
    return {
        "auth_method": "apiKey",
        "apiKeyType": "header",
        "apiKeyKey": KEY_HEADER,
        "allowedHosts": [f"{platform}{path}" for path in PATHS],
        "timeoutInSeconds": 30,
        "customHealthCheckEnabled": True,
        "customHealthCheckUrl": f"{platform}{HEALTH_PATH}",
        "udpKeyId": key_id,
    }


def columns(*named: tuple[str, str] | tuple[str, str, Kind]) -> tuple[Column, ...]:
    """Columns, shortly."""
    return tuple(Column(*one) for one in named)
