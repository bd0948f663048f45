"""What an append costs the next count: the hour it touched, never the whole store again."""

from collections import Counter
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from udp.store import census
from udp.store.census import Census
from udp.store.columns import Observations
from udp.store.embedded import counting
from udp.store.embedded.cold import ColdFolder
from udp.store.embedded.late import LateDay
from udp.store.embedded.reading import Reader
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

NOW = datetime(2026, 3, 9, 12, 30, tzinfo=UTC)
STREAMS = 100
EVERYTHING = census.everything()


def moment(when: datetime) -> np.datetime64:
    return np.datetime64(when.replace(tzinfo=None), "us")


def one(stream: int, when: datetime, revision: int = 0) -> Observations:
    return Observations.build(stream, [moment(when)], 1.0, revision=revision)


@pytest.fixture
def store(tmp_path):
    """Five days of some series, each value known: files for the closed ones, hours for the open ones."""
    made = EmbeddedStore(EmbeddedSettings(tmp_path, settle=timedelta(0)), lambda: NOW)
    times = moment(NOW) - (np.arange(5 * 24 * 2) * 1800).astype("timedelta64[s]")
    made.append(Observations.build(np.repeat(np.arange(STREAMS), len(times)), np.tile(times, STREAMS), 1.0))
    while made.maintain(NOW):
        pass
    yield made
    made.close()


@pytest.fixture
def work(monkeypatch):
    """How often files were read and rows of an hour or of a late day were counted."""
    done = Counter()

    def counted(owner, name, what):
        real = getattr(owner, name)

        def instead(*given, **named):
            done[what] += 1
            return real(*given, **named)

        monkeypatch.setattr(owner, name, instead)

    counted(ColdFolder, "_table", "files")
    counted(counting, "_grouped", "hours")
    counted(LateDay, "rows", "late days")
    counted(Reader, "observations", "read again")
    return done


def counts(store: EmbeddedStore) -> Census:
    """As a list of all Datastreams asks."""
    return store.census(range(STREAMS), EVERYTHING)


def test_the_first_count_looks_everywhere_and_the_second_nowhere(store, work):
    first = counts(store)
    assert work["files"] >= 4 and work["hours"] >= 24
    work.clear()
    assert counts(store).count.tolist() == first.count.tolist()
    assert not work


@pytest.mark.parametrize("ago", [timedelta(minutes=1), timedelta(hours=5), timedelta(hours=30)])
def test_a_new_value_costs_its_hour_alone(store, work, ago):
    before = counts(store)
    for number in range(500):  # more than anything kept may be crowded out by
        work.clear()
        store.append(one(7, NOW - ago - timedelta(seconds=1 + number)))
        after = counts(store)
        assert work == {"hours": 1}
    assert after.total == before.total + 500
    assert after.count[7] == before.count[7] + 500


def test_late_values_and_corrections_cost_their_days_alone(store, work):
    before = counts(store)
    closed = NOW - timedelta(days=3)
    batch = Observations.concatenate([one(stream, closed - timedelta(seconds=5)) for stream in range(80)])
    store.append(batch)
    store.append(one(3, closed, revision=1))  # known already
    store.append(one(5, closed - timedelta(days=1, seconds=5)))
    work.clear()
    assert counts(store).total == before.total + 81
    assert work["late days"] == 2
    work.clear()
    counts(store)
    assert not work
    store.append(one(6, closed - timedelta(days=1, seconds=6)))
    work.clear()
    assert counts(store).total == before.total + 82
    assert work["late days"] == 1 and work["hours"] == 0


@pytest.mark.parametrize("ago", [timedelta(0), timedelta(days=3)])
def test_of_one_datastream_a_full_hour_or_late_day_is_not_counted_again(store, work, ago):
    counts(store)
    seconds = np.arange(0, 6_000, 1).astype("timedelta64[ms]")
    store.append(Observations.build(8, moment(NOW - ago) + np.timedelta64(1, "s") + seconds, 1.0))
    first = store.census([7], EVERYTHING).total
    store.append(one(7, NOW - ago + timedelta(seconds=9)))
    work.clear()
    assert store.census([7], EVERYTHING).total == first + 1
    assert work["hours"] == work["late days"] == 0


def test_a_closed_day_is_counted_once(store, work):
    before = counts(store)
    work.clear()
    while store.maintain(NOW + timedelta(days=1)):
        pass
    read_by_maintenance = work["files"]
    assert counts(store).count.tolist() == before.count.tolist()
    assert read_by_maintenance < work["files"] <= read_by_maintenance + 2
    assert work["hours"] == 0


def test_an_hour_that_was_emptied_and_filled_again_is_another(store):
    yesterday = NOW.replace(hour=0, minute=0) - timedelta(days=1)
    hour = yesterday + timedelta(hours=12)
    counts(store)
    assert store.prune(range(STREAMS), NOW.replace(hour=0, minute=0)).values
    assert counts(store).first.min() >= yesterday.timestamp() * 1e6 + 86_400e6
    # As many appends to the hour as it had before: what is kept of it must not be taken for it.
    store.append(one(STREAMS, hour))
    for number in range(3):
        found = store.census([STREAMS, *range(STREAMS)], EVERYTHING).only(np.array([STREAMS]))
        assert found.count.tolist() == [1 + number]
        store.append(one(STREAMS, hour + timedelta(seconds=1 + number)))


def test_late_values_are_sifted_beside_their_file_and_only_corrections_read_again(store, work):
    def found() -> list[int]:
        sifted = store.sift(range(STREAMS), EVERYTHING, 0.5, 1.5)
        return sifted.count.tolist()

    before, closed = found(), NOW - timedelta(days=3)
    store.append(Observations.concatenate([one(n, closed - timedelta(seconds=5)) for n in range(80)]))
    work.clear()
    assert found() == [number + (at < 80) for at, number in enumerate(before)]
    work.clear()
    found()
    assert not work["files"] and not work["read again"]
    store.append(one(3, closed, revision=1))
    assert found() == [number + (at < 80) for at, number in enumerate(before)]
    assert work["read again"] == 1
