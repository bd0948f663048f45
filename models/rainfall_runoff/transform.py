"""Make errors of drought and flood comparable: a Box-Cox scale above the lowest level a gauge can show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.series import Floats

LENGTHS = frozenset({"m", "cm", "mm"})
# Manning's formula for a wide channel: discharge grows with the 5/3 power of depth (Chow 1959, ch. 6). On
# that scale a level answers rain as a discharge does, and a flood above all known is not overdrawn.
STAGE_BEND = 5.0 / 3.0


@dataclass(frozen=True, slots=True)
class FlowScale:
    """z = ((u + lift)^power - 1) / power with u = y - origin (Box & Cox 1964), continued
    as its tangent below the origin: water lower than ever measured is still water. ``lift`` keeps the driest
    finite. ``ceiling`` bounds what is ever answered: beyond it nothing has basis. ``bend`` is the power that
    turns the target into a discharge; powers asked for are powers of discharge."""

    origin: float
    lift: float
    power: float
    ceiling: float
    floor: float
    bend: float = 1.0

    @classmethod
    def learn(cls, values: Floats, unit: str, *, power: float = 0.2) -> FlowScale:
        """From measured values: a level counts from the lowest of its record, since its zero is arbitrary, a
        discharge from nothing."""
        solid = values[np.isfinite(values)]
        low, median, high = float(solid.min()), float(np.median(solid)), float(solid.max())
        stage = unit in LENGTHS
        origin = low if stage or low < 0 else 0.0
        lift = max(0.1 * (median - origin), 1e-3 * (high - origin), 1e-9)
        bend = STAGE_BEND if stage else 1.0
        floor = -np.inf if stage else min(low, 0.0)
        return cls(origin, lift, power * bend, high + 2.0 * (high - low), floor, bend)

    def with_power(self, power: float) -> FlowScale:
        """Same gauge, other curvature: 1 counts litres, 0.2 counts percent."""
        return replace(self, power=power * self.bend)

    @property
    def flow_power(self) -> float:
        """The curvature as a power of discharge."""
        return self.power / self.bend

    def forward(self, y: Floats) -> Floats:
        """Value -> z."""
        u = y - self.origin
        dry = (self.lift**self.power - 1.0) / self.power
        wet = ((np.maximum(u, 0.0) + self.lift) ** self.power - 1.0) / self.power
        return np.asarray(np.where(u >= 0, wet, dry + u * self.lift ** (self.power - 1.0)))

    def wetness(self, y: Floats) -> Floats:
        """Height above the driest, never nothing; the zero of a level is arbitrary, so it varies less."""
        least = self.lift if self.bend == 1.0 else 10.0 * self.lift
        return np.asarray(np.maximum(y - self.origin, 0.0) + least)

    def back(self, z: Floats, now: Floats) -> Floats:
        """z -> value, within floor and ceiling. ``now`` broadcasts with z: water that already stands above
        all that was learned from may still rise by a third of the whole range."""
        dry = (self.lift**self.power - 1.0) / self.power
        wet = np.maximum(self.power * np.maximum(z, dry) + 1.0, 1e-300) ** (1.0 / self.power) - self.lift
        u = np.where(z >= dry, wet, (z - dry) * self.lift ** (1.0 - self.power))
        ceiling = np.maximum(self.ceiling, now + (self.ceiling - self.origin) / 3.0)
        return np.asarray(np.clip(u + self.origin, self.floor, ceiling))
