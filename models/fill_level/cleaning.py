"""Find the true content behind ultrasonic echoes: obstacles, losses, noise and emptyings in one filter.

A hidden Markov model over the content in 2 cm cells (Rabiner 1989, Proc. IEEE 77): content rises by inflow,
settles a little, slides, and drops to the floor when emptied. A reading is the true distance, or the fixed
echo of an obstacle as long as the content lies below it, or nonsense. Cleaning matters far more than the
forecaster behind it: a running median takes an obstacle that answers every second time for the content.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.compiled import compiled
from models.series import HOUR, Booleans, Floats, Integers, Series, Times

CELL_CM = 2.0
NOISE_CM = 2.0
OBSTACLE_NOISE_CM = 1.5
NONSENSE = 0.02
SETTLING = 0.02
# What lies loose slides: the heap under the sensor loses up to half its height and nobody has come.
SLIDE = 0.008
# Rises per hour: twice what 5 % of depth a day needs, so that what was thrown in is believed at once.
RISE = 0.12
TYPICAL_RISE_CELLS = 2.5
# In longer silence the content grows as the container's own usually does.
SILENCE_HOURS = 6
EMPTYINGS_PER_HOUR = 1.0 / 190.0
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
    known = replace(known, depth_cm=container.depth_cm + below)
    floor = _floor(known)
    emission = _emissions(reading, known)
    rise = np.full(len(reading), RISE)
    forward, _ = _forward(emission, floor, rise)
    if known.obstacle_cm is not None:
        known = _with_share(known, forward, reading)
        emission = _emissions(reading, known)
    rise = np.where(_silent(reading), _pace(forward, reading, known), RISE)
    if known.obstacle_cm is not None or (rise != RISE).any():
        forward, _ = _forward(emission, floor, rise)
    smoothed, emptied = _backward(forward, emission, floor, rise)
    known = replace(known, depth_cm=container.depth_cm)
    content = np.arange(forward.shape[1]) * CELL_CM - below
    mean = forward @ content
    spread = np.sqrt(np.maximum(forward @ content**2 - mean**2, 0.0))
    unit = 100.0 / (known.depth_cm - known.full_cm)
    events = _events(emptied, smoothed @ content, np.isfinite(reading))
    return Cleaned(hour, known.percent(mean), spread * unit, known.percent(smoothed @ content), events, known)


def _hourly(times: Times, values: Floats) -> tuple[Times, Floats]:
    """One slot per hour: the last reading in it, stamped at its end so that nothing is used early."""
    slot = -(-(times - times[0].astype("datetime64[h]")).astype(np.int64) // int(HOUR.astype(np.int64)))
    start = times[0].astype("datetime64[h]").astype("datetime64[us]")
    reading = np.full(int(slot[-1]) + 1, np.nan)
    reading[slot] = values
    return np.asarray(start + np.arange(len(reading)) * HOUR), reading


def find_obstacle(readings: Floats, container: Container) -> Container:
    """A distance from which the next reading falls back (content seems to vanish) far more often than crews
    come is no content. Concentrated within 6 cm, between 25 and 90 cm from the sensor."""
    fall = np.diff(readings) > DROP_CM
    edges = np.arange(OBSTACLE_CM[0], min(OBSTACLE_CM[1], container.depth_cm - 2 * DROP_CM), 1.0)
    if not edges.size or len(readings) < 48:
        return container
    origin = readings[:-1][fall]
    counts = np.array([((origin >= edge - 3) & (origin <= edge + 3)).sum() for edge in edges])
    best = int(np.argmax(counts))
    crews = len(readings) * EMPTYINGS_PER_HOUR
    if counts[best] < max(6.0, 2.5 * crews * 0.3) or counts[best] < 0.25 * len(origin):
        return container
    near = origin[np.abs(origin - edges[best]) <= 3]
    share = float((np.abs(readings - np.median(near)) <= 3).mean())
    return replace(
        container, obstacle_cm=float(np.median(near)), obstacle_share=float(np.clip(share, 0.03, 0.6))
    )


def _with_share(container: Container, forward: Floats, reading: Floats) -> Container:
    """The obstacle's share counts only while it is visible, above the content."""
    if container.obstacle_cm is None:
        return container
    distance = container.depth_cm - forward @ (np.arange(container.cells) * CELL_CM)
    visible = np.isfinite(reading) & (distance > container.obstacle_cm + DROP_CM)
    if visible.sum() < 24:
        return container
    share = float((np.abs(reading[visible] - container.obstacle_cm) <= 3).mean())
    return replace(container, obstacle_share=float(np.clip(share, 0.02, 0.7)))


def _silent(reading: Floats) -> Booleans:
    """Hours in which nothing came for longer than SILENCE_HOURS."""
    position = np.arange(len(reading))
    last = np.maximum.accumulate(np.where(np.isfinite(reading), position, 0))
    return np.asarray(position - last > SILENCE_HOURS)


def _pace(forward: Floats, reading: Floats, container: Container) -> float:
    """Rises per hour that explain what came between heard hours, no more than RISE."""
    heard = np.flatnonzero(np.isfinite(reading))
    change = np.diff(forward[heard] @ np.arange(container.cells, dtype=np.float64))
    going = np.abs(change) < DROP_CM / CELL_CM
    hours = float(np.diff(heard)[going].sum())
    cells = (float(change[going].sum()) + 12.0 * RISE * TYPICAL_RISE_CELLS) / (hours + 24.0)
    return float(np.clip(cells / TYPICAL_RISE_CELLS, 0.0, RISE))


def _emissions(reading: Floats, container: Container) -> Floats:
    """Likelihood of each hour's reading under each content, (hours, cells); ones where nothing came."""
    distance = container.depth_cm - np.arange(container.cells) * CELL_CM
    x = np.where(np.isfinite(reading), reading, 0.0)[:, None]
    true = _bell(x - np.maximum(distance, 5.0)[None, :], NOISE_CM)
    share = np.zeros(container.cells)
    ghost = np.zeros_like(x)
    if container.obstacle_cm is not None:
        share = np.where(distance > container.obstacle_cm + CELL_CM, container.obstacle_share, 0.0)
        ghost = _bell(x - container.obstacle_cm, OBSTACLE_NOISE_CM)
    likelihood = (1 - NONSENSE) * ((1 - share) * true + share * ghost) + NONSENSE / container.depth_cm
    return np.where(np.isfinite(reading)[:, None], likelihood, 1.0)


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


@compiled
def _moved(belief: Floats, rise: float) -> Floats:
    """One hour of inflow, settling and sliding without emptying: geometric rises kept within the container,
    falls to anything between half and all of the height."""
    n = len(belief)
    out = np.zeros(n)
    keep = 1.0 - 1.0 / TYPICAL_RISE_CELLS
    up, begun = 0.0, np.zeros(n + 1)
    for s in range(n):
        slides = SLIDE if s > 1 else 0.0
        out[s] += (1.0 - rise - SETTLING - slides) * belief[s] + up * (1.0 - keep)
        up = up * keep + rise * belief[s]
        out[max(s - 1, 0)] += SETTLING * belief[s]
        if slides > 0.0:
            share = slides * belief[s] / (s // 2)
            begun[s - s // 2] += share
            begun[s] -= share
    out[n - 1] += up
    sliding = 0.0
    for s in range(n):
        sliding += begun[s]
        out[s] += sliding
    return out


@compiled
def _moved_back(message: Floats, rise: float) -> Floats:
    """Transpose of `_moved`."""
    n = len(message)
    out = np.zeros(n)
    keep = 1.0 - 1.0 / TYPICAL_RISE_CELLS
    up, until = message[n - 1], np.zeros(n + 1)
    for s in range(n):
        until[s + 1] = until[s] + message[s]
    for s in range(n - 1, -1, -1):
        slides = SLIDE if s > 1 else 0.0
        out[s] = (1.0 - rise - SETTLING - slides) * message[s] + SETTLING * message[max(s - 1, 0)] + rise * up
        up = (1.0 - keep) * message[s] + keep * up
        if slides > 0.0:
            out[s] += slides * (until[s] - until[s - s // 2]) / (s // 2)
    return out


@compiled
def _forward(emission: Floats, floor: Floats, rise: Floats) -> tuple[Floats, Floats]:
    """Filtered beliefs (hours, cells) and the share of belief that an emptying happened in the hour."""
    hours, n = emission.shape
    belief = np.empty((hours, n))
    crew = np.zeros(hours)
    now = np.full(n, 1.0 / n) * emission[0]
    belief[0] = now / now.sum()
    for t in range(1, hours):
        risen = _moved(belief[t - 1], rise[t]) * (1.0 - EMPTYINGS_PER_HOUR)
        fresh = floor * EMPTYINGS_PER_HOUR
        a, b = (risen * emission[t]).sum(), (fresh * emission[t]).sum()
        total = a + b
        if total < 1e-300:
            belief[t] = belief[t - 1]
            continue
        belief[t] = (risen + fresh) * emission[t] / total
        crew[t] = b / total
    return belief, crew


@compiled
def _backward(belief: Floats, emission: Floats, floor: Floats, rise: Floats) -> tuple[Floats, Floats]:
    """Smoothed beliefs and smoothed probability of an emptying per hour (forward-backward)."""
    hours, n = belief.shape
    smooth = np.empty((hours, n))
    crew = np.zeros(hours)
    message = np.ones(n)
    smooth[hours - 1] = belief[hours - 1]
    for t in range(hours - 1, 0, -1):
        weighted = emission[t] * message
        stay = _moved_back(weighted, rise[t]) * (1.0 - EMPTYINGS_PER_HOUR)
        fresh = EMPTYINGS_PER_HOUR * (floor * weighted).sum()
        previous = belief[t - 1]
        rest = (previous * stay).sum()
        total = rest + fresh
        if total < 1e-300:
            message = np.ones(n)
            smooth[t - 1] = previous
            continue
        crew[t] = fresh / total
        message = (stay + fresh) / total
        joint = previous * message
        smooth[t - 1] = joint / joint.sum()
    return smooth, crew


def _events(crew: Floats, content: Floats, heard: Booleans) -> Booleans:
    """Hours of emptyings: the probability gathered over a gap counts once, at its middle, and the content
    must really have dropped."""
    out = np.zeros(len(crew), dtype=bool)
    for start, end in _runs((crew > 0.02) | ((crew > 0.003) & ~heard)):
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
