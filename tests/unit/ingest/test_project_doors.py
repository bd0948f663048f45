"""A citizen's webhook over a real socket: every wrong turn has its answer, and a line to be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from udp.sensorthings import QualityRule

from .village import MINE, NEIGHBOURS, PER_MINUTE, Village, drain, eventually, ttn_uplink


@pytest.fixture
def village(tmp_path: Path) -> Iterator[Village]:
    made = Village(tmp_path)
    yield made
    made.close()


def test_a_packet_becomes_values_that_say_whose_they_are(village: Village) -> None:
    assert village.post(ttn_uplink(1), village.key()).status_code == 200
    village.settle()
    assert village.values() == [21.5, 48.0]
    assert set(village.store.latest().rule.tolist()) == {QualityRule.CITIZEN}
    (packet,) = village.ledger.packets(village.project.slug, 10)
    assert (packet.outcome.value, packet.dev_eui, packet.f_cnt) == ("stored", str(MINE), 1)
    assert {(one.field, one.said, one.result) for one in packet.values} == {
        ("temperatur", "21.5", 21.5),
        ("luft.feuchte", "48", 48.0),
    }


def test_wrong_key_wrong_size_wrong_json_replay_and_ten_times_the_rate(village: Village) -> None:
    key = village.key()
    assert village.post(ttn_uplink(1), "ttn_guessed").status_code == 401
    assert village.post(ttn_uplink(1), "").status_code == 401
    assert village.post(b" " * 64_001, key).status_code == 413
    assert village.post(b"{not json", key).status_code == 422
    assert village.post({"uplink_message": {"f_cnt": -1}}, key).status_code == 422
    again = ttn_uplink(7)
    assert [village.post(again, key).status_code for _ in range(2)] == [200, 200]
    answers = [village.post(ttn_uplink(100 + count), key) for count in range(10 * PER_MINUTE)]
    refused = [one for one in answers if one.status_code == 429]
    # No more than fit in a minute at once.
    assert len(answers) - len(refused) <= PER_MINUTE
    assert len(refused) >= 9 * PER_MINUTE
    assert all(1 <= int(one.headers["retry-after"]) <= 60 for one in refused)
    village.settle()
    counts = village.counted()
    slug = village.project.slug
    assert counts[slug, "wrong_key"] == 2
    assert counts[slug, "too_large"] == 1
    assert counts[slug, "not_readable"] == 2
    assert counts[slug, "duplicate"] == 1
    assert counts[slug, "too_often"] == len(refused)
    assert counts[slug, "stored"] == 1 + len(answers) - len(refused)
    assert {len(village.ledger.packets(slug, 100))} == {20}
    readings = village.store.latest()
    assert len(readings) == 2


def test_what_nobody_could_read_is_kept_with_its_bytes(village: Village) -> None:
    village.post(b"{not json", village.key())
    village.settle()
    (entry,) = village.ledger.quarantined(10)
    assert (entry.octets, entry.origin) == (b"{not json", f"/things-stack/{village.project.slug}")


def test_a_project_speaks_for_its_own_devices_only(village: Village) -> None:
    other = village.approved(NEIGHBOURS)
    assert village.post(ttn_uplink(1, dev_eui=NEIGHBOURS), village.key()).status_code == 200
    village.settle()
    assert village.values() == []
    assert village.outcomes() == ["set_aside"]
    assert village.outcomes(other.slug) == []
    # Nor is the neighbour's own packet of that number taken for a repetition afterwards.
    village.post(ttn_uplink(1, dev_eui=NEIGHBOURS), "city-key", "stadt")
    village.settle()
    assert village.values() == [21.5, 48.0]


def test_a_new_key_counts_without_a_restart_and_ends_the_old_one(village: Village) -> None:
    old, new = village.key(), village.key()
    assert village.post(ttn_uplink(1), old).status_code == 401
    assert village.post(ttn_uplink(1), new).status_code == 200


def test_unknown_projects_are_told_nothing_and_counted_together(village: Village) -> None:
    village.key()
    answers = [village.post(ttn_uplink(1), "x", project) for project in ("b-22222222", "nowhere")]
    assert {one.status_code for one in answers} == {401}
    assert village.post(ttn_uplink(1), "wrong", "stadt").status_code == 401
    village.settle()
    assert village.counted() == {("?", "wrong_key"): 2, ("stadt", "wrong_key"): 1}


def test_what_is_not_approved_waits_at_the_door(village: Village) -> None:
    """A refused project keeps no key; one that never had one has none to show."""
    key = village.key()
    slug = village.project.slug
    village.projects.withdraw(slug)
    eventually(lambda: slug not in village.project_doors.doors)
    assert village.post(ttn_uplink(1), key).status_code == 401


def test_without_a_formatter_the_owner_is_told(village: Village) -> None:
    key = village.key()
    village.post(ttn_uplink(1, decoded={}), key)
    village.post(ttn_uplink(2, decoded={"temperature": 20, "text": "a\ud800b\0"}), key)
    village.post(ttn_uplink(3, decoded={"temperatur": "warm"}), key)
    village.settle()
    newest, middle, oldest = village.ledger.packets(village.project.slug, 3)
    assert "formatter" in oldest.detail
    assert middle.outcome.value == "nothing"
    assert [one.said for one in middle.values] == ["20", "a?b\N{REPLACEMENT CHARACTER}"]
    assert "no finite number" in newest.detail


def test_an_approval_that_ingest_has_not_read_yet_loses_nothing(village: Village) -> None:
    follower = village.follower  # has read the register before
    other = village.approved(NEIGHBOURS)
    key = village.projects.new_webhook_key(other.slug)
    eventually(lambda: getattr(village.project_doors.doors.get(other.slug), "webhook", None))
    assert village.post(ttn_uplink(1, dev_eui=NEIGHBOURS), key, other.slug).status_code == 200
    drain(follower)
    assert village.values() == [21.5, 48.0]
