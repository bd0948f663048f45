"""Ask of a known past: which floods would warnings have announced in time, and how often for nothing?"""

from __future__ import annotations

import numpy as np

from models.forecaster import LEVELS, Leads
from models.jobs.outcome import Trial
from models.rainfall_runoff.events import flood_events, judge_warnings
from models.series import HOUR, Floats, Series, Times

# A gauge without a level of alarm of its own is asked for what is high for it: levels of the learned part
# that were exceeded during five and during one per cent of the time.
HIGH = (0.95, 0.99)
# From which probability on a warning goes out: careful people warn early, and more often for nothing.
PROBABILITIES = (0.2, 0.35, 0.5, 0.65, 0.8)
_APART = 6 * HOUR


def try_warnings(
    learned: Series, level: Series, issued: Times, leads: Leads, bands: Floats
) -> tuple[Trial, ...]:
    """``bands`` (issued, leads, LEVELS) are quantiles forecast at each issue time; events are those of
    ``level`` after the first issue. Nothing where no threshold was ever passed."""
    solid = learned.values[np.isfinite(learned.values)]
    if not len(issued) or not solid.size:
        return ()
    after = level.between(issued[0], issued[-1] + leads[-1] + HOUR)
    found = []
    for threshold in np.unique(np.quantile(solid, HIGH)):
        events = [one for one in flood_events(after, float(threshold), apart=_APART) if one.start > issued[0]]
        chance = _exceedance(bands, float(threshold)).max(axis=1)
        for probability in PROBABILITIES if events else ():
            told = judge_warnings(events, issued=issued, warned=chance >= probability, horizon=leads[-1])
            score = told.score
            figures = (score.hits, score.misses, score.false_alarms, told.notice_hours)
            found.append(Trial(float(threshold), probability, *figures))
    return tuple(found)


def _exceedance(bands: Floats, threshold: float) -> Floats:
    """Probability of lying above, from quantiles (..., LEVELS) by linear interpolation; 0 where unknown."""
    flat = bands.reshape(-1, bands.shape[-1])
    under = np.array(
        [
            np.interp(threshold, row, LEVELS, left=0.0, right=1.0) if np.isfinite(row).all() else 1.0
            for row in flat
        ]
    )
    return (1.0 - under).reshape(bands.shape[:-1])
