"""Find the true content behind ultrasonic echoes: obstacles, losses, noise and emptyings in one filter.

A reading is the true distance, or the fixed echo of an obstacle as long as the content lies below it, or
nonsense; `hidden` believes from that how the content moved, and when a crew came. Cleaning matters far more
than the forecaster behind it: a running median takes an obstacle that answers every second time for the
content.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.fill_level.hidden import NONSENSE, Belief, Heard, Pace, backward, forward, moved
from models.series import HOUR, Booleans, Floats, Integers, Series, Times

CELL_CM = 2.0
NOISE_CM = 2.0
OBSTACLE_NOISE_CM = 1.5
OBSTACLE_SPREAD_CM = 3.0
# Rises per hour: twice what 5 % of depth a day needs, so that what was thrown in is believed at once.
USUAL = Pace(rises=0.12, cells=2.5, crews=1.0 / 190.0)
# Paper containers are full in hours. What rises so many times faster than USUAL has a pace of its own, from
# what was believed before (twice: crews that were missed hide inflow).
FAST = 2.0
LEARN_ROUNDS = 2
# In longer silence the content grows as the container's own usually does.
SILENCE_HOURS = 6
FLOOR_SPREAD_CM = 6.0
DROP_CM = 8.0
LEAST_DROP_CM = 6.0
OBSTACLE_CM = (25.0, 90.0)
BLIND_CM = 10.0


@dataclass(frozen=True, slots=True)
class Container:
    """Geometry: ``depth_cm`` from sensor to floor when empty, ``full_cm`` from sensor to the content that
    counts as full. ``obstacle_cm`` and its share of readings are found in the data (None = none)."""

    depth_cm: float
    full_cm: float = 0.0
    obstacle_cm: float | None = None
    obstacle_share: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.full_cm < self.depth_cm:
            raise ValueError(
                f"full at {self.full_cm} cm and empty at {self.depth_cm} cm: swap or correct them"
            )

    @property
    def cells(self) -> int:
        """Number of content cells."""
        return int(np.ceil(self.depth_cm / CELL_CM)) + 1

    @property
    def visible_percent(self) -> float:
        """Fill up to which a rise is seen: nearer than the blind zone every echo says the same."""
        room = self.depth_cm - BLIND_CM - CELL_CM
        return float(min(100.0 * room / (self.depth_cm - self.full_cm), 97.0))

    def percent(self, content_cm: Floats) -> Floats:
        """Content above the floor (cm) -> fill (%)."""
        return np.asarray(np.clip(100.0 * content_cm / (self.depth_cm - self.full_cm), 0.0, 110.0))


@dataclass(frozen=True, slots=True)
class Cleaned:
    """``filtered`` and its ``spread`` use only what was known at each time; ``smoothed`` uses the whole
    record and serves learning. All in percent, (n,). ``emptied`` marks the hours in which a crew came."""

    times: Times
    filtered: Floats
    spread: Floats
    smoothed: Floats
    emptied: Booleans
    container: Container


def clean(distance_cm: Series, container: Container) -> Cleaned | None:
    """Hourly content from raw distances; codes outside (0, 1.15 depth) are "no echo". None for fewer than
    three usable readings."""
    distance_cm = distance_cm.without_strays()
    usable = np.isfinite(distance_cm.values) & (distance_cm.values > 0)
    usable &= distance_cm.values < 1.15 * container.depth_cm
    if usable.sum() < 3:
        return None
    hour, reading = _hourly(distance_cm.times[usable], distance_cm.values[usable])
    known = find_obstacle(reading[np.isfinite(reading)], container)
    below = _below_the_floor(reading, container)
    known, heard = _first_hearing(reading, replace(known, depth_cm=container.depth_cm + below))
    belief, smoothed, crew, pace = _believed(heard, known)
    known = replace(known, depth_cm=container.depth_cm)
    content = _content(smoothed.seen.shape[1]) - below
    mean, level = belief.mean(content), smoothed.mean(content)
    spread = np.sqrt(np.maximum(belief.mean(content**2) - mean**2, 0.0))
    unit = 100.0 / (known.depth_cm - known.full_cm)
    events = _events(crew, level, np.isfinite(reading), pace.crews)
    return Cleaned(hour, known.percent(mean), spread * unit, known.percent(level), events, known)


def _content(cells: int) -> Floats:
    """Above the floor (cm) in each cell."""
    return np.asarray(np.arange(cells) * CELL_CM, dtype=np.float64)


def _first_hearing(reading: Floats, container: Container) -> tuple[Container, Heard]:
    """With the share of an obstacle, and how fast it fills in silence, from a first look."""
    heard = _heard(reading, container, np.full(len(reading), USUAL.rises))
    content = forward(heard, _floor(container), USUAL).mean(_content(container.cells))
    rises = np.where(_silent(reading), _pace(content, reading), USUAL.rises)
    if container.obstacle_cm is None:
        return container, replace(heard, rises=rises)
    container = _with_share(container, content, reading)
    return container, _heard(reading, container, rises)


def _believed(heard: Heard, container: Container) -> tuple[Belief, Belief, Floats, Pace]:
    """Belief at each hour and in hindsight, chance of an emptying in each hour, and the pace behind them."""
    floor, pace = _floor(container), USUAL
    belief = forward(heard, floor, pace)
    smoothed, crew = backward(belief, heard, floor, pace)
    for _ in range(LEARN_ROUNDS):
        if (learned := _learned(smoothed.mean(_content(container.cells)), crew)) is None:
            break
        pace = learned
        # Some has come again before the crew is an hour gone.
        floor = moved(_floor(container), pace.rises, pace.cells)
        heard = replace(heard, rises=np.where(_silent(heard.reading), 0.5 * pace.rises, pace.rises))
        belief = forward(heard, floor, pace)
        smoothed, crew = backward(belief, heard, floor, pace)
    return belief, smoothed, crew, pace


def _learned(content: Floats, crew: Floats) -> Pace | None:
    """What fills in hours rises more often and by more, and is emptied more often. None: as usual."""
    change = np.diff(content) / CELL_CM
    going = change > -DROP_CM / CELL_CM
    rise = 2.0 * float(change[going].sum()) / max(len(change), 1)
    faster = rise / (USUAL.rises * USUAL.cells)
    if faster < FAST:
        return None
    crews = max(USUAL.crews, float(crew.sum()) / len(crew))
    return Pace(min(USUAL.rises * faster**0.5, 0.5), USUAL.cells * faster**0.5, crews)


def _hourly(times: Times, values: Floats) -> tuple[Times, Floats]:
    """One slot per hour: the last reading in it, stamped at its end so that nothing is used early."""
    slot = -(-(times - times[0].astype("datetime64[h]")).astype(np.int64) // int(HOUR.astype(np.int64)))
    start = times[0].astype("datetime64[h]").astype("datetime64[us]")
    reading = np.full(int(slot[-1]) + 1, np.nan)
    reading[slot] = values
    return np.asarray(start + np.arange(len(reading)) * HOUR), reading


def find_obstacle(readings: Floats, container: Container) -> Container:
    """A distance to which readings jump, and from which they fall back to where they were, far more often
    than crews come is no content. Concentrated within 6 cm, between 25 and 90 cm from the sensor."""
    edges = np.arange(OBSTACLE_CM[0], min(OBSTACLE_CM[1], container.depth_cm - 2 * DROP_CM), 1.0)
    if not edges.size or len(readings) < 48:
        return container
    origin = _there_and_back(readings)
    counts = np.array([((origin >= edge - 3) & (origin <= edge + 3)).sum() for edge in edges])
    best = int(np.argmax(counts))
    crews = len(readings) * USUAL.crews
    if counts[best] < max(6.0, 2.5 * crews * 0.3) or counts[best] < 0.25 * len(origin):
        return container
    near = origin[np.abs(origin - edges[best]) <= 3]
    share = float((np.abs(readings - np.median(near)) <= 3).mean())
    return replace(
        container, obstacle_cm=float(np.median(near)), obstacle_share=float(np.clip(share, 0.03, 0.6))
    )


def _there_and_back(readings: Floats) -> Floats:
    """Distances nearer than what was heard just before and just after. A crew empties what has grown."""
    leaves = np.append(True, np.abs(np.diff(readings)) > OBSTACLE_SPREAD_CM)
    begins = np.flatnonzero(leaves)[1:-1]
    ends = np.flatnonzero(leaves)[2:]
    before, here, after = readings[begins - 1], readings[begins], readings[ends]
    back = (before - here > DROP_CM) & (after - here > DROP_CM) & (np.abs(after - before) <= 2 * DROP_CM)
    return np.asarray(here[back])


def _with_share(container: Container, content: Floats, reading: Floats) -> Container:
    """The obstacle's share counts only while it is visible, above the content."""
    if container.obstacle_cm is None:
        return container
    visible = np.isfinite(reading) & (container.depth_cm - content > container.obstacle_cm + DROP_CM)
    if visible.sum() < 24:
        return container
    share = float((np.abs(reading[visible] - container.obstacle_cm) <= 3).mean())
    return replace(container, obstacle_share=float(np.clip(share, 0.02, 0.7)))


def _silent(reading: Floats) -> Booleans:
    """Hours in which nothing came for longer than SILENCE_HOURS."""
    position = np.arange(len(reading))
    last = np.maximum.accumulate(np.where(np.isfinite(reading), position, 0))
    return np.asarray(position - last > SILENCE_HOURS)


def _pace(content: Floats, reading: Floats) -> float:
    """Rises per hour that explain what came between heard hours, no more than usual."""
    heard = np.flatnonzero(np.isfinite(reading))
    change = np.diff(content[heard] / CELL_CM)
    going = np.abs(change) < DROP_CM / CELL_CM
    hours = float(np.diff(heard)[going].sum())
    cells = (float(change[going].sum()) + 12.0 * USUAL.rises * USUAL.cells) / (hours + 24.0)
    return float(np.clip(cells / USUAL.cells, 0.0, USUAL.rises))


def _heard(reading: Floats, container: Container, rises: Floats) -> Heard:
    distance = container.depth_cm - _content(container.cells)
    likely = np.where(np.isfinite(reading)[:, None], _of_content(reading, container), 1.0)
    return Heard(reading, distance, likely, rises)


def _of_content(reading: Floats, container: Container) -> Floats:
    """Likelihood of each hour's reading under each content, (hours, cells)."""
    distance = container.depth_cm - np.arange(container.cells) * CELL_CM
    x = reading[:, None]
    true = _bell(x - np.maximum(distance, 5.0)[None, :], NOISE_CM)
    share = np.zeros(container.cells)
    ghost = np.zeros_like(x)
    if container.obstacle_cm is not None:
        share = np.where(distance > container.obstacle_cm + CELL_CM, container.obstacle_share, 0.0)
        ghost = _bell(x - container.obstacle_cm, OBSTACLE_NOISE_CM)
    return np.asarray((1 - NONSENSE) * ((1 - share) * true + share * ghost) + NONSENSE / container.depth_cm)


def _bell(x: Floats, width: float) -> Floats:
    return np.asarray(np.exp(-0.5 * (x / width) ** 2) / (width * np.sqrt(2 * np.pi)))


def _below_the_floor(reading: Floats, container: Container) -> float:
    """How much farther than to the floor of the register is heard again and again (cm): the sensor is mounted
    higher, or was moved. What lies there is content below zero, not nonsense."""
    farther = float(np.nanquantile(reading, 0.99)) - container.depth_cm
    return farther if farther > CELL_CM else 0.0


def _floor(container: Container) -> Floats:
    """Where the content is after an emptying."""
    content = np.arange(container.cells) * CELL_CM
    weight = np.exp(-0.5 * (content / FLOOR_SPREAD_CM) ** 2)
    return np.asarray(weight / weight.sum())


def _events(crew: Floats, content: Floats, heard: Booleans, usual: float) -> Booleans:
    """Hours of emptyings: the probability gathered over a gap counts once, at its middle, and the content
    must really have dropped."""
    out = np.zeros(len(crew), dtype=bool)
    for start, end in _runs((crew > 4.0 * usual) | ((crew > 0.6 * usual) & ~heard)):
        low, high = max(0, start - 2), min(len(crew) - 1, end + 2)
        before, after = content[max(0, low - 1) : start + 1].max(), content[end : high + 1].min()
        gathered = np.cumsum(crew[start : end + 1])
        if gathered[-1] > 0.5 and before - after > LEAST_DROP_CM:
            out[start + int(np.searchsorted(gathered, 0.5 * gathered[-1]))] = True
    return out & _heard_around(heard)


def _heard_around(heard: Booleans) -> Booleans:
    """Nothing is claimed in silence that never ends."""
    last = len(heard) - 1 - int(np.argmax(heard[::-1]))
    return np.arange(len(heard)) <= last


def _runs(mask: Booleans) -> list[tuple[int, int]]:
    index: Integers = np.flatnonzero(mask)
    if not index.size:
        return []
    groups = np.split(index, np.flatnonzero(np.diff(index) > 3) + 1)
    return [(int(group[0]), int(group[-1])) for group in groups]
