"""How many digits of a result are kept: as many as every engine gives back unchanged."""

from __future__ import annotations

import numpy as np

from udp.store.columns import Floats

# No sensor resolves more; what lies below is the noise of binary fractions (21.900000000000002), and
# VictoriaMetrics, which turns floats into decimals, gives back twelve digits and then another (1.79).
_DIGITS = 12
_POWERS = 10.0 ** np.arange(23)  # all of them exact


def rounded(values: Floats) -> Floats:
    """To twelve significant digits, all at once; rounding again changes nothing.

    What has more digits before its point than that (counters) or is below 1e-11 stays as it is.
    """
    size = np.abs(values)
    meant = (size > 1e-11) & (size < 10.0**_DIGITS)
    safe = np.where(meant, values, 1.0)
    first = np.floor(np.log10(np.abs(safe))).astype(np.int64)
    power = _POWERS[np.clip(_DIGITS - 1 - first, 0, len(_POWERS) - 1)]
    return np.where(meant, np.round(safe * power) / power, values)
