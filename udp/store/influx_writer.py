"""Writes by the official InfluxDB client to /api/v2/write, for every server that speaks it."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import urllib3
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from udp.errors import StoreUnavailable
from udp.store.web import refusal


class InfluxWriter:
    """One client and its connection pool; no driver error leaves it."""

    def __init__(self, url: str, *, name: str, token: str, org: str, bucket: str, timeout: timedelta) -> None:
        self._name = f"{name} at {url}"
        self._bucket = bucket
        self._org = org
        milliseconds = timeout // timedelta(milliseconds=1)
        # The client's own annotations are incomplete; nothing of it is visible outside this class.
        self._client: Any = InfluxDBClient(
            url.rstrip("/"), token, org=org, timeout=milliseconds, enable_gzip=True
        )
        self._write: Any = self._client.write_api(write_options=SYNCHRONOUS)
        self._lock = threading.Lock()
        self._closed = False

    def give(self, body: bytes) -> None:
        """Send lines; returns when the server has confirmed them."""
        with self._lock:
            if self._closed:
                raise StoreUnavailable(f"{self._name}: the store was closed")
        try:
            self._write.write(self._bucket, self._org, body, write_precision=WritePrecision.NS)
        except ApiException as error:
            said = str(error.body or error.reason or "")[:300].strip()
            raise refusal(self._name, int(error.status or 503), said) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise StoreUnavailable(f"{self._name} did not answer: {error}; is it running?") from error

    def close(self) -> None:
        """Release connections; a second call does nothing."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._write.close()
        self._client.close()
