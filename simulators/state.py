"""What the virtual city remembers between two runs: its beginning, its time, every frame counter.

A device whose frame counter starts again would be refused, and rightly: so the counters are on disk.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(slots=True)
class CityState:
    """Times in epoch seconds; `counters` holds the next FCnt by Thing key."""

    seed: int
    began: float
    time: float
    counters: dict[str, int] = field(default_factory=dict)

    def next_counter(self, thing: str) -> int:
        """The counter for the next frame of a Thing; it is spent by asking."""
        number = self.counters.get(thing, 0)
        self.counters[thing] = number + 1
        return number


def read_state(path: Path, seed: int) -> CityState | None:
    """The state of the last run, None before the first. ValueError if it belongs to another city."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path}: not readable ({error}); remove it to begin a new city") from error
    try:
        state = CityState(
            seed=int(content["seed"]),
            began=float(content["began"]),
            time=float(content["time"]),
            counters={str(thing): int(number) for thing, number in content["counters"].items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{path}: not a state of the city ({error!r}); remove it to begin anew") from error
    if state.seed != seed:
        raise ValueError(f"{path}: this city was made with seed {state.seed}, the settings say {seed}")
    return state


def write_state(path: Path, state: CityState) -> None:
    """Replace the file in one step: after a power cut there is the old state or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(
            {"seed": state.seed, "began": state.began, "time": state.time, "counters": state.counters}, file
        )
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
