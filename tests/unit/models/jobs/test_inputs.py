"""What a round reads: the same in small portions as at once."""

from datetime import timedelta

import numpy as np
import pytest
from small_city import NOW, fill_bins, fill_stream

from models.jobs import inputs
from models.jobs.inputs import Inputs


@pytest.mark.parametrize("rows", [1, 2000, 5000])
def test_portions_of_any_size_read_the_same(city, monkeypatch, rows):
    fill_bins(city)
    fill_stream(city, days=10)
    of, reads = sorted(city.inventory.datastreams), []
    whole = Inputs(city.store, city.inventory, NOW).series(of, timedelta(days=20))

    class Watched:
        def read(self, datastreams, period, as_of=None):
            reads.append(tuple(datastreams))
            return city.store.read(datastreams, period, as_of=as_of)

    monkeypatch.setattr(inputs, "ROWS_AT_ONCE", rows)
    parts = Inputs(Watched(), city.inventory, NOW).series(of, timedelta(days=20))
    assert len(reads) > 1
    assert sorted(number for some in reads for number in some) == of
    assert sum(len(one) for one in whole.values()) > 5000
    for number, one in whole.items():
        np.testing.assert_array_equal(parts[number].times, one.times)
        np.testing.assert_array_equal(parts[number].values, one.values)
        np.testing.assert_array_equal(parts[number].known_at, one.known_at)
