"""Turn alarms into faults with a beginning, an end and a price: one open case per fault."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.consumption.cases import FAMILIES, QUIET_DAYS, Case, MeterModel, open_cases
from models.consumption.statistics import KINDS, Load
from models.consumption.unit_jump import factor_of, tenth
from models.series import DAY, Booleans, Floats, Instant, Integers

# They need no expectation: they stand also where the expectation is not trusted.
WITHOUT_EXPECTATION = frozenset({"stuck", "never zero"})
_NO_EXCESS = frozenset({"meter", "low"})
CREEPS_AFTER = 21 * DAY
# What a person called fine still climbs through windows of two weeks; what rises later is something else.
SETTLED_AFTER = 21 * DAY
_NAMES: Mapping[float, str] = {
    1e-3: "ein Tausendstel", 1e-2: "ein Hundertstel", 1e-1: "ein Zehntel",
    1e1: "das Zehnfache", 1e2: "das Hundertfache", 1e3: "das Tausendfache",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Fault:
    """One case from opening to its last sign; ``closed_at`` None while it lasts. ``grown`` is the newest
    alarm after the one that opened it: a new fault may hide in an open case; only this tells of it then."""

    family: str
    case: Case
    last_seen_at: Instant
    closed_at: Instant | None
    grown: Case | None = None


def faults(
    model: MeterModel,
    strangeness: Mapping[str, Floats],
    load: Load,
    threshold: float,
    *,
    trusted: bool = True,
    fine_until: Sequence[Instant] = (),
) -> list[Fault]:
    """Faults of the scored period, by opening. Alarms that never fell quiet are one fault whose kind and
    strangeness are those of its strangest alarm. ``trusted`` False: the expectation is not used. What a
    person called fine at one of ``fine_until`` settles for three weeks: a later alarm is another fault."""
    asked = {k: v for k, v in strangeness.items() if trusted or k in WITHOUT_EXPECTATION}
    found: list[Fault] = []
    for case in open_cases(model, asked, load, threshold):
        family = FAMILIES[case.kind]
        seen = _awake_until(asked, family, load, threshold, case.opened_at)
        for place, before in enumerate(found):
            if _same(before, family, case) and not _parted(before, case, fine_until):
                found[place] = _joined(before, case, seen)
                break
        else:
            found.append(Fault(family, case, seen, None))
    end = load.times[-1] if len(load.times) else np.datetime64(0, "us")
    wrong = _wrong_factor(asked, load, threshold) if trusted else np.zeros(len(load.times), dtype=bool)
    named = _with_wrong_factors(found, wrong, load)
    priced = [_priced(model, one, load) for one in named]
    closed = [
        replace(one, closed_at=one.last_seen_at)
        if end - one.last_seen_at > QUIET_DAYS[one.family] * DAY
        else one
        for one in priced
    ]
    return sorted(closed, key=lambda one: one.case.opened_at)


def _same(before: Fault, family: str, case: Case) -> bool:
    """A fault of the meter itself stands for itself; all others of one time tell of one waste, by
    whichever question it shows."""
    if (before.family == "meter") != (family == "meter"):
        return False
    return bool(case.opened_at - before.last_seen_at <= QUIET_DAYS[before.family] * DAY)


def _parted(before: Fault, case: Case, fine_until: Sequence[Instant]) -> bool:
    """A person looked long before this alarm and called fine what there was."""
    return any(before.case.opened_at <= said < case.opened_at - SETTLED_AFTER for said in fine_until)


def _joined(before: Fault, case: Case, seen: Instant) -> Fault:
    """Begins where it began; called what it shows most. What showed otherwise weeks before it crept does not
    creep: the sum of two weeks rises with any waste."""
    worse = case if case.strangeness > before.case.strangeness else before.case
    if worse.kind == "creep" and case.opened_at - before.case.opened_at < CREEPS_AFTER:
        worse = replace(before.case, strangeness=worse.strangeness)
    named = replace(worse, opened_at=before.case.opened_at)
    return Fault(before.family, named, max(seen, before.last_seen_at), None, case)


def _wrong_factor(asked: Mapping[str, Floats], load: Load, threshold: float) -> Booleans:
    """Where the meter counts by a power of ten too much or too little (n,)."""
    low = tenth(load.measured, load.expected, level=load.level, step_hours=load.step_hours)
    return low | (asked["scale"] > threshold) if "scale" in asked else low


def _with_wrong_factors(found: list[Fault], wrong: Booleans, load: Load) -> list[Fault]:
    """Whatever opened while the meter counted by a wrong factor is one fault of the meter, called so: that is
    what to mend, and no waste has a price then."""
    off = np.flatnonzero(wrong)
    for run in np.split(off, np.flatnonzero(np.diff(off) > 2 * load.per_day) + 1):
        if not len(run):
            continue
        start, end = load.times[run[0]] - DAY, load.times[run[-1]] + DAY
        concerned = [one for one in found if start <= one.case.opened_at <= end]
        if concerned:
            found = [one for one in found if one not in concerned]
            found.append(_scale(concerned, run, load))
    return found


def _scale(concerned: list[Fault], run: Integers, load: Load) -> Fault:
    # Six of eight hours tell: five before the first sign were off already.
    few = slice(max(0, run[0] - round(5 / load.step_hours)), run[-1] + 1)
    size = _NAMES.get(factor_of(load.measured[few], load.expected[few]), "etwas ganz anderes")
    since = np.datetime_as_string(load.times[few.start].astype("datetime64[m]")).replace("T", " ")
    reason = f"{KINDS['scale']} Seit {since} UTC zählt er etwa {size} des Erwarteten."
    first = min(concerned, key=lambda one: one.case.opened_at).case
    most = max(one.case.strangeness for one in concerned)
    of_meter = [one.last_seen_at for one in concerned if one.family in _NO_EXCESS]
    case = replace(first, kind="scale", strangeness=most, reason=reason)
    return Fault("meter", case, max([load.times[run[-1]], *of_meter]), None)


def _awake_until(
    asked: Mapping[str, Floats], family: str, load: Load, threshold: float, since: Instant
) -> Instant:
    """Last time the family was strange without a pause that would have closed the case."""
    kinds = [kind for kind in asked if FAMILIES[kind] == family]
    top = np.stack([asked[kind] for kind in kinds]).max(axis=0)
    last = since
    for moment in load.times[(top > threshold) & (load.times >= since)]:
        if moment - last > QUIET_DAYS[family] * DAY:
            break
        last = moment
    return last


def _priced(model: MeterModel, fault: Fault, load: Load) -> Fault:
    """What was used above the expectation from a week before opening to the last sign."""
    if fault.family in _NO_EXCESS:
        return replace(fault, case=replace(fault.case, excess=0.0, cost=0.0))
    inside = (load.times >= fault.case.opened_at - 7 * DAY) & (load.times <= fault.last_seen_at)
    above = np.nan_to_num(load.measured[inside] - load.expected[inside])
    excess = float(np.maximum(above, 0.0).sum())
    return replace(fault, case=replace(fault.case, excess=excess, cost=excess * model.price))
