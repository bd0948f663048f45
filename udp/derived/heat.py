"""How warm it feels, by the Heat Index of the US National Weather Service; not the DWD's own figure.

L. P. Rothfusz, NWS Technical Attachment SR 90-23 (1990), with the two adjustments and the simple formula
below 80 °F as the NWS publishes them ("The Heat Index Equation", Weather Prediction Center). Below
40 °F the NWS gives the air temperature. Meant for shade and light wind; the standard error is 1.3 °F.
"""

from __future__ import annotations

import numpy as np

from udp.store.columns import Floats

VERSION = "1"
SOURCE = "Heat Index, National Weather Service (Rothfusz, SR 90-23, 1990); Näherung, nicht vom DWD"


def heat_index(celsius: Floats, humidity: Floats) -> Floats:
    """In °C, of air temperature in °C and relative humidity in %; NaN where either is not a number."""
    warm, wet = celsius * 1.8 + 32, np.clip(humidity, 0.0, 100.0)
    simple = 0.5 * (warm + 61.0 + (warm - 68.0) * 1.2 + wet * 0.094)
    felt = np.where(simple >= 80.0, _regression(warm, wet), simple)
    return (np.where(warm < 40.0, warm, felt) - 32) / 1.8 + 0 * humidity


def _regression(warm: Floats, wet: Floats) -> Floats:
    felt = (
        -42.379
        + 2.04901523 * warm
        + 10.14333127 * wet
        - 0.22475541 * warm * wet
        - 0.00683783 * warm**2
        - 0.05481717 * wet**2
        + 0.00122874 * warm**2 * wet
        + 0.00085282 * warm * wet**2
        - 0.00000199 * warm**2 * wet**2
    )
    dry = (wet < 13) & (warm >= 80) & (warm <= 112)
    felt = felt - np.where(dry, (13 - wet) / 4 * np.sqrt(np.maximum(17 - np.abs(warm - 95), 0) / 17), 0.0)
    damp = (wet > 85) & (warm >= 80) & (warm <= 87)
    return np.asarray(felt + np.where(damp, (wet - 85) / 10 * (87 - warm) / 5, 0.0))
