"""Laws of passing time: no counter twice for different frames, nothing skipped, over any number of stops."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from simulators.city import City
from simulators.config import CitySettings
from simulators.faults import FaultBoard
from simulators.player import Player, Studio
from simulators.sensing import Senses
from simulators.state import CityState, read_state, write_state
from simulators.timetable import Timetable
from simulators.town import begin
from simulators.uplinks import Encoder, Uplink

START = datetime(2026, 11, 10, tzinfo=UTC).timestamp()


class Record:
    """A carrier that keeps what it carries; it may confirm nothing, as a dead platform would."""

    def __init__(self, *, dead: bool = False) -> None:
        self.frames: list[Uplink] = []
        self.dead = dead
        self.moments: list[tuple[float, bool]] = []

    def carry(self, uplink: Uplink) -> None:
        self.frames.append(uplink)

    def pass_time(self, until: float, *, live: bool) -> None:
        self.moments.append((until, live))

    @property
    def backlog(self) -> int:
        return len(self.frames) if self.dead else 0

    async def room(self, *, empty: bool = False) -> None:
        if self.dead and empty:
            await asyncio.Event().wait()


@pytest.fixture(scope="module")
def encoder(city: City) -> Encoder:
    return Encoder(city)


Make = Callable[..., Player]


@pytest.fixture(scope="module")
def make(
    city: City,
    senses: Senses,
    timetable: Timetable,
    encoder: Encoder,
    tmp_path_factory: pytest.TempPathFactory,
) -> Make:
    folder = tmp_path_factory.mktemp("faults")
    board = FaultBoard(folder / "faults.toml")

    def made(record: Record, state: CityState, save: Callable[[CityState], None], **more: object) -> Player:
        clock = itertools.count(0.0, 10.0)  # every look is ten seconds later: always time to save
        options: dict[str, object] = {"now": lambda: START + 30 * 86_400, "monotonic": lambda: next(clock)}
        return Player(
            timetable,
            Studio(encoder, senses, board, [gateway.name for gateway in city.gateways]),
            [record],
            board,
            state,
            save=save,
            report=lambda _: None,
            **{**options, **more},  # type: ignore[arg-type]
        )

    return made


class Kept:
    """The states a run has saved, the one it began with first."""

    def __init__(self, first: CityState) -> None:
        self.states = [first]

    def keep(self, state: CityState) -> None:
        self.states.append(copy(state))


def copy(state: CityState) -> CityState:
    return CityState(state.seed, state.began, state.time, dict(state.counters))


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(stops=st.lists(st.tuples(st.integers(300, 5_000), st.booleans()), min_size=1, max_size=4))
def test_stops_and_crashes_lose_no_counter_and_use_none_twice(
    make: Make, city: City, stops: list[tuple[int, bool]]
) -> None:
    """A crash goes on from the last saved state and repeats the same frames to the byte."""
    whole = Record()
    end = START + sum(seconds for seconds, _ in stops)
    asyncio.run(make(whole, CityState(city.seed, START, START), lambda _: None, until=end).run())

    saved = CityState(city.seed, START, START)
    record, until = Record(), START
    for seconds, crash in stops:
        until += seconds
        kept = Kept(saved)
        asyncio.run(make(record, copy(saved), kept.keep, until=until).run())
        saved = kept.states[-2] if crash and len(kept.states) > 1 else kept.states[-1]
    state = copy(saved)
    asyncio.run(make(record, state, lambda _: None, until=end).run())

    seen: dict[tuple[str, int], Uplink] = {}
    for frame in record.frames:
        known = seen.setdefault((frame.device.thing, frame.f_cnt), frame)
        assert known == frame, "one counter, one frame"
    assert seen == {(frame.device.thing, frame.f_cnt): frame for frame in whole.frames}


def test_history_without_confirmation_is_not_taken_as_sent(make: Make, city: City) -> None:
    saved: list[CityState] = []
    record = Record(dead=True)
    state = CityState(city.seed, START, START)
    player = make(record, state, saved.append, until=START + 7_200, grace_s=0.1)

    async def scenario() -> None:
        running = asyncio.create_task(player.run())
        await asyncio.sleep(0)
        while not record.frames:
            await asyncio.sleep(0.01)
        player.stop()
        await asyncio.wait_for(running, 20)

    asyncio.run(scenario())
    assert saved == []


def test_time_goes_in_order_and_never_beyond_the_present(make: Make, city: City) -> None:
    record = Record()
    present = START + 5_000
    asyncio.run(
        make(
            record, CityState(city.seed, START, START), lambda _: None, until=present, now=lambda: present
        ).run()
    )
    times = [frame.time for frame in record.frames if frame.repeat == 0]
    assert times == sorted(times)
    assert max(times) < present
    assert record.moments[-1][0] == present


def test_a_set_speed_plays_history_at_that_speed(make: Make, city: City) -> None:
    record = Record()
    seconds: Iterator[float] = itertools.count(0.0, 1.0)
    player = make(
        record, CityState(city.seed, START, START), lambda _: None, until=START + 3_600, speed=600.0,
        monotonic=lambda: next(seconds),
    )  # fmt: skip
    asyncio.run(player.run())
    steps = [after - before for (before, _), (after, _) in itertools.pairwise(record.moments)]
    assert len(record.moments) >= 3
    assert max(steps) <= 1_800


def test_the_city_is_live_once_it_has_caught_up(make: Make, city: City) -> None:
    record, clock = Record(), itertools.count(START + 100, 1.0)
    state = CityState(city.seed, START, START)
    player = make(record, state, lambda _: None, until=START + 107, now=lambda: next(clock))
    asyncio.run(player.run())
    assert player.live
    assert record.moments[0][1] is False
    assert record.moments[-1][1] is True


def test_the_state_survives_and_belongs_to_its_seed(tmp_path: Path) -> None:
    path = tmp_path / "city" / "state.json"
    assert read_state(path, 1) is None
    state = CityState(1, 10.0, 20.0, {"behaelter-001": 7})
    assert state.next_counter("behaelter-001") == 7
    assert state.next_counter("neu") == 0
    write_state(path, state)
    assert read_state(path, 1) == state
    with pytest.raises(ValueError, match="seed 1"):
        read_state(path, 2)
    path.write_text('{"seed": 1}')
    with pytest.raises(ValueError, match=r"state\.json"):
        read_state(path, 1)


def test_a_second_run_goes_on_and_a_long_absence_is_cut_but_counters_go_on(tmp_path: Path) -> None:
    settings_ = CitySettings(data_dir=tmp_path)
    first = begin(settings_, START)
    assert first.time == START - 14 * 86_400
    first.time, first.counters["x"] = START, 41
    write_state(settings_.state_file, first)
    assert begin(settings_, START + 3 * 86_400).time == START, "the hole of three days is filled"
    later = begin(settings_, START + 30 * 86_400)
    assert later.time == START + 16 * 86_400
    assert later.next_counter("x") == 41


def test_a_city_stopped_before_the_first_confirmation_begins_again_where_it_began(tmp_path: Path) -> None:
    settings_ = CitySettings(data_dir=tmp_path, seed=7)
    first = begin(settings_, START)
    assert begin(settings_, START + 60.0) == first, "else other values under counters already used"
