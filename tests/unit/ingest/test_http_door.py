"""The HTTP door over a real socket: what gets a 2xx is on disk, everything else says why not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from loopback import free_port

from edge.wire import cbor
from edge.wire.messages import Receipt
from edge.wire.settings import Secret
from ingest.committer import CommitSettings, Committer
from ingest.conditions import Conditions
from ingest.doors import Doors
from ingest.journal import Entry, JournalReader, JournalSettings, JournalWriter
from ingest.sources.http import AgentKey, HttpSettings, SourceKey
from udp.errors import ConfigurationError

from .conftest import NOW, envelope, uplink

AGENT = {"Authorization": "Bearer agent-token"}


class Door:
    def __init__(self, folder: Path, *, keep_free_bytes: int = 0) -> None:
        self.settings = HttpSettings(
            port=free_port(), retry_after=timedelta(seconds=7),
            agents=(AgentKey("crx-gw-1", Secret("agent-token")), AgentKey("crx-gw-2", Secret("other"))),
            chirpstack=(SourceKey("city", Secret("cs-key")),),
            things_stack=(SourceKey("buergernetz", Secret("tts-key")),),
        )  # fmt: skip
        self.journal = JournalSettings(directory=folder / "journal", keep_free_bytes=keep_free_bytes)
        self.committer = Committer(JournalWriter(self.journal, "w", lambda: NOW), CommitSettings())
        self.committer.start()
        self.doors = Doors(self.committer, Conditions("w"), "w", lambda: NOW)
        self.doors.open_http(self.settings)
        self.client = httpx2.Client(base_url=f"http://127.0.0.1:{self.settings.port}", timeout=20)

    def post(self, path: str, content: bytes = b"", headers: dict[str, str] | None = None) -> httpx2.Response:
        return self.client.post(path, content=content, headers=headers or {})

    def journalled(self) -> list[Entry]:
        reader = JournalReader(self.journal.directory, "w")
        return [entry for name in reader.names() for entry in reader.read(name, 0, 100)]

    def close(self) -> None:
        self.client.close()
        self.doors.close()
        self.committer.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.close()


def test_an_agent_gets_its_receipt_when_the_envelope_is_on_disk(door: Door) -> None:
    octets = envelope(uplink(1), uplink(2), sequence=7)
    answer = door.post("/edge/v1/crx-gw-1/up", octets, AGENT)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/cbor")
    assert cbor.decode_receipt(answer.content) == Receipt(b"spool-01", ((7, 8),))
    (entry,) = door.journalled()
    assert (entry.way, entry.origin, entry.octets) == ("edge", "/edge/v1/crx-gw-1/up", octets)


def test_network_servers_are_answered_when_their_event_is_on_disk(door: Door) -> None:
    headers = {"Authorization": "Bearer cs-key", "Content-Type": "application/octet-stream"}
    assert door.post("/chirpstack?event=up", b"\x0a\x00", headers).status_code == 204
    queued = b'{"downlink_queued": {}}'
    assert door.post("/things-stack/buergernetz", queued, {"X-Api-Key": "tts-key"}).status_code == 200
    assert [(one.way, one.origin, one.content_type) for one in door.journalled()] == [
        ("chirpstack", "/chirpstack?event=up", "application/octet-stream"),
        ("things_stack", "/things-stack/buergernetz", ""),
    ]


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/edge/v1/crx-gw-1/up", {}),
        ("/edge/v1/crx-gw-1/up", {"Authorization": "Bearer other"}),
        ("/edge/v1/crx-gw-9/up", AGENT),
        ("/edge/v1/crx-gw-1/up", {"Authorization": "Bearer"}),
        ("/chirpstack?event=up", AGENT),
        ("/things-stack/buergernetz", {"X-Api-Key": "cs-key"}),
        ("/things-stack/unknown", {"X-Api-Key": "tts-key"}),
    ],
)
def test_without_the_right_key_nothing_is_taken(door: Door, path: str, headers: dict[str, str]) -> None:
    answer = door.post(path, envelope(uplink()), headers)
    assert answer.status_code == 401
    assert "[[http." in answer.text
    assert door.journalled() == []


def test_what_is_no_envelope_is_refused_and_kept_for_the_quarantine(door: Door) -> None:
    answer = door.post("/edge/v1/crx-gw-1/up", b"\xff", AGENT)
    assert answer.status_code == 422
    assert "not CBOR" in answer.text
    foreign = door.post("/edge/v1/crx-gw-1/up", envelope(uplink(), agent="crx-gw-2"), AGENT)
    assert foreign.status_code == 422
    assert "crx-gw-2" in foreign.text
    assert len(door.journalled()) == 2


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(door: Door, chunked: bool) -> None:
    body = bytes(1_000_001)
    content = iter([body[:600_000], body[600_000:]]) if chunked else body
    answer = door.client.post("/edge/v1/crx-gw-1/up", content=content, headers=AGENT)
    assert answer.status_code == 413
    assert "1000000 bytes" in answer.text
    assert door.journalled() == []


def test_other_paths_and_methods(door: Door) -> None:
    assert door.post("/nowhere").status_code == 404
    assert door.client.get("/edge/v1/crx-gw-1/up", headers=AGENT).status_code == 405
    assert door.client.get("/health").text == "ok\n"


def test_a_request_whose_end_can_be_read_in_two_ways_is_refused(door: Door) -> None:
    hidden = b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
    both = b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    answer = b""
    with socket.create_connection(("127.0.0.1", door.settings.port), 20) as line:
        line.sendall(b"POST /edge/v1/crx-gw-1/up HTTP/1.1\r\nHost: x\r\n" + both + hidden)
        while part := line.recv(65_536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 400 ") and answer.count(b"HTTP/1.1 ") == 1


def test_a_full_disk_answers_503_and_when_to_come_again(tmp_path: Path) -> None:
    door = Door(tmp_path, keep_free_bytes=2**62)
    answer = door.post("/edge/v1/crx-gw-1/up", envelope(uplink()), AGENT)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "7")
    assert "keep_free_bytes" in answer.text
    assert door.client.get("/health").status_code == 503
    door.close()


def test_a_taken_port_is_named(door: Door) -> None:
    doors = Doors(door.committer, Conditions("w"), "w", lambda: NOW)
    with pytest.raises(ConfigurationError, match=rf"{door.settings.port}.*UDP_INGEST_PORT"):
        doors.open_http(door.settings)
