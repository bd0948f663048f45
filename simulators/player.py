"""Lets time pass in the virtual city: fast while it is behind, then with the clock on the wall.

It never runs ahead of the present. Behind, it sends as fast as it is acknowledged (or at a set speed),
in order of time; the state on disk moves on only over what has been confirmed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from simulators.faults import FaultBoard, FaultKind, disturb
from simulators.sensing import Senses, Values
from simulators.state import CityState
from simulators.timetable import Timetable, Transmission
from simulators.uplinks import Encoder, Uplink
from simulators.ways import Carrier

_SLICE_S = 1_800.0
_LIVE_STEP_S = 0.5
_LIVE_WITHIN_S = 60.0
_HISTORY_BEYOND_S = 900.0
_SAVE_EVERY_S = 5.0
_SAVE_ANYWAY_S = 600.0
_BURST = 64
_ORDER = (2, 0, 1)  # how three frames of a reordering network arrive


class Studio:
    """Makes frames out of what the timetable says, with everything that is wrong at the moment."""

    def __init__(self, encoder: Encoder, senses: Senses, faults: FaultBoard, gateways: Sequence[str]) -> None:
        self._encoder = encoder
        self._senses = senses
        self._faults = faults
        self._gateways = tuple(gateways)
        self._held: dict[str, list[Uplink]] = {}

    def frames(self, one: Transmission, state: CityState) -> list[Uplink]:
        """The frames that arrive because of one transmission: none, one or several."""
        device = one.device
        faults = self._faults.of(device.thing, one.time)
        kinds = {fault.kind: fault for fault in faults}
        if FaultKind.SILENT in kinds:
            return self._release(device.thing)
        f_cnt = state.next_counter(device.thing)
        heard = tuple(
            ear
            for ear in one.heard
            if self._faults.find(FaultKind.GATEWAY_OFF, self._gateways[ear.gateway], one.time) is None
        )
        if one.lost or not heard:
            return []
        stuck = kinds.get(FaultKind.STUCK)
        frozen = self._frozen(one, stuck.since) if stuck else None
        values = disturb(one.values, device, one.time, faults, frozen) if faults else one.values
        uplink = self._encoder.uplink(replace(one, values=values, heard=heard), f_cnt)
        copies = round(kinds[FaultKind.DUPLICATED].amount) if FaultKind.DUPLICATED in kinds else 0
        frames = [uplink] + [
            replace(uplink, time=uplink.time + 1.1 * number, repeat=number) for number in range(1, copies + 1)
        ]
        if FaultKind.REORDERED not in kinds:
            return self._release(device.thing) + frames
        held = self._held.setdefault(device.thing, [])
        held += frames
        return self._release(device.thing) if len(held) >= len(_ORDER) else []

    def release_all(self) -> list[Uplink]:
        """Frames still held back for another order; when the city stops they come as they are."""
        return [frame for thing in list(self._held) for frame in self._release(thing)]

    def _release(self, thing: str) -> list[Uplink]:
        held = self._held.pop(thing, [])
        return [held[number] for number in _ORDER] + held[3:] if len(held) >= len(_ORDER) else held

    def _frozen(self, one: Transmission, since: float) -> Values:
        return self._senses.read(one.device, np.array([min(since, one.time)]))[0]


@dataclass(slots=True)
class Progress:
    """How far the city is: times in epoch seconds, counts of this run."""

    began: float
    time: float
    target: float
    uplinks: int = 0
    frames: int = 0


class Player:
    """The loop of time; `now` gives epoch seconds, `monotonic` seconds of a clock that never jumps."""

    def __init__(
        self,
        timetable: Timetable,
        studio: Studio,
        carriers: Iterable[Carrier],
        faults: FaultBoard,
        state: CityState,
        *,
        save: Callable[[CityState], None],
        report: Callable[[Progress], None],
        now: Callable[[], float],
        monotonic: Callable[[], float],
        until: float | None = None,
        speed: float = 0.0,
        grace_s: float = 5.0,
    ) -> None:
        self._timetable = timetable
        self._studio = studio
        self._carriers = tuple(carriers)
        self._faults = faults
        self._state = state
        self._save = save
        self._report = report
        self._now = now
        self._monotonic = monotonic
        self._until = until
        self._speed = speed
        self._grace_s = grace_s
        self._stopping = asyncio.Event()
        self.live = False
        self._anchored = (0.0, 0.0)
        self.progress = Progress(state.time, state.time, now() if until is None else until)
        self._saved_at = monotonic()

    def stop(self) -> None:
        """End the loop after what is being done."""
        self._stopping.set()

    async def run(self) -> None:
        """Play from the state's time until `until`, or for ever; returns with everything saved."""
        self._anchor()
        while not self._stopping.is_set():
            target = self._target()
            if self._state.time < target:
                await self._play(min(self._state.time + _SLICE_S, target))
                await self._keep()
            if self._until is not None and self._state.time >= self._until:
                break
            self._judge_distance()
            if self._state.time >= target:
                await self._pause()
        await self._finish()

    def _target(self) -> float:
        """How far time may have come by now; never beyond the present."""
        present = self._now() if self._until is None else min(self._until, self._now())
        self.progress.target = self._now() if self._until is None else self._until
        if self._speed > 0 and not self.live:
            virtual, real = self._anchored
            return min(present, virtual + self._speed * (self._monotonic() - real))
        return present

    def _judge_distance(self) -> None:
        """Live from a minute behind; history again after a long sleep of the machine."""
        behind = self._now() - self._state.time
        if behind < _LIVE_WITHIN_S:
            self.live = True
        elif self.live and behind > _HISTORY_BEYOND_S:
            self.live = False
            self._anchor()

    def _anchor(self) -> None:
        self._anchored = (self._state.time, self._monotonic())

    async def _play(self, end: float) -> None:
        """Send everything of one slice of time, with back-pressure while the city is behind."""
        self._faults.refresh()
        for number, one in enumerate(self._timetable.between(self._state.time, end), start=1):
            self.progress.uplinks += 1
            self._carry(self._studio.frames(one, self._state))
            if number % _BURST == 0:
                await self._make_room()
        for carrier in self._carriers:
            carrier.pass_time(end, live=self.live)
        await self._make_room()
        self._state.time = self.progress.time = end
        self._report(self.progress)

    def _carry(self, frames: list[Uplink]) -> None:
        self.progress.frames += len(frames)
        for frame in frames:
            for carrier in self._carriers:
                carrier.carry(frame)

    async def _make_room(self) -> None:
        await asyncio.sleep(0)
        if not self.live:  # a real town does not wait for its listeners
            for carrier in self._carriers:
                await self._or_stop(carrier.room())

    async def _keep(self) -> None:
        """Save now and then: history only when it is confirmed, the present after ten minutes anyway."""
        passed = self._monotonic() - self._saved_at
        if passed < _SAVE_EVERY_S:
            return
        if not self.live:
            await self._settle()
        if not any(carrier.backlog for carrier in self._carriers) or (self.live and passed > _SAVE_ANYWAY_S):
            self._save(self._state)
            self._saved_at = self._monotonic()

    async def _settle(self) -> None:
        """Wait until everything is confirmed, or the city shall stop."""
        for carrier in self._carriers:
            await self._or_stop(carrier.room(empty=True))

    async def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), _LIVE_STEP_S)

    async def _finish(self) -> None:
        """A period that was played to its end is confirmed to its end.

        A city that is stopped gives what is under way a little time; unconfirmed history is sent again
        by the next run.
        """
        self._carry(self._studio.release_all())
        for carrier in self._carriers:
            carrier.pass_time(self._state.time, live=self.live)
        await self._settle()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._grace_s):
                for carrier in self._carriers:
                    await carrier.room(empty=True)
        if self.live or not any(carrier.backlog for carrier in self._carriers):
            self._save(self._state)

    async def _or_stop(self, waiting: Coroutine[Any, Any, None]) -> None:
        """Wait for room, but not longer than until the city shall stop."""
        tasks = (asyncio.create_task(waiting), asyncio.create_task(self._stopping.wait()))
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
