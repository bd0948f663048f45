"""Water whose course is known, for every test that needs a basin and not a stream."""

from collections.abc import Callable

import numpy as np
import pytest

from models.series import Floats


@pytest.fixture
def slow_store() -> Callable[[Floats], Floats]:
    """Runoff (mm a day) of one linear store that half of the rain reaches."""

    def runoff(rain: Floats) -> Floats:
        store, flow = 100.0, np.empty(len(rain))
        for i, fallen in enumerate(rain):
            store += 0.5 * fallen
            flow[i] = 0.02 * store
            store -= flow[i]
        return flow

    return runoff
