"""Everything ingest and the ledger count has German words on the page, also what is counted one day."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ingest
import udp.ledger
from dashboards.operator.counters import in_german
from edge.wire.messages import CommandState
from ingest import mapping
from ingest.sources import chirpstack, mqtt, things_stack

SOURCES = [
    path.read_text(encoding="utf-8")
    for package in (ingest, udp.ledger)
    for path in Path(next(iter(package.__path__))).rglob("*.py")
]
COUNTED = (
    r'counters\["(\w+)"\]',
    r'\.figure\("(\w+)"',
    r'^\s+"(journal_backlog_\w+)":',
    r'^OCTETS = "(\w+)"',
)
TOPICS = ("udp/v1/a/up", "application/a/device/b/event/up", "v3/a/devices/b/up", "elsewhere")
PLAIN = {name for text in SOURCES for shape in COUNTED for name in re.findall(shape, text, re.MULTILINE)}
WAYS = {mapping.WAY, things_stack.WAY, *(mqtt.way_of(topic) for topic in TOPICS)}
EVENTS = {
    *(f"chirpstack_{kind}" for kind in chirpstack._KINDS if kind not in chirpstack._READERS),
    *(f"chirpstack_log_{level}" for level in (*chirpstack._LEVELS, "other")),
    *(f"things_stack_{kind}" for kind in things_stack._OTHER),
    *(f"edge_command_{state.value}" for state in CommandState),
}


def test_the_sources_are_read() -> None:
    assert {
        "observations",
        "quarantined",
        "receive_queue_mb",
        "journal_backlog_bytes",
        "quarantine_octets",
    } <= PLAIN
    assert len(WAYS) == 5


@pytest.mark.parametrize(
    "name",
    sorted(PLAIN | EVENTS | {f"{what}_{way}" for what in ("deliveries", "messages") for way in WAYS}),
)
def test_a_counter_has_german_words(name: str) -> None:
    assert in_german(name) != name, "give it German words in dashboards/operator/counters.py"
    assert "_" not in in_german(name)


def test_what_nobody_has_translated_keeps_its_name() -> None:
    assert in_german("edge_something_new") == "edge_something_new"
