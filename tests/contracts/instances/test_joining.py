"""Two instances become one: numbers that are taken, meanings that clash, and the way back."""

from __future__ import annotations

import json
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lived_instance import CITY, NOW, measure, settle
from sqlalchemy import select

from udp.errors import ConfigurationError, StoreUnavailable
from udp.opendata.instance.exporting import export_instance
from udp.opendata.instance.files import sha256
from udp.opendata.instance.importing import Target, import_instance
from udp.opendata.instance.undoing import undo_import
from udp.opendata.instance.verifying import DIFFERS, MORE
from udp.registry import schema
from udp.store.census import everything
from udp.store.columns import Observations

OTHER = CITY.replace("mast-1", "mast-9").replace("181A001", "181A009").replace("Ärzteweg", "Neustraße")


@pytest.fixture
def neighbour(make: Any) -> Any:
    """Another city's instance, whose numbers are those of the first."""
    one = make("neighbour")
    settle(one, OTHER)
    measure(one, "mast-9", shift=5.0)
    one.derive()
    return one


def state(one: Any, folder: Path) -> tuple[Any, ...]:
    """All that an export tells."""
    made = export_instance(one.source, folder)
    kept = {name: digest for name, digest in made.files.items() if not name.endswith("deletion_proof.jsonl")}
    return made.datastreams, kept


def test_every_number_inside_json_follows_its_datastream(lived: Any, neighbour: Any, tmp_path: Path) -> None:
    number = lived.number("mast-1", "co2")
    with lived.registry.database.writing() as connection:
        connection.execute(
            _event().insert().values(
                kind="stuck", subject=f"datastream:{number}", reason="steht", since=1, opened_at=2,
                datastream=number, thing="mast-1", detail={},
            )
        )  # fmt: skip
    export_instance(lived.source, tmp_path / "out")
    theirs = state(neighbour, tmp_path / "theirs")[0]
    done = import_instance(tmp_path / "out", neighbour.target, merge=True)
    assert not done.differ
    ever = neighbour.registry.ever()
    assert neighbour.number("mast-1", "co2") not in theirs
    for sensor in (*ever.devices.values(), *ever.wired.values()):
        assert {ever.datastreams[one.datastream].thing for one in sensor.channels} == {sensor.thing}
    for of, how in ever.derived.items():
        inputs = {ever.datastreams[one].thing for one in how.inputs}
        assert inputs == {ever.datastreams[of].thing}
    with neighbour.registry.database.reading() as connection:
        (event,) = connection.execute(select(_event())).all()
    assert event.subject == f"datastream:{neighbour.number('mast-1', 'co2')}"
    tally = neighbour.derive()
    assert (tally.new, tally.changed, tally.withdrawn) == (0, 0, 0)
    told(lived, neighbour)


def told(lived: Any, neighbour: Any) -> None:
    """What was written and withdrawn by people reads the same under other numbers."""
    left, right = (_bank(one) for one in (lived, neighbour))
    assert len(left) == 4
    assert left == right


def _bank(one: Any) -> list[Any]:
    query = "/v1.1/Things?$filter=name eq 'Bank am Markt'&$expand=Datastreams/Observations"
    (thing,) = one.client().get(query).json()["value"]
    rows = thing["Datastreams"][0]["Observations"]
    return sorted((row["phenomenonTime"], row["result"], row.get("parameters")) for row in rows)


def test_a_moved_observation_is_found_under_its_old_name(lived: Any, neighbour: Any, tmp_path: Path) -> None:
    """A link somebody has kept leads on, also where its Datastream has another number."""
    export_instance(lived.source, tmp_path / "out")
    import_instance(tmp_path / "out", neighbour.target, merge=True)
    with neighbour.registry.database.reading() as connection:
        notes = connection.execute(select(schema.written_observation)).all()
    (note,) = (one for one in notes if "moved" in one.content)
    old = f"/v1.1/Observations('{note.series}-{note.time}')"
    assert neighbour.client().get(old).json()["phenomenonTime"].startswith("2026-11-20T20:00")


def test_one_name_with_two_meanings_is_refused_and_nothing_is_written(
    lived: Any, make: Any, tmp_path: Path
) -> None:
    export_instance(lived.source, tmp_path / "out")
    there = make("there")
    settle(there)
    with there.registry.database.writing() as connection:
        co2 = (schema.datastream.c.key == "co2") & (schema.datastream.c.thing == "mast-1")
        connection.execute(schema.datastream.update().where(co2).values(unit_symbol="%"))
    before = state(there, tmp_path / "before")
    with pytest.raises(ConfigurationError, match=r"mast-1/co2.*unit_symbol.*'\[ppm\]'.*'%'"):
        import_instance(tmp_path / "out", there.target, merge=True)
    assert state(there, tmp_path / "after") == before
    assert not len(there.store.latest())


def test_a_joint_past_is_joined_and_a_contradiction_is_shown(lived: Any, make: Any, tmp_path: Path) -> None:
    export_instance(lived.source, tmp_path / "out")
    there = make("there")
    settle(there)
    co2, pm10 = there.number("mast-1", "co2"), there.number("mast-1", "pm10")
    times = lived.store.read([lived.number("mast-1", "pm10")], everything()).phenomenon_time
    there.store.append(Observations.build(co2, [times[5] + np.timedelta64(7, "s")], [405.0]))
    there.store.append(Observations.build(pm10, [times[5]], [4711.0]))
    done = import_instance(tmp_path / "out", there.target, merge=True)
    verdicts = {one.name: one.verdict for one in done.compared}
    assert verdicts["mast-1/co2"] == MORE
    assert verdicts["mast-1/pm10"] == DIFFERS
    assert 4711.0 in there.store.read([pm10], everything()).result, "what is here stays"


def test_a_refused_join_is_taken_back_without_a_trace(lived: Any, neighbour: Any, tmp_path: Path) -> None:
    """Numbers of what is gone are never given again: the store may refuse or hold values under them."""
    export_instance(lived.source, tmp_path / "out")
    before = state(neighbour, tmp_path / "before")
    failing = Failing(neighbour.store, 2)
    with pytest.raises(StoreUnavailable):
        import_instance(tmp_path / "out", Target(neighbour.registry.database, failing), merge=True)
    neighbour.derive()
    given = set(neighbour.registry.ever().datastreams)
    done = undo_import(tmp_path / "out", neighbour.target, NOW)
    assert done.streams > 5
    assert done.forgotten
    assert state(neighbour, tmp_path / "after") == before
    with pytest.raises(ConfigurationError, match="nothing to undo"):
        undo_import(tmp_path / "out", neighbour.target, NOW)
    again = import_instance(tmp_path / "out", neighbour.target, merge=True)
    assert not again.differ
    assert not again.again
    mine = {n for n, one in neighbour.registry.ever().datastreams.items() if one.thing != "mast-9"}
    assert not mine & given
    assert mine


def test_values_of_today_are_deleted_by_the_same_word_tomorrow(lived: Any, make: Any, tmp_path: Path) -> None:
    """The store forgets whole days: what is left is told, and gone when the day is over."""
    export_instance(lived.source, tmp_path / "out", confidential=True)
    there = make("there")
    import_instance(tmp_path / "out", there.target)
    given = sorted(there.registry.ever().datastreams)
    newest = max(there.store.read(given, everything()).phenomenon_time).astype("datetime64[us]").item()
    today = newest.replace(tzinfo=UTC, hour=23)
    done = undo_import(tmp_path / "out", there.target, today)
    left = there.store.read(given, everything())
    assert done.young == len(set(left.datastream.tolist())) > 0
    done = undo_import(tmp_path / "out", there.target, today + timedelta(hours=1))
    assert (done.rows, done.young) == (0, 0)
    assert not len(there.store.read(given, everything()))
    with pytest.raises(ConfigurationError, match="nothing to undo"):
        undo_import(tmp_path / "out", there.target, today + timedelta(hours=2))


def test_an_empty_instance_is_empty_again_after_the_way_back(lived: Any, make: Any, tmp_path: Path) -> None:
    export_instance(lived.source, tmp_path / "out", confidential=True)
    there = make("there")
    import_instance(tmp_path / "out", there.target)
    undo_import(tmp_path / "out", there.target, NOW)
    assert not there.registry.ever().things
    assert not there.registry.ever().datastreams
    assert not import_instance(tmp_path / "out", there.target).differ, "empty: no --merge is asked for"


def test_what_has_been_built_upon_since_is_not_taken_back(lived: Any, neighbour: Any, tmp_path: Path) -> None:
    export_instance(lived.source, tmp_path / "out")
    import_instance(tmp_path / "out", neighbour.target, merge=True)
    with neighbour.registry.database.writing() as connection:
        row = {"thing": "mast-1", "at": "2026-11-21", "kind": "note", "text": "gestrichen", "person": "B."}
        connection.execute(schema.maintenance.insert().values(**row))
    before = state(neighbour, tmp_path / "before")
    with pytest.raises(ConfigurationError, match=r"mast-1.*maintenance"):
        undo_import(tmp_path / "out", neighbour.target, NOW)
    assert state(neighbour, tmp_path / "after") == before


def test_keys_of_another_city_do_not_open_this_one(lived: Any, neighbour: Any, tmp_path: Path) -> None:
    from udp.access import tables

    neighbour.audit.write("Frau B.", "key created")
    export_instance(lived.source, tmp_path / "out", confidential=True)
    import_instance(tmp_path / "out", neighbour.target, merge=True)
    with neighbour.registry.database.reading() as connection:
        assert not connection.execute(select(tables.access_key)).all()
    assert [one.who for one in neighbour.audit.read()] == ["Frau B."]
    assert neighbour.audit.broken() is None


def test_what_no_store_could_take_is_refused_before_anything_is_written(
    lived: Any, make: Any, tmp_path: Path
) -> None:
    """Sums that were made to fit do not help."""
    import pyarrow.parquet as pq

    export_instance(lived.source, tmp_path / "out")
    victim = sorted((tmp_path / "out/observations").rglob("*.parquet"))[2]
    table = pq.read_table(victim).to_pandas()
    table.loc[3, "result"] = float("inf")
    table.to_parquet(victim)
    path = tmp_path / "out/manifest.json"
    content = json.loads(path.read_text())
    content["files"][str(victim.relative_to(tmp_path / "out"))] = sha256(victim)
    path.write_text(json.dumps(content))
    there = make("there")
    with pytest.raises(ConfigurationError, match=rf"{victim.name}.*row 3.*result is inf"):
        import_instance(tmp_path / "out", there.target)
    assert not there.registry.ever().things


class Failing:
    """The real store until it has appended `calls` times; then the machine is gone."""

    def __init__(self, store: Any, calls: int) -> None:
        self._store, self._left = store, calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def append(self, batch: Observations) -> Any:
        self._left -= 1
        if self._left < 0:
            raise StoreUnavailable("killed")
        return self._store.append(batch)


def _event() -> Any:
    from udp.events.sql import _event as table

    return table
