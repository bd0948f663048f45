"""The true air of classrooms: carbon dioxide by timetable, windows and the number of pupils.

A well-mixed room after ASTM D6245: every present person breathes out 5.2 ml CO2 per second (pupils
somewhat less), the window is opened at breaks by some classes and forgotten by others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulators.almanac import DAY, is_school_day, local_date, offset_s
from simulators.noise import Floats, key_of, smooth, uniform
from simulators.weather import Weather

OUTDOOR_PPM = 425.0
_STEP = 300
_STEPS = DAY // _STEP
# Six lessons and their breaks, minutes after local midnight.
_LESSONS = ((480, 525), (530, 575), (595, 640), (645, 690), (705, 750), (755, 800))
_AFTERNOON = (840, 930)


@dataclass(frozen=True, slots=True)
class Room:
    """One classroom; volume in m3, `diligence` 0-1: how surely somebody opens the windows at breaks."""

    key: str
    volume_m3: float
    pupils: int
    diligence: float


def room(key: str, seed: int) -> Room:
    """A classroom of usual size with a class of its own habits."""
    chance = uniform(key_of(seed, "room", key), np.arange(3))
    return Room(key, 175 + 60 * float(chance[0]), 20 + int(10 * chance[1]), float(chance[2]))


class Rooms:
    """Air of all rooms of one seed."""

    def __init__(self, seed: int, weather: Weather) -> None:
        self._seed = seed
        self._weather = weather
        self._days: dict[tuple[str, int], tuple[Floats, Floats]] = {}

    def co2(self, room: Room, times: Floats) -> Floats:
        """Parts per million."""
        return self._at(room, times, 0)

    def people(self, room: Room, times: Floats) -> Floats:
        """Persons in the room."""
        return self._at(room, times, 1)

    def temperature(self, room: Room, times: Floats) -> Floats:
        """Degrees Celsius: heated to 20.5 in winter, warm in summer, warmer with people."""
        outside = self._weather.temperature(times)
        own = 0.5 * smooth(key_of(self._seed, "room-air", room.key), times, 6 * 3600)
        return np.asarray(
            20.3 + 0.45 * np.clip(outside - 19, 0, None) + 0.05 * self.people(room, times) + own
        )

    def humidity(self, room: Room, times: Floats) -> Floats:
        """Relative humidity inside, per cent, from the water outside and the breath of the class."""
        outside, inside = self._weather.temperature(times), self.temperature(room, times)
        ratio = np.exp(17.625 * outside / (243.04 + outside) - 17.625 * inside / (243.04 + inside))
        percent = self._weather.humidity(times) * ratio + 0.006 * (self.co2(room, times) - OUTDOOR_PPM)
        return np.asarray(np.clip(percent, 15, 85))

    def _at(self, room: Room, times: Floats, which: int) -> Floats:
        result = np.empty(np.shape(times))
        days = np.floor_divide(times, DAY).astype(np.int64)
        for day in np.unique(days):
            chosen = days == day
            curve = self._day(room, int(day))[which]
            position = (times[chosen] - day * DAY) / _STEP
            result[chosen] = np.interp(position, np.arange(_STEPS + 1), curve)
        return result

    def _day(self, room: Room, day: int) -> tuple[Floats, Floats]:
        """CO2 and persons on the five-minute grid of one UTC day.

        The night before has aired the room: a day starts at the outdoor value, which the exchange
        through gaps (0.25 per hour) reaches from any afternoon.
        """
        if (room.key, day) not in self._days:
            if len(self._days) > 400:
                self._days.clear()
            people, exchange = self._timetable(room, day)
            co2 = np.empty(_STEPS + 1)
            co2[0] = OUTDOOR_PPM
            source = people * 4.3e-6 / room.volume_m3 * 1e6  # ppm per second
            for step in range(_STEPS):
                rate = exchange[step] / 3600
                steady = OUTDOOR_PPM + source[step] / rate
                co2[step + 1] = steady + (co2[step] - steady) * np.exp(-rate * _STEP)
            self._days[(room.key, day)] = (co2, np.append(people, 0.0))
        return self._days[(room.key, day)]

    def _timetable(self, room: Room, day: int) -> tuple[Floats, Floats]:
        minutes = (np.arange(_STEPS) * _STEP + offset_s(day)) / 60 % 1440
        people = np.zeros(_STEPS)
        exchange = np.full(_STEPS, 0.25)
        if not is_school_day(local_date(day * DAY + DAY / 2)):
            return people, exchange
        key = key_of(self._seed, "lessons", room.key, day)
        for number, (start, end) in enumerate(_LESSONS):
            if uniform(key, number) < 0.85:
                people[(minutes >= start) & (minutes < end)] = room.pupils + 1
            exchange[(minutes >= start) & (minutes < end)] = 0.5
            if uniform(key, number, 1) < room.diligence:
                exchange[(minutes >= end) & (minutes < end + 15)] = 6.0
        if uniform(key, 20) < 0.35:
            people[(minutes >= _AFTERNOON[0]) & (minutes < _AFTERNOON[1])] = room.pupils // 2
        exchange[(minutes >= 960) & (minutes < 990)] = 4.0  # cleaning, windows wide open
        return people, exchange
