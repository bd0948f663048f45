"""Export, empty instance, import: equal counts and checksums per Datastream, whatever happens in between."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from udp.datasets.reading import SHIPPED
from udp.errors import ConfigurationError, StoreUnavailable
from udp.events.sql import SqlEvents
from udp.opendata.instance.exporting import Source, export_instance
from udp.opendata.instance.importing import Target, import_instance
from udp.opendata.instance.manifest import read_manifest
from udp.opendata.instance.revisions import every_revision
from udp.registry.city_file import read_city
from udp.registry.profiles import load_profiles
from udp.registry.sql import SqlRegistry
from udp.retention.proof import Proofs
from udp.sensorthings import Quality, QualityRule
from udp.store.census import everything
from udp.store.columns import Observations
from udp.store.embedded.settings import EmbeddedSettings
from udp.store.embedded.store import EmbeddedStore

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = np.timedelta64(1, "h")
CITY = """
format = 1
[city]
name = "Probestadt"
simulated = true
[[thing]]
key = "mast-1"
name = "Mast Ärzteweg"
kind = "pole"
theme = "luft"
latitude = 51.55
longitude = 7.31
district = "castrop"
district_name = "Castrop"
access = "open"
licence = "dl-de/zero-2-0"
[[thing.device]]
dev_eui = "A84041000181A001"
profile = "milesight-am319"
[[thing]]
key = "geheim-1"
name = "Zähler von Frau S."
kind = "meter"
theme = "energie"
latitude = 51.56
longitude = 7.32
district = "castrop"
district_name = "Castrop"
access = "restricted"
exemption = "personal"
[[thing.device]]
dev_eui = "A84041000181A002"
profile = "milesight-am319"
"""


class Instance:
    def __init__(self, folder):
        folder.mkdir(exist_ok=True)
        self.registry = SqlRegistry(f"sqlite:///{folder}/registry.sqlite")
        self.store = EmbeddedStore(EmbeddedSettings(folder / "store"), lambda: NOW)
        SqlEvents(self.registry.database)
        Proofs(self.registry.database)
        self.policy = SHIPPED

    @property
    def source(self):
        return Source(self.registry, self.store, self.policy, lambda: NOW)

    @property
    def target(self):
        return Target(self.registry.database, self.store, lambda: self.store.maintain(NOW))

    def everything(self):
        return {
            (one.thing, one.key): every_revision(self.store, number, everything())
            for number, one in self.registry.ever().datastreams.items()
        }

    def close(self):
        self.store.close()
        self.registry.close()


@pytest.fixture
def made(tmp_path):
    opened = []

    def make(name):
        opened.append(Instance(tmp_path / name))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


@pytest.fixture
def full(made, tmp_path):
    """Three months, two corrections of the same values, one forecast, everything in two Things."""
    one = made("full")
    (tmp_path / "city.toml").write_text(CITY)
    one.registry.import_city(read_city(tmp_path / "city.toml", load_profiles()))
    numbers = sorted(one.registry.inventory().datastreams)
    random = np.random.default_rng(7)
    start = np.datetime64("2026-09-20T00:00:00", "us")
    for number in numbers[:-1]:
        times = start + np.arange(1200) * HOUR + np.timedelta64(number, "us")
        one.store.append(Observations.build(number, times, random.normal(20, 9, 1200), quality=Quality.GOOD))
    times = start + np.arange(1200) * HOUR + np.timedelta64(numbers[0], "us")
    for revision, chosen, known in ((1, slice(10, 300), 1), (2, slice(100, 200), 2), (3, slice(150, 160), 3)):
        late = np.datetime64("2026-11-15T00:00:00", "us") + np.timedelta64(known, "h")
        # One correction at once, one row by row as people make them.
        known_at = late + np.arange(len(times[chosen])) * np.timedelta64(revision - 1, "s")
        one.store.append(
            Observations.build(
                numbers[0], times[chosen], 100.0 * revision, result_time=known_at, revision=revision,
                quality=Quality.SUSPECT, rule=QualityRule.PERSON,
            )
        )  # fmt: skip
    one.store.append(Observations.build(numbers[1], [start], [1.5], lead=3600))
    return one


def same(left, right):
    assert left.keys() == right.keys()
    for key in left:
        for name in ("phenomenon_time", "result_time", "lead", "result", "quality", "rule", "revision"):
            np.testing.assert_array_equal(
                getattr(left[key], name), getattr(right[key], name), err_msg=f"{key} {name}"
            )


def test_everything_comes_back_as_it_was(full, made, tmp_path):
    manifest = export_instance(full.source, tmp_path / "out")
    assert (
        manifest.observations == 1200 * (len(full.registry.inventory().datastreams) - 1) + 290 + 100 + 10 + 1
    )
    empty = made("empty")
    done = import_instance(tmp_path / "out", empty.target)
    assert not done.differ
    same(full.everything(), empty.everything())
    before, after = full.registry.inventory(), empty.registry.inventory()
    assert (before.things, before.datastreams, before.devices, before.wired) == (
        after.things, after.datastreams, after.devices, after.wired,
    )  # fmt: skip
    again = export_instance(empty.source, tmp_path / "again")
    assert again.datastreams == manifest.datastreams


def test_what_was_superseded_is_known_as_of_then(full, made, tmp_path):
    export_instance(full.source, tmp_path / "out")
    empty = made("empty")
    import_instance(tmp_path / "out", empty.target)
    number = min(full.registry.inventory().datastreams)
    for hours in (0, 1, 2, 4):
        then = datetime(2026, 11, 15, tzinfo=UTC) + timedelta(hours=hours, seconds=30)
        left, right = (one.store.read([number], everything(), then) for one in (full, empty))
        np.testing.assert_array_equal(left.result, right.result)
    assert len(np.unique(left.revision)) == 4


def test_an_export_killed_anywhere_goes_on_and_gives_the_same(full, tmp_path):
    whole = export_instance(full.source, tmp_path / "whole")
    for reads in (1, 4, 9, 17):
        folder = tmp_path / f"killed-{reads}"
        with pytest.raises(StoreUnavailable):
            export_instance(Source(full.registry, Failing(full.store, reads), SHIPPED, lambda: NOW), folder)
        assert not (folder / "manifest.json").exists()
        counting = Failing(full.store, 10**9)
        again = export_instance(Source(full.registry, counting, SHIPPED, lambda: NOW), folder)
        assert again.datastreams == whole.datastreams
        assert again.files == whole.files


def test_an_import_killed_anywhere_goes_on(full, made, tmp_path):
    export_instance(full.source, tmp_path / "out")
    half = made("half")
    failing = Failing(half.store, 3)
    with pytest.raises(StoreUnavailable):
        import_instance(tmp_path / "out", Target(half.registry.database, failing))
    done = import_instance(tmp_path / "out", half.target)
    assert not done.differ
    same(full.everything(), half.everything())


def test_what_is_not_empty_is_not_touched_without_merge(full, made, tmp_path):
    export_instance(full.source, tmp_path / "out")
    before = full.everything()
    with pytest.raises(ConfigurationError, match="--merge"):
        import_instance(tmp_path / "out", full.target)
    same(before, full.everything())
    assert not import_instance(tmp_path / "out", full.target, merge=True).differ
    same(before, full.everything())


def test_merge_adds_and_gives_taken_numbers_anew(full, made, tmp_path):
    export_instance(full.source, tmp_path / "out")
    other = made("other")
    (tmp_path / "other.toml").write_text(CITY.replace("mast-1", "mast-9").replace("181A001", "181A009"))
    other.registry.import_city(read_city(tmp_path / "other.toml", load_profiles()))
    theirs = sorted(other.registry.inventory().datastreams)
    other.store.append(Observations.build(theirs[0], [np.datetime64("2026-10-01", "us")], [42.0]))
    done = import_instance(tmp_path / "out", other.target, merge=True)
    assert not done.differ
    held = other.everything()
    assert held["mast-9", other.registry.inventory().datastreams[theirs[0]].key].result.tolist() == [42.0]
    same(full.everything(), {key: rows for key, rows in held.items() if key[0] != "mast-9"})
    streams = other.registry.inventory().datastreams
    for device in other.registry.inventory().devices.values():
        assert {streams[channel.datastream].thing for channel in device.channels} == {device.thing}


def test_a_changed_or_missing_file_is_found_before_anything_is_written(full, made, tmp_path):
    export_instance(full.source, tmp_path / "out")
    victim = sorted((tmp_path / "out/observations").rglob("*.parquet"))[3]
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    empty = made("empty")
    with pytest.raises(ConfigurationError, match=victim.name):
        import_instance(tmp_path / "out", empty.target)
    victim.unlink()
    with pytest.raises(ConfigurationError, match="missing"):
        import_instance(tmp_path / "out", empty.target)
    assert not empty.registry.ever().things
    (tmp_path / "out/manifest.json").unlink()
    with pytest.raises(ConfigurationError, match="no finished export"):
        import_instance(tmp_path / "out", empty.target)


def test_a_manifest_that_points_outside_is_refused(full, made, tmp_path):
    export_instance(full.source, tmp_path / "out")
    path = tmp_path / "out/manifest.json"
    content = json.loads(path.read_text())
    content["files"]["../city.toml"] = "0" * 64
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigurationError, match="outside"):
        import_instance(tmp_path / "out", made("empty").target)


def test_pruned_hours_are_kept_beside(full, tmp_path):
    import pyarrow.parquet as pq

    number = min(full.registry.inventory().datastreams)
    while full.store.maintain(NOW):
        pass
    full.store.prune([number], datetime(2026, 10, 1, tzinfo=UTC))
    manifest = export_instance(full.source, tmp_path / "out")
    assert manifest.pruned == {number: "2026-10-01T00:00:00Z"}
    table = pq.read_table(tmp_path / f"out/aggregates/{number}.parquet")
    assert sum(table["count"].to_pylist()) == 11 * 24
    assert f"observations/{number}/2026-09.parquet" not in manifest.files


def test_a_limit_before_all_values_deleted_nothing_and_says_nothing(full, tmp_path):
    full.store.prune(list(full.registry.inventory().datastreams), datetime(2001, 1, 1, tzinfo=UTC))
    assert export_instance(full.source, tmp_path / "export").pruned == {}
    assert not list((tmp_path / "export").glob("aggregates/*"))


def test_no_secret_leaves_and_anybody_can_check_the_sums(full, tmp_path):
    from sqlalchemy import text

    with full.registry.database.writing() as connection:
        connection.execute(text("INSERT INTO device_secret VALUES (x'A84041000181A001', x'5EA1ED5EC4E7')"))
    export_instance(full.source, tmp_path / "out")
    assert not (tmp_path / "out/register/device_secret.jsonl").exists()
    assert any("keys" in one for one in read_manifest(tmp_path / "out").left_out)
    checked = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd=tmp_path / "out", check=False)
    assert checked.returncode == 0
    sealed = export_instance(full.source, tmp_path / "sealed", confidential=True)
    assert sealed.tables["device_secret"] == 1
    assert oct((tmp_path / "sealed").stat().st_mode)[-3:] == "700"


def test_the_commands_say_what_they_did(full, tmp_path):
    full.close()
    for name in ("full", "target"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / f"{name}.toml").write_text(
            f'policy = "{tmp_path}/{name}/policy.toml"\n[registry]\nurl = "sqlite:///{tmp_path}/{name}/registry.sqlite"\n'
            f'[store]\nkind = "embedded"\n[store.embedded]\nfolder = "{tmp_path}/{name}/store"\n'
        )
    (tmp_path / "full/policy.toml").write_text(SHIPPED.read_text() + "\n# Beschluss vom 3. November\n")
    udp = [sys.executable, "-m", "udp"]
    out = _run([*udp, "export", str(tmp_path / "out"), "--config", str(tmp_path / "full.toml")])
    assert "Observations, all revisions" in out
    back = _run([*udp, "import", str(tmp_path / "out"), "--config", str(tmp_path / "target.toml")])
    assert "Counts and checksums of all Datastreams are those of the export" in back
    assert "Beschluss" in (tmp_path / "target/policy.toml").read_text()


def _run(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Failing:
    """The real store until it has been asked `calls` times; then the machine is gone."""

    def __init__(self, store, calls):
        self._store, self._left = store, calls

    def __getattr__(self, name):
        return getattr(self._store, name)

    def _count(self):
        self._left -= 1
        if self._left < 0:
            raise StoreUnavailable("killed")

    def read(self, *arguments):
        self._count()
        return self._store.read(*arguments)

    def append(self, batch):
        self._count()
        return self._store.append(batch)
