"""How the server adapters speak and fail: exact lines, and every failure in the platform's words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from loopback import free_port

from edge.wire.settings import Secret, SettingsError, load
from udp.errors import StoreRejected, StoreUnavailable
from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Function, Observations, Period
from udp.store.embedded.store import EmbeddedStore
from udp.store.line_protocol import bodies
from udp.store.opening import StoreSettings, maintain, open_store
from udp.store.server_settings import InfluxDBSettings, VictoriaMetricsSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAY = Period(NOW, NOW + timedelta(days=1))
ONE = Observations.build(7, [1_767_225_600_123_456], 1.5, result_time=1_767_225_601_000_000)


class Answer(BaseHTTPRequestHandler):
    """A server that answers everything the same way and remembers what it heard.

    `asked`: it answers questions with nothing found, and only writes as said.
    """

    asked: ClassVar[bool] = False
    nothing: ClassVar[dict[str, bytes]] = {
        "/query": b"{}", "/api/v1/query": b'{"data": {"result": []}}', "/api/v1/export": b"",
    }  # fmt: skip
    failing: ClassVar[str] = ""
    """The path it answers with an error of its own."""

    status: ClassVar[int] = 204
    body: ClassVar[bytes] = b""
    heard: ClassVar[list[tuple[str, bytes, str]]] = []
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self.heard.append((self.path, content, self.headers.get("Authorization", "")))
        nothing = self.nothing.get(
            self.path[self.path.find("/api/v1") :] if "/api/v1" in self.path else self.path
        )
        status, body = (self.status, self.body) if nothing is None or not self.asked else (200, nothing)
        status = 500 if self.path == self.failing else status
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if status != 204:
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Silence."""


@pytest.fixture
def answer() -> Iterator[type[Answer]]:
    """Its `url` is where it listens; set `status` and `body`."""

    class Own(Answer):
        heard: ClassVar[list[tuple[str, bytes, str]]] = []

    with ThreadingHTTPServer(("127.0.0.1", 0), Own) as server:
        Own.url = f"http://127.0.0.1:{server.server_port}"  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield Own
        server.shutdown()
        thread.join()


def settings_for(kind: str, url: str) -> StoreSettings:
    if kind == "victoriametrics":
        return StoreSettings(kind, victoriametrics=VictoriaMetricsSettings(url, timeout=timedelta(seconds=1)))
    write_api = "v1" if kind == "influxdb v1" else "v2"
    influxdb = InfluxDBSettings(url, write_api=write_api, timeout=timedelta(seconds=1))
    return StoreSettings("influxdb", influxdb=influxdb)


KINDS = pytest.mark.parametrize("kind", ["influxdb v1", "influxdb v2", "victoriametrics"])


def test_lines_are_what_the_protocol_says() -> None:
    batch = Observations.build(
        7, [1_767_225_600_123_456] * 3, [1.5, -0.1, 1e-9], result_time=1_767_225_601_000_000,
        lead=[0, 3600, 0], quality=[Quality.GOOD, Quality.UNCHECKED, Quality.BAD],
        rule=[QualityRule.PASSED, QualityRule.NONE, QualityRule.CLOCK], revision=[0, 0, 2],
    )  # fmt: skip
    time = "result_time=1767225601000000i 1767225600123456000"
    assert b"".join(bodies("observation", batch)).decode().split("\n") == [
        f"observation,datastream=7 result=1.5,quality=1i,rule=1i,{time}",
        f"observation,datastream=7,lead=3600 result=-0.1,quality=0i,rule=0i,{time}",
        f"observation,datastream=7,revision=2,bad=1,doubted=1 result=1e-09,quality=3i,rule=6i,{time}",
    ]


def test_a_large_batch_is_cut_into_bodies() -> None:
    many = Observations.build(np.arange(120_001), 1_767_225_600_000_000, 1.0)
    counts = [body.count(b"\n") + 1 for body in bodies("observation", many)]
    assert counts == [50_000, 50_000, 20_001]


@KINDS
def test_a_server_that_is_down_is_named_by_every_call(kind: str) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    store = open_store(settings_for(kind, url), lambda: NOW)
    calls: list[Callable[[], object]] = [
        lambda: store.append(ONE),
        lambda: store.read([7], DAY),
        store.latest,
        lambda: store.aggregate([7], DAY, timedelta(hours=1), [Function.MEAN]),
    ]
    for call in calls:
        with pytest.raises(StoreUnavailable, match=rf"{url} did not answer.*is it running"):
            call()
    store.close()


@KINDS
@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (400, StoreRejected, "refused the content"),
        (401, StoreUnavailable, "correct token"),
        (404, StoreUnavailable, "correct url or write_api"),
        (413, StoreRejected, "refused the content"),
        (500, StoreUnavailable, "repeat later"),
        (503, StoreUnavailable, "repeat later"),
    ],
)
def test_a_refusal_says_what_to_do(
    kind: str, status: int, error: type[Exception], words: str, answer: type[Answer]
) -> None:
    answer.status, answer.body, answer.asked = status, b"said the server", True
    store = open_store(settings_for(kind, answer.url), lambda: NOW)  # type: ignore[attr-defined]
    with pytest.raises(error, match=words) as caught:
        store.append(ONE)
    assert "said the server" in str(caught.value)
    store.close()


@KINDS
def test_an_answer_that_is_no_json_is_an_error_of_the_store(kind: str, answer: type[Answer]) -> None:
    answer.status, answer.body = 200, b"<html>a proxy's page</html>"
    store = open_store(settings_for(kind, answer.url), lambda: NOW)  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable, match="no JSON"):
        store.read([7], DAY)
    store.close()


def test_version_2_writes_go_to_the_bucket_with_the_token(answer: type[Answer], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("top-secret\n")
    (tmp_path / "config.toml").write_text(
        f'kind = "influxdb"\n[influxdb]\nurl = "{answer.url}"\ndatabase = "stadt"\norg = "city"\n'  # type: ignore[attr-defined]
        f'token = {{ file = "{tmp_path / "token"}" }}\n'
    )
    store = open_store(load(StoreSettings, tmp_path / "config.toml"), lambda: NOW)
    answer.asked = True
    store.append(ONE)
    path, _, authorization = answer.heard[-1]
    assert path.startswith("/api/v2/write?")
    assert {"bucket=stadt", "org=city", "precision=ns"} <= set(path.partition("?")[2].split("&"))
    assert authorization == "Token top-secret"
    store.close()


def test_an_append_that_cannot_be_brought_to_disk_is_not_confirmed(answer: type[Answer]) -> None:
    answer.status, answer.body, answer.asked = 200, b'{"status": "error", "msg": "no space"}', True
    store = open_store(settings_for("victoriametrics", answer.url), lambda: NOW)  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable, match=r"no snapshot.*no space"):
        store.append(ONE)
    store.close()


@pytest.mark.parametrize("still_there", [True, False])
def test_a_snapshot_that_was_not_deleted_is_neither_an_outage_nor_left_for_ever(
    answer: type[Answer], *, still_there: bool
) -> None:
    listed = '["20260101-1"]' if still_there else "[]"
    answer.status, answer.asked = 200, True
    answer.body = b'{"status": "ok", "snapshot": "20260101-1", "snapshots": %s}' % listed.encode()
    answer.failing = "/snapshot/delete"
    store = open_store(settings_for("victoriametrics", answer.url), lambda: NOW)  # type: ignore[attr-defined]
    store.append(ONE)  # the values are on disk
    if still_there:
        with pytest.raises(StoreUnavailable):
            store.append(ONE)  # no second one beside it
        assert [path for path, _, _ in answer.heard].count("/snapshot/create") == 1
    answer.failing = ""
    answer.heard.clear()
    store.append(ONE)
    store.close()
    assert [path for path, _, _ in answer.heard if path.startswith("/snapshot")] == [
        "/snapshot/list",
        *(["/snapshot/delete"] if still_there else []),
        "/snapshot/create",
        "/snapshot/delete",
    ]


def test_every_storage_of_a_cluster_is_asked_with_its_key(answer: type[Answer]) -> None:
    answer.status, answer.body, answer.asked = 200, b'{"status": "ok", "snapshot": "20260101-1"}', True
    url = answer.url  # type: ignore[attr-defined]
    settings = VictoriaMetricsSettings(
        f"{url}/select/0/prometheus", f"{url}/insert/0/influx", storage_urls=(f"{url}/a", f"{url}/b"),
        snapshot_key=Secret("open sesame"),
    )  # fmt: skip
    store = open_store(StoreSettings("victoriametrics", victoriametrics=settings), lambda: NOW)
    store.append(ONE)
    store.close()
    heard = [one for one in answer.heard if "/select/" not in one[0]]
    assert [path.partition("?")[0] for path, _, _ in heard] == [
        "/insert/0/influx/api/v2/write",
        "/a/snapshot/create", "/a/snapshot/delete", "/b/snapshot/create", "/b/snapshot/delete",
    ]  # fmt: skip
    assert heard[2][1] == b"snapshot=20260101-1&authKey=open+sesame"


def test_an_empty_batch_asks_no_server(answer: type[Answer]) -> None:
    for kind in ("influxdb v1", "influxdb v2", "victoriametrics"):
        store = open_store(settings_for(kind, answer.url), lambda: NOW)  # type: ignore[attr-defined]
        store.append(Observations.empty())
        store.close()
    assert answer.heard == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('kind = "oracle"', "known are embedded, influxdb, victoriametrics"),
        ('[influxdb]\nurl = "localhost:8086"', "write http://host:port"),
        ('[influxdb]\nwrite_api = "v9"', '"v2", or "v1"'),
        ('[victoriametrics]\nmeasurement = "a b"', "letters, digits and underscores"),
        ("[embedded]\nkeep_open = -1", "keep_open"),
        ('[victoriametrics]\nwrite_url = "http://vminsert:8480/insert/0/influx"', "name every vmstorage"),
    ],
)
def test_a_wrong_setting_is_named_with_its_remedy(content: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(content)
    with pytest.raises(SettingsError, match=words):
        load(StoreSettings, tmp_path / "config.toml")


def test_the_embedded_store_is_the_default_and_keeps_its_house(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'[embedded]\nfolder = "{tmp_path / "store"}"\nkeep_open = 3600')
    store = open_store(load(StoreSettings, tmp_path / "config.toml"), lambda: NOW)
    assert isinstance(store, EmbeddedStore)
    assert not maintain(store, NOW)
    store.close()


def test_a_bucket_needs_a_length_and_as_of_a_zone(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text(f'[embedded]\nfolder = "{tmp_path / "store"}"')
    store = open_store(load(StoreSettings, tmp_path / "config.toml"), lambda: NOW)
    with pytest.raises(ValueError, match="has no length"):
        store.aggregate([7], DAY, timedelta(0), [Function.MEAN])
    with pytest.raises(ValueError, match="timezone-aware"):
        store.read([7], DAY, as_of=datetime(2026, 1, 1))  # noqa: DTZ001 - the mistake is the test
    store.close()
