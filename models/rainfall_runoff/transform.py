"""Make errors of drought and flood comparable: a Box-Cox scale above the lowest level a gauge can show."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from models.series import Floats

LENGTHS = frozenset({"m", "cm", "mm"})


@dataclass(frozen=True, slots=True)
class FlowScale:
    """z = ((u + lift)^power - 1) / power with u = y - origin (Box & Cox 1964), continued
    as its tangent below the origin: water lower than ever measured is still water. ``lift`` keeps the driest
    finite. ``ceiling`` bounds what is ever answered: beyond it nothing has basis."""

    origin: float
    lift: float
    power: float
    ceiling: float
    floor: float

    @classmethod
    def learn(cls, values: Floats, unit: str, *, power: float = 0.2) -> FlowScale:
        """From measured values: a level counts from the lowest of its record, since its zero is arbitrary, a
        discharge from nothing."""
        solid = values[np.isfinite(values)]
        low, median, high = float(solid.min()), float(np.median(solid)), float(solid.max())
        stage = unit in LENGTHS
        origin = low if stage or low < 0 else 0.0
        lift = max(0.1 * (median - origin), 1e-3 * (high - origin), 1e-9)
        return cls(origin, lift, power, high + 2.0 * (high - low), -np.inf if stage else min(low, 0.0))

    def with_power(self, power: float) -> FlowScale:
        """Same gauge, other curvature: 1 counts litres, 0.2 counts percent."""
        return replace(self, power=power)

    def forward(self, y: Floats) -> Floats:
        """Value -> z."""
        u = y - self.origin
        dry = (self.lift**self.power - 1.0) / self.power
        wet = ((np.maximum(u, 0.0) + self.lift) ** self.power - 1.0) / self.power
        return np.asarray(np.where(u >= 0, wet, dry + u * self.lift ** (self.power - 1.0)))

    def back(self, z: Floats) -> Floats:
        """z -> value, within floor and ceiling."""
        dry = (self.lift**self.power - 1.0) / self.power
        wet = np.maximum(self.power * np.maximum(z, dry) + 1.0, 1e-300) ** (1.0 / self.power) - self.lift
        u = np.where(z >= dry, wet, (z - dry) * self.lift ** (1.0 - self.power))
        return np.asarray(np.clip(u + self.origin, self.floor, self.ceiling))
