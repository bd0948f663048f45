"""Observations as InfluxDB line protocol, which InfluxDB 1.x to 3.x and VictoriaMetrics take.

One line: `observation,datastream=7[,lead=3600][,revision=1][,bad=1][,doubted=1] result=1.5,quality=1i,
rule=1i,result_time=1767225600123456i 1767225600123456000`, phenomenon_time in nanoseconds.

Identity must be made of tags and time, or a second line would overwrite the first: so lead is a tag
(its values are few, unlike issue times), and so is the revision: a correction is a series of its
own and what it supersedes stays. `bad` repeats one value of quality as a tag, because aggregates
leave bad values out and no engine filters one field by another quickly; `doubted` repeats the rule
CLOCK, because no such value is the latest beside any other.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from udp.sensorthings import Quality
from udp.store.columns import Observations
from udp.store.currency import doubted

# Large enough to cost few round trips, small enough for the servers' limits on a body (25 MB).
LINES_PER_BODY = 50_000
FIELDS = ("result", "quality", "rule", "result_time")


def bodies(measurement: str, batch: Observations) -> Iterator[bytes]:
    """The batch in its order, as bodies of at most 50,000 lines."""
    for begin in range(0, len(batch), LINES_PER_BODY):
        yield "\n".join(_lines(measurement, batch.take(slice(begin, begin + LINES_PER_BODY)))).encode()


def _lines(measurement: str, batch: Observations) -> list[str]:
    columns = zip(
        batch.datastream.tolist(),
        _tags(batch),
        batch.result.tolist(),
        batch.quality.tolist(),
        batch.rule.tolist(),
        batch.result_time.astype(np.int64).tolist(),
        batch.phenomenon_time.astype(np.int64).tolist(),
        strict=True,
    )
    return [
        f"{measurement},datastream={datastream}{tags} result={result!r},quality={quality}i,"
        f"rule={rule}i,result_time={result_time}i {time}000"
        for datastream, tags, result, quality, rule, result_time, time in columns
    ]


def _tags(batch: Observations) -> list[str]:
    bad, doubts = batch.quality == Quality.BAD, doubted(batch)
    if not (batch.lead.any() or batch.revision.any() or bad.any() or doubts.any()):
        return [""] * len(batch)
    return [
        (f",lead={lead}" if lead else "")
        + (f",revision={revision}" if revision else "")
        + (",bad=1" if is_bad else "")
        + (",doubted=1" if is_doubted else "")
        for lead, revision, is_bad, is_doubted in zip(
            batch.lead.tolist(), batch.revision.tolist(), bad.tolist(), doubts.tolist(), strict=True
        )
    ]
