"""The rain that is expected at a place, for the picture that shows what it does there."""

from __future__ import annotations

from datetime import timedelta

import numpy as np

from models.jobs.inputs import Inputs
from models.jobs.rain import RainDesk
from models.jobs.runoff import gauge_weights
from models.report.drawing import Expected
from models.report.wording import number
from models.series import HOUR, Step, step_of
from udp.sensorthings import Location

AHEAD = timedelta(hours=12)
_RARE = 0.9


def rain_expected(
    inputs: Inputs, desk: RainDesk | None, place: Location, step: Step
) -> tuple[Expected | None, str]:
    """Bars of ``step`` for the next twelve hours and a sentence; both say nothing where nothing is known."""
    if desk is None:
        return None, ""
    steps = int(step_of(AHEAD) // step)
    source = desk.expected(inputs, gauge_weights(inputs, place))
    table = source.table(np.array([inputs.now]), step, steps)[:, 0]
    known = np.isfinite(table).all(axis=0)
    reach = int(np.argmin(known)) if not known.all() else steps
    if not reach:
        return None, desk.told(source, inputs.now)[0] + "."
    rain = table[:, :reach]
    times = inputs.now + np.arange(1, reach + 1) * step
    total = rain.sum(axis=1)
    hours = number(float(reach * step / HOUR), 0)
    mean, much = number(float(total.mean()), 1), number(float(np.quantile(total, _RARE)), 1)
    told = (
        f"Erwarteter Regen der nächsten {hours} Stunden: im Mittel {mean} mm, in 9 von 10 Fällen höchstens "
        f"{much} mm."
    )
    return Expected(times, rain.mean(axis=0), np.quantile(rain, _RARE, axis=0)), told
