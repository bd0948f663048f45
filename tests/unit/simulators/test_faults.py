"""Each fault can be seen in the frames, and only in the frames of its target and its time."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from edge.codecs.by_profile import codec_named
from simulators.city import City, Device
from simulators.faults import (
    AMOUNTS,
    Fault,
    FaultBoard,
    FaultKind,
    check,
    disturb,
    read_faults,
    write_faults,
)
from simulators.player import Studio
from simulators.radio import rxpk
from simulators.sensing import Senses
from simulators.state import CityState
from simulators.timetable import Timetable, Transmission
from simulators.uplinks import Encoder, Uplink

START = datetime(2026, 11, 10, tzinfo=UTC).timestamp()
DAY = 86_400.0
Play = Callable[..., tuple[list[Uplink], CityState]]


@pytest.fixture(scope="module")
def encoder(city: City) -> Encoder:
    return Encoder(city)


@pytest.fixture
def play(city: City, senses: Senses, timetable: Timetable, encoder: Encoder, tmp_path: Path) -> Play:
    """Frames of one device over some hours, with the faults given."""

    def played(device: Device, *faults: Fault, hours: float = 24.0) -> tuple[list[Uplink], CityState]:
        board = FaultBoard(tmp_path / "none.toml", faults)
        studio = Studio(encoder, senses, board, [gateway.name for gateway in city.gateways])
        state = CityState(seed=city.seed, began=START, time=START)
        frames = [
            frame
            for one in timetable.between(START, START + hours * 3600)
            if one.device is device
            for frame in studio.frames(one, state)
        ]
        return frames + studio.release_all(), state

    return played


def decoded(frame: Uplink) -> dict[str, object]:
    record = codec_named(frame.device.profile)(frame.payload, frame.f_port, frame.moment).records[0]
    return dict(record.fields)


def weather_station(city: City) -> Device:
    return city.device("wetter-rathaus")


def test_a_silent_device_sends_and_counts_nothing_until_it_is_healed(play: Play, city: City) -> None:
    device = weather_station(city)
    healthy, _ = play(device)
    frames, state = play(device, Fault(FaultKind.SILENT, device.thing, START + 6 * 3600, START + 12 * 3600))
    assert not [frame for frame in frames if START + 6 * 3600 <= frame.time < START + 12 * 3600]
    assert 90 < len(frames) < len(healthy)
    assert state.counters[device.thing] == 144 - 36


def test_a_stuck_device_repeats_its_values_under_new_counters(play: Play, city: City) -> None:
    device = weather_station(city)
    frames, _ = play(device, Fault(FaultKind.STUCK, device.thing, START + 6 * 3600))
    before = [decoded(frame)["air_temperature"] for frame in frames if frame.time < START + 6 * 3600]
    after = [decoded(frame)["air_temperature"] for frame in frames if frame.time >= START + 6 * 3600]
    assert len(set(before)) > 5
    assert len(set(after)) == 1
    counters = [frame.f_cnt for frame in frames]
    assert counters == sorted(set(counters))


def test_a_drifting_device_moves_away_by_its_amount_per_day(play: Play, city: City) -> None:
    device = weather_station(city)
    healthy, _ = play(device)
    drifting, _ = play(device, Fault(FaultKind.DRIFTING, device.thing, START, amount=12.0))
    for well, ill in zip(healthy, drifting, strict=True):
        difference = float(str(decoded(ill)["air_temperature"])) - float(
            str(decoded(well)["air_temperature"])
        )
        assert difference == pytest.approx(12.0 * (well.time - START) / DAY, abs=0.11)
    assert decoded(drifting[-1])["relative_humidity"] == decoded(healthy[-1])["relative_humidity"]


def test_a_duplicated_frame_comes_again_with_the_same_bytes(play: Play, city: City) -> None:
    device = weather_station(city)
    frames, _ = play(device, Fault(FaultKind.DUPLICATED, device.thing, START, amount=2.0), hours=3)
    by_counter: dict[int, set[bytes]] = {}
    for frame in frames:
        by_counter.setdefault(frame.f_cnt, set()).add(frame.phy_payload)
    assert len(frames) == 3 * len(by_counter)
    assert all(len(bytes_) == 1 for bytes_ in by_counter.values())


def test_reordered_frames_arrive_in_another_order_and_none_is_missing(play: Play, city: City) -> None:
    device = weather_station(city)
    healthy, _ = play(device)
    frames, _ = play(device, Fault(FaultKind.REORDERED, device.thing, START, START + 20 * 3600))
    assert [frame.f_cnt for frame in frames] != sorted(frame.f_cnt for frame in frames)
    assert sorted(frame.phy_payload for frame in frames) == sorted(frame.phy_payload for frame in healthy)
    tail = [frame.f_cnt for frame in frames if frame.time > START + 21 * 3600]
    assert tail == sorted(tail)


def test_a_device_with_a_wrong_clock_says_a_wrong_time_in_its_payload(play: Play, city: City) -> None:
    device = next(one for one in city.devices if one.has_clock)
    healthy, _ = play(device)
    wrong, _ = play(device, Fault(FaultKind.WRONG_CLOCK, device.thing, START, amount=-7200.0))
    changed = [(well, ill) for well, ill in zip(healthy, wrong, strict=True) if well.payload != ill.payload]
    assert len(changed) == len(healthy)
    for well, ill in changed:
        times = [
            codec_named(device.profile)(one.payload, one.f_port, one.moment).records[0].at
            for one in (well, ill)
        ]
        assert times[0] is not None
        assert times[1] is not None
        assert (times[1] - times[0]).total_seconds() == pytest.approx(-7200, abs=1)


def test_a_gateway_with_a_wrong_clock_stamps_wrong_times(play: Play, city: City) -> None:
    frame = play(weather_station(city), hours=2)[0][0]
    right, wrong = (json.loads(rxpk(frame, frame.heard[0], offset)) for offset in (0.0, 3600.0))
    moments = [datetime.fromisoformat(one["time"]) for one in (right, wrong)]
    assert (moments[1] - moments[0]).total_seconds() == 3600
    assert right["data"] == wrong["data"]


def test_a_gateway_that_is_off_hears_nothing(play: Play, city: City) -> None:
    device = weather_station(city)
    healthy, _ = play(device)
    best = healthy[0].heard[0].gateway
    fault = Fault(FaultKind.GATEWAY_OFF, city.gateways[best].name, START)
    frames, state = play(device, fault)
    assert all(ear.gateway != best for frame in frames for ear in frame.heard)
    assert frames, "other gateways still hear it"
    assert state.counters[device.thing] == 144


def test_faults_of_others_change_nothing(play: Play, city: City) -> None:
    device = weather_station(city)
    others = [Fault(kind, "behaelter-001", START) for kind in (FaultKind.SILENT, FaultKind.STUCK)]
    assert play(device)[0] == play(device, *others)[0]


def test_the_control_file_disturbs_and_heals_a_running_city(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "city" / "faults.toml"
    board = FaultBoard(path)
    assert board.of("behaelter-001", 5.0) == []
    fault = Fault(FaultKind.DRIFTING, "behaelter-001", 1.0, 10.0, amount=2.5)
    write_faults(path, [fault])
    board.refresh()
    assert board.of("behaelter-001", 5.0) == [fault]
    assert board.of("behaelter-001", 10.0) == []
    assert read_faults(path) == [fault]
    path.write_text(f"{path.read_text()}amount = nan\n".replace("amount = 2.5\n", ""))
    assert "nan" in path.read_text()
    board.refresh()
    assert board.of("behaelter-001", 5.0) == [fault], "an amount that is no number is no fault"
    path.write_text("[[fault]]\nkind = 'melted'\n")
    board.refresh()
    assert board.of("behaelter-001", 5.0) == [fault], "a broken file heals nothing by accident"
    assert "faults.toml" in caplog.text
    write_faults(path, [])
    board.refresh()
    assert board.of("behaelter-001", 5.0) == []


@pytest.mark.parametrize(
    ("kind", "target", "complaint"),
    [
        (FaultKind.GATEWAY_OFF, "behaelter-001", "no gateway"),
        (FaultKind.SILENT, "behaelter-999", "no device"),
        (FaultKind.WRONG_CLOCK, "behaelter-001", "no time of its own"),
        (FaultKind.MODULE_FAILED, "crx-pole-9/air", "no module"),
    ],
)
def test_a_fault_that_cannot_happen_is_refused(
    kind: FaultKind, target: str, complaint: str, city: City
) -> None:
    with pytest.raises(ValueError, match=complaint):
        check(Fault(kind, target, 0.0), city)


@pytest.mark.parametrize(
    ("kind", "until", "amount", "complaint"),
    [
        (FaultKind.DRIFTING, None, float("nan"), "amount nan is not in"),
        (FaultKind.DUPLICATED, None, 2.5, "whole number"),
        (FaultKind.WRONG_CLOCK, None, 1e12, "seconds ahead"),
        (FaultKind.SILENT, None, 1.0, "has no amount"),
        (FaultKind.SILENT, 4.0, 0.0, "is not after since"),
        (FaultKind.SILENT, float("nan"), 0.0, "is not after since"),
        (FaultKind.SILENT, float("inf"), 0.0, "is not after since"),
    ],
)
def test_a_fault_that_cannot_be_meant_is_no_fault(
    kind: FaultKind, until: float | None, amount: float, complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        Fault(kind, "behaelter-001", 5.0, until, amount)


@pytest.mark.parametrize("kind", list(AMOUNTS))
def test_the_largest_amounts_can_still_be_sent(
    kind: FaultKind, city: City, senses: Senses, encoder: Encoder
) -> None:
    """Some device of every type, after ten days of the worst drift or with the most wrong clock."""
    types = {one.profile: one for one in city.devices}
    for device in types.values():
        for amount in AMOUNTS[kind][:2]:
            fault = Fault(kind, device.thing, START, amount=amount)
            values = senses.read(device, np.array([START + 10 * DAY]))[0]
            disturbed = disturb(values, device, START + 10 * DAY, [fault], None)
            sent = Transmission(START + 10 * DAY, device, disturbed, (), 7, 868_100_000, lost=False)
            assert encoder.uplink(sent, 1).payload
