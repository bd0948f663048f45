"""A foreign platform over a real socket: history page by page, the present on time, and nowhere else."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
from loopback import free_port

from edge.wire.settings import Secret
from ingest.committer import CommitSettings, Committer
from ingest.conditions import Conditions
from ingest.decode import PayloadDecoder
from ingest.deduplicate import Deduplicator
from ingest.doors import Doors
from ingest.foreign import preview
from ingest.journal import Entry, JournalReader, JournalSettings, JournalWriter
from ingest.mapping import ForeignMapping, MappingFile, PullRule, SensorName, ValueRule
from ingest.normalise import Bindings
from ingest.pipeline import Pipeline
from ingest.puller import Puller, PullFailed
from ingest.quality import QualityMemory, QualitySettings
from ingest.sources.http import HttpSettings, SourceKey
from udp.errors import ConfigurationError
from udp.ledger.sql import SqlLedger
from udp.registry.port import Channel, Inventory, WiredSensor
from udp.sensorthings import Access, Datastream, Location, ObservedProperty, Thing, Unit
from udp.store.columns import Period
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.opening import StoreSettings, open_store

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECRET = "cloud-token"


class Cloud:
    """A maker's platform: hourly values, two per page, behind a token; it can fail and lead astray."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: tuple[int, dict[str, str], bytes] | None = None
        cloud = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                cloud.asked.append(self.path)
                status, headers, body = cloud.answer or cloud.page(self.path, self.headers.get("X-Token", ""))
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def page(self, path: str, token: str) -> tuple[int, dict[str, str], bytes]:
        if token != SECRET:
            return 401, {}, b"{}"
        query = parse_qs(urlsplit(path).query)
        start, end = (datetime.fromisoformat(query[name][0]) for name in ("from", "to"))
        first = start.replace(minute=0, second=0, microsecond=0)
        hours = [at for n in range(200) if start <= (at := first + timedelta(hours=n)) < end]
        skip = int(query.get("skip", ["0"])[0])
        body: dict[str, Any] = {
            "data": [{"id": 7, "at": at.isoformat(), "fill": str(at.hour)} for at in hours[skip : skip + 2]]
        }
        if skip + 2 < len(hours):
            body["next"] = f"{path.split('&skip', maxsplit=1)[0]}&skip={skip + 2}"
        return 200, {}, json.dumps(body).encode()


class Platform:
    def __init__(self, folder: Path, url: str) -> None:
        pull = PullRule(
            f"{url}/values?sensor={{sensor}}&from={{from}}&to={{to}}", since="2026-11-21T00:00:00Z",
            step=timedelta(hours=6), overlap=timedelta(hours=1), next="$.next", pause=timedelta(0),
        )  # fmt: skip
        self.file = MappingFile(
            "cloud", "$.at", (ValueRule("$.fill", "fill", "%"),), "$.data[*]", "$.id",
            sensors=(SensorName("7", "tank"),), pull=pull,
        )  # fmt: skip
        self.mapping = ForeignMapping(self.file)
        self.state = folder / "cloud.pull.json"
        journal = JournalSettings(directory=folder / "journal", keep_free_bytes=0)
        self.committer = Committer(JournalWriter(journal, "w", lambda: NOW), CommitSettings())
        self.committer.start()
        self.reader = JournalReader(journal.directory, "w")
        self.ledger = SqlLedger(f"sqlite:///{folder}/ledger.sqlite")
        self.store = open_store(
            StoreSettings(embedded=EmbeddedSettings(folder=folder / "store")), lambda: NOW
        )
        self.inventory = inventory("%")

    def puller(self, now: datetime = NOW, **changes: Any) -> Puller:
        assert self.file.pull is not None
        file = replace(self.file, pull=replace(self.file.pull, **changes))
        header = ("X-Token", Secret(SECRET))
        return Puller(ForeignMapping(file), header, self.committer, self.state, lambda: now)

    def settle(self) -> None:
        pipeline = Pipeline(
            store=self.store, ledger=self.ledger, bindings=Bindings(self.inventory), keyring=None,  # type: ignore[arg-type]
            decoder=PayloadDecoder(lambda name: None),  # type: ignore[arg-type,return-value]
            deduplicator=Deduplicator(self.ledger), memory=QualityMemory(lambda streams: {}),
            quality=QualitySettings(), foreign={"cloud": self.mapping},
        )  # fmt: skip
        for name in self.reader.names():
            while entries := self.reader.read(name, self.ledger.cursor(name), 100):
                pipeline.handle(name, entries)

    def journalled(self) -> list[Entry]:
        return [one for name in self.reader.names() for one in self.reader.read(name, 0, 1000)]

    def values(self) -> list[float]:
        whole = Period(NOW - timedelta(days=30), NOW + timedelta(days=1))
        return self.store.read([5], whole).result.tolist()

    def close(self) -> None:
        self.committer.close()
        self.reader.close()
        self.store.close()
        self.ledger.close()


def inventory(symbol: str) -> Inventory:
    thing = Thing("tank", "Tank", "tank", "netz", Location(51.5, 7.3, "x", "X"), simulated=False)
    stream = Datastream(
        5, "fill", "Füllstand", "tank", "Cloud", ObservedProperty("fill_level", "Füllstand", "x"),
        Unit(symbol, symbol), Access.OPEN, None, "dl-de/zero-2-0", 3600.0,
    )  # fmt: skip
    wired = {("cloud", "tank"): WiredSensor("cloud", "tank", "tank", (Channel(5, "fill"),))}
    return Inventory(1, {"tank": thing}, {5: stream}, {}, wired)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    made = Cloud()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def platform(tmp_path: Path, cloud: Cloud) -> Iterator[Platform]:
    made = Platform(tmp_path, cloud.url)
    yield made
    made.close()


def test_history_comes_page_by_page_and_once_more_changes_nothing(platform: Platform, cloud: Cloud) -> None:
    platform.puller().round(threading.Event())
    platform.settle()
    first = platform.values()
    assert first == [23.0, *map(float, range(12))]  # one hour of overlap before the beginning
    asked = len(cloud.asked)
    platform.puller(NOW + timedelta(hours=1)).round(threading.Event())
    assert len(cloud.asked) - asked <= 2  # from where it had come to, not from the beginning
    platform.state.unlink()
    platform.puller(NOW + timedelta(hours=1)).round(threading.Event())
    platform.settle()
    assert platform.values() == [*first, 12.0]


def test_webhook_and_pull_bring_one_value(platform: Platform, tmp_path: Path) -> None:
    port = free_port()
    doors = Doors(platform.committer, Conditions("w"), "w", lambda: NOW)
    doors.open_http(HttpSettings(port=port), [SourceKey("cloud", Secret("hook"))])
    body = {"data": [{"id": 7, "at": "2026-11-21T10:00:00Z", "fill": 10}, {"id": 8, "at": "x", "fill": 1}]}
    address = f"http://127.0.0.1:{port}/webhook"
    assert httpx2.post(f"{address}/cloud", json=body).status_code == 401
    assert httpx2.post(f"{address}/other", json=body, headers={"X-Api-Key": "hook"}).status_code == 401
    assert httpx2.post(f"{address}/cloud", json=body, headers={"X-Api-Key": "hook"}).status_code == 204
    platform.puller().round(threading.Event())
    platform.settle()
    doors.close()
    assert platform.values().count(10.0) == 1
    (aside,) = platform.ledger.quarantined(10)
    assert json.loads(aside.octets)["id"] == 8
    assert "[[sensors]]" in aside.reason


def test_another_unit_than_the_register_s_is_refused(platform: Platform) -> None:
    platform.inventory = inventory("cm")
    platform.puller().round(threading.Event())
    platform.settle()
    assert platform.values() == []
    assert "is in %, its Datastream 5 in cm" in platform.ledger.quarantined(1)[0].reason
    sample = b'{"data": [{"id": 7, "at": "2026-11-21T10:00:00Z", "fill": 10}, {"id": 7}]}'
    lines, problems = preview(platform.mapping, sample, Bindings(inventory("%")), NOW)
    assert problems == 1
    assert lines[0].endswith("fill = 10 %  -> Datastream 5")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), "302"),
        ((500, {}, b""), "500"),
        ((200, {}, b'{"data": [], "next": "http://169.254.169.254/latest"}'), "another host"),
        ((200, {}, b'{"data": [], "next": "//other.test/x"}'), "another host"),
        ((200, {}, b"x" * 2_000), "1000 bytes"),
    ],
)
def test_it_asks_nobody_else_and_takes_no_more_than_agreed(
    platform: Platform, cloud: Cloud, answer: tuple[int, dict[str, str], bytes], words: str
) -> None:
    cloud.answer = answer
    with pytest.raises(PullFailed, match=words) as failed:
        platform.puller(max_bytes=1_000).round(threading.Event())
    assert SECRET not in str(failed.value)
    assert len(cloud.asked) == 1


def test_only_this_machine_may_be_asked_without_encryption(platform: Platform) -> None:
    with pytest.raises(ConfigurationError, match="https"):
        platform.puller(url="http://cloud.test/?from={from}&to={to}")
    with pytest.raises(ValueError, match="both"):
        PullRule("https://cloud.test/?from={from}")


def test_a_disk_that_does_not_take_how_far_it_came_stops_no_door(platform: Platform, tmp_path: Path) -> None:
    platform.state = tmp_path / "not-there" / "pull.json"
    with pytest.raises(PullFailed, match="cannot be written"):
        platform.puller(NOW).round(threading.Event())
