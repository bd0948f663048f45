"""Hold profiles to the payloads that were published for their devices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from edge.codecs.port import Codec, CodecError
from edge.wire.messages import FieldValue
from udp.device_types.flat import flatten, number_in, same_field
from udp.device_types.foreign import Example
from udp.registry.profiles import Profile

CodecNamed = Callable[[str], Codec]
# Float32 values print as float64 noise in published examples.
_RELATIVE = 1e-6


@dataclass(slots=True)
class Verdict:
    """What came of checking one profile. `untested`: why its codec could not be asked, empty if it could.

    `implausible`: published values outside the profile's range; a slipped unit, or a device on a bench.
    """

    name: str
    examples: int = 0
    problems: list[str] = field(default_factory=list)
    untested: str = ""
    implausible: list[str] = field(default_factory=list)
    unseen: list[str] = field(default_factory=list)


def check_profile(
    profile: Profile, examples: tuple[Example, ...], codec_named: CodecNamed, now: datetime
) -> Verdict:
    """Every example through the codec; each published value a channel takes must come out.

    `unseen`: fields of channels that no example shows.
    """
    verdict = Verdict(profile.name, len(examples))
    if profile.codec is None or not examples:
        return verdict
    try:
        codec = codec_named(profile.codec)
    except (CodecError, LookupError) as error:
        verdict.untested = str(error)
        return verdict
    seen: set[str] = set()
    for example in examples:
        where = f"{example.description!r} (FPort {example.f_port}, {example.payload.hex()})"
        try:
            fields = codec(example.payload, example.f_port, _moment(example, now)).records[0].fields
        except CodecError as error:
            if example.data is not None:
                verdict.problems.append(f"{where}: {error}")
            continue
        if example.data is None:
            verdict.problems.append(f"{where}: must be refused, but was decoded to {dict(fields)}")
            continue
        seen |= set(fields)
        verdict.problems += [f"{where}: {problem}" for problem in _differences(profile, example, fields)]
        verdict.implausible += [f"{where}: {problem}" for problem in _implausible(profile, fields)]
    verdict.unseen = sorted({one.field for one in profile.channels} - seen)
    return verdict


def _differences(profile: Profile, example: Example, fields: Mapping[str, FieldValue]) -> Iterator[str]:
    taken = {one.field for one in profile.channels}
    for name, value in flatten(example.data):
        field_name = name if name in fields else same_field(name)
        if field_name not in taken:
            continue
        if field_name not in fields:
            yield f"{field_name}: published {value!r}, the codec says nothing"
        elif not _agree(value, fields[field_name]):
            yield f"{field_name}: published {value!r}, the codec says {fields[field_name]!r}"


def _implausible(profile: Profile, fields: Mapping[str, FieldValue]) -> Iterator[str]:
    """Values out of range betray a slipped unit; where a place decides (geometry), there is no knowing."""
    for channel in profile.channels:
        number = number_in(fields.get(channel.field))
        if number is None or channel.origin is not None:
            continue
        result = channel.scale * channel.input_scale * number + channel.offset
        low = -math.inf if channel.minimum is None else channel.minimum
        high = math.inf if channel.maximum is None else channel.maximum
        if not low <= result <= high:
            yield f"{channel.key}: {result:g} {channel.unit.symbol} is outside {low:g}..{high:g}"


def _agree(published: Any, decoded: FieldValue) -> bool:
    if published == decoded:
        return True
    left, right = number_in(published), number_in(decoded)
    return (
        left is not None and right is not None and math.isclose(left, right, rel_tol=_RELATIVE, abs_tol=1e-9)
    )


def _moment(example: Example, now: datetime) -> datetime:
    """When the example says it was received; a time that is none counts as now."""
    try:
        moment = datetime.fromisoformat(example.received_at)
    except ValueError:
        return now
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).astimezone(UTC)
