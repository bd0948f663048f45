"""Columns of numpy as JSON text, without a Python object per cell."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import numpy as np

from udp.sensorthings import Quality, QualityRule
from udp.store.columns import Floats, Times

QUALITY = {int(one): one.name.lower() for one in Quality}
RULE = {int(one): one.name.lower() for one in QualityRule}


def times(moments: Times) -> list[str]:
    """ISO 8601 with Z; fractions of a second only where there are any."""
    whole = moments.astype("datetime64[s]")
    coarse = np.datetime_as_string(whole, unit="s", timezone="UTC")
    if bool(np.all(whole == moments)):
        return list(coarse.tolist())
    fine = np.datetime_as_string(moments, unit="us", timezone="UTC")
    return list(np.where(whole == moments, coarse, fine).tolist())


def time(moment: datetime) -> str:
    """One moment, as `times` writes it."""
    return moment.isoformat().replace("+00:00", "Z")


def numbers(values: Floats) -> list[str]:
    """Shortest text that reads back as the same float; null for what JSON cannot say."""
    return [repr(one) if math.isfinite(one) else "null" for one in values.tolist()]


def quality_words(flags: Sequence[int]) -> list[str]:
    """`Quality` by name; an unknown number stays visible as `quality_<n>`."""
    return [QUALITY.get(one, f"quality_{one}") for one in flags]


def rule_words(flags: Sequence[int]) -> list[str]:
    """`QualityRule` by name; an unknown number stays visible as `rule_<n>`."""
    return [RULE.get(one, f"rule_{one}") for one in flags]


def micros(moment: datetime) -> np.datetime64:
    """An aware UTC moment as the store's columns hold it."""
    return np.datetime64(moment.replace(tzinfo=None), "us")
