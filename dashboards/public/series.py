"""What one chart draws, and exactly the same numbers as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from dashboards.public.quantities import Drawing, quantity
from dashboards.public.snapshot import Place, Stream
from udp.sensorthings import Quality, QualityRule


@dataclass(frozen=True, slots=True)
class Sample:
    """One drawn point. `at` is where it stands; a bucket begins half its width earlier.

    `low` and `high` are the span within a bucket, equal to `value` for a single measurement;
    `count` is how many measurements it stands for.
    """

    at: datetime
    value: float
    low: float
    high: float
    count: int = 1
    quality: Quality = Quality.UNCHECKED
    rule: QualityRule = QualityRule.NONE


@dataclass(frozen=True, slots=True)
class Series:
    """Samples in [start, end), ascending. `bucket` is zero for single measurements.

    Neighbours further apart than `reach` are not joined: a gap stays a gap. `hidden` counts bad
    measurements that were left out.
    """

    start: datetime
    end: datetime
    samples: Sequence[Sample]
    bucket: timedelta
    reach: timedelta
    fetched_at: datetime
    hidden: int = 0

    def runs(self) -> Iterator[list[Sample]]:
        """The stretches that may be joined by a line."""
        run: list[Sample] = []
        for sample in self.samples:
            if run and sample.at - run[-1].at > self.reach:
                yield run
                run = []
            run.append(sample)
        if run:
            yield run

    def gaps(self) -> list[tuple[datetime, datetime]]:
        """Silence between samples and after the last; as long as `reach` it is none.

        Before the first there may have been no sensor yet.
        """
        half = self.bucket / 2
        times = [sample.at for sample in self.samples]
        found = [
            (before + half, after - half) for before, after in pairwise(times) if after - before > self.reach
        ]
        # The hour that is running may have no value yet.
        if times and self.fetched_at - times[-1] > self.reach:
            found.append((times[-1] + half, self.fetched_at))
        return found

    def began(self, sample: Sample) -> datetime:
        """When the time begins that the sample stands for."""
        return sample.at - self.bucket / 2


def reach(bucket: timedelta, interval: timedelta) -> timedelta:
    """How far apart neighbours may be: two expected intervals, as for the age of values.

    A device that sends hourly leaves a clock hour out now and then by seconds of jitter; that is
    no gap.
    """
    return max(bucket, 2 * interval)


def to_csv(series: Series, stream: Stream, place: Place) -> str:
    """The drawn numbers, unrounded; unit, licence and origin stand in every line, named as the API does."""
    drawing = quantity(stream.observed_property).drawing
    origin = {
        "unit": "%" if drawing is Drawing.SHARE else stream.unit,
        "observed_property": stream.observed_property,
        "datastream": str(stream.id),
        "thing": place.key,
        "thing_name": place.name,
        "licence": stream.licence,
        "simulated": "true" if place.simulated else "false",
        "notice": stream.notice,
        "retrieved_at": _iso(series.fetched_at),
    }
    tail = [_cell(text) for text in origin.values()]
    head, row = (_SINGLE, _single) if not series.bucket else (_BUCKETS[drawing], _bucket_of(series, drawing))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([*head, *origin])
    writer.writerows([*row(sample), *tail] for sample in series.samples)
    return text.getvalue()


_SINGLE = ("phenomenon_time", "value", "quality", "rule")
_BUCKETS = {
    Drawing.LINE: ("start", "mean", "min", "max", "count"),
    Drawing.BARS: ("start", "sum", "count"),
    Drawing.SHARE: ("start", "mean", "count"),
}


def _single(sample: Sample) -> list[str]:
    return [_iso(sample.at), repr(sample.value), sample.quality.name.lower(), sample.rule.name.lower()]


def _bucket_of(series: Series, drawing: Drawing) -> Callable[[Sample], list[str]]:
    def row(sample: Sample) -> list[str]:
        span = [repr(sample.low), repr(sample.high)] if drawing is Drawing.LINE else []
        return [_iso(series.began(sample)), repr(sample.value), *span, str(sample.count)]

    return row


def _cell(text: str) -> str:
    """Text that no spreadsheet runs as a formula (OWASP, CSV Injection)."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _iso(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")
