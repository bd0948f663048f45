"""Times and durations as people write them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from udp.api import query
from udp.api.problems import InvalidRequest

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1s", 1), ("15m", 900), ("15min", 900), ("1h", 3600), ("1d", 86400), ("PT15M", 900), ("PT1H", 3600),
     ("P1D", 86400), ("P1W", 604800), ("P1DT12H", 129600), ("PT90S", 90)],
)  # fmt: skip
def test_durations(text, seconds):
    assert query.every(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "P", "PT", "h", "1", "-1h", "1.5h", "P1Y", "P1M", "PT0S", "٣h", "1 fortnight"]
)
def test_what_is_no_duration(text):
    with pytest.raises(InvalidRequest):
        query.every(text)


@given(st.integers(1, 366 * 86400))
def test_durations_read_back_as_they_were_written(seconds):
    bucket = timedelta(seconds=seconds)
    assert query.every(query.duration(bucket)) == bucket


@given(st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.timezones()))  # noqa: DTZ001
def test_every_moment_with_an_offset_is_understood(moment):
    assert query.moment("from", moment.isoformat()) == moment.astimezone(UTC)


def test_the_last_day_is_the_default():
    asked = query.period(None, None, NOW)
    assert (asked.start, asked.end) == (NOW - timedelta(days=1), NOW)


def test_a_date_alone_is_its_beginning():
    assert query.moment("from", "2026-11-20") == datetime(2026, 11, 20, tzinfo=UTC)
