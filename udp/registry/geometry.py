"""What a distance means depends on where the sensor hangs: mounting measures become scale and offset."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ASKED_FOR = {"fill": ("empty_mm", "full_mm"), "level": ("zero_mm",)}


@dataclass(frozen=True, slots=True)
class Linear:
    """result = scale * value + offset."""

    scale: float
    offset: float


def linear(origin: str | None, geometry: Mapping[str, float], channel: Linear, input_scale: float) -> Linear:
    """How a raw value becomes a result at this place.

    With x = input_scale * value in mm: fill is 100 * (empty_mm - x) / (empty_mm - full_mm) in %,
    level is zero_mm - x in mm; `channel` is applied after that. Without an origin only `channel` is.
    Raises ValueError where the measures make no sense.
    """
    inner = _inner(origin, geometry)
    return Linear(
        scale=channel.scale * inner.scale * input_scale,
        offset=channel.scale * inner.offset + channel.offset,
    )


def _inner(origin: str | None, geometry: Mapping[str, float]) -> Linear:
    if origin == "fill":
        empty, full = geometry["empty_mm"], geometry["full_mm"]
        if empty <= full or full < 0:
            raise ValueError(
                f"empty_mm = {empty:g} must be greater than full_mm = {full:g}, and neither negative: "
                "both are distances from the sensor down to the waste"
            )
        return Linear(-100.0 / (empty - full), 100.0 * empty / (empty - full))
    if origin == "level":
        return Linear(-1.0, geometry["zero_mm"])
    return Linear(1.0, 0.0)
