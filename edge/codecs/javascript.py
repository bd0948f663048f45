"""Runs the codec files that device makers publish, unmodified, behind the same port as our own decoders.

LoRa Alliance TS013 (decodeUplink, encodeDownlink, decodeDownlink), The Things Stack's normalizeUplink,
and the older Decoder(bytes, port) and Decode(fPort, bytes). The code is foreign: it never runs in this
process (`edge.codecs.javascript_pool`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from edge.codecs.javascript_pool import Call, JavaScriptLimits, JavaScriptPool, Source
from edge.codecs.port import CodecError, Decoded
from edge.wire.instants import EPOCH
from edge.wire.messages import FieldValue, Record

_MILLISECOND: Final = timedelta(milliseconds=1)
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,3}")
_LARGEST_FILE: Final = 2 << 20
_DEEPEST: Final = 32
_LARGEST_INTEGER: Final = 1 << 64
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class JavaScriptSettings:
    """Where codec files lie, and what they may use. Without a directory there are none."""

    directory: Path | None = None
    limits: JavaScriptLimits = field(default_factory=JavaScriptLimits)


class JavaScriptCodecs:
    """The codec files of one directory, by their names in it (`acme/co2.js`)."""

    def __init__(self, settings: JavaScriptSettings) -> None:
        self._directory = settings.directory
        self._pool = JavaScriptPool(settings.limits)
        self._codecs: dict[str, JavaScriptCodec] = {}

    def named(self, name: str) -> JavaScriptCodec:
        """The codec in that file; CodecError if there is no such file."""
        if self._directory is None:
            raise CodecError(
                f"codec {name}: this process has no directory of codecs; set [javascript] directory"
            )
        if not _NAME.fullmatch(name):
            raise CodecError(f"codec {name!r}: name a file below {self._directory}, such as maker/device.js")
        if name not in self._codecs:
            self._codecs[name] = JavaScriptCodec(CodecFile(self._directory / name), self._pool)
        return self._codecs[name]

    def close(self) -> None:
        """End the processes."""
        self._pool.close()


class CodecFile:
    """The text of one file, read again when the file changes: a corrected codec counts from then on."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, int, int] | None = None
        self._source = Source("")
        self.source()

    def source(self) -> Source:
        """The text in force; CodecError if the file is gone, too large or no UTF-8."""
        try:
            state = self.path.stat()
            stamp = (state.st_mtime_ns, state.st_size, state.st_ino)
            if stamp != self._stamp:
                if state.st_size > _LARGEST_FILE:
                    raise CodecError(f"codec {self.path}: larger than {_LARGEST_FILE} bytes")
                self._source = source_text(self.path.read_bytes(), self.path)
                self._stamp = stamp
        except OSError as error:
            raise CodecError(f"codec {self.path}: cannot be read: {error.strerror}") from error
        return self._source


class JavaScriptCodec:
    """One codec file as a Codec; `many` spares the way to the process for each single payload."""

    def __init__(self, file: CodecFile, pool: JavaScriptPool) -> None:
        self._file = file
        self._pool = pool

    def __call__(self, payload: bytes, f_port: int, received_at: datetime) -> Decoded:
        """What the codec makes of one payload; CodecError with the codec's own words if it refuses."""
        answer = self.many([(payload, f_port, received_at)])[0]
        if isinstance(answer, CodecError):
            raise answer
        return answer

    def many(self, uplinks: Sequence[tuple[bytes, int, datetime]]) -> list[Decoded | CodecError]:
        """Each of (payload, FPort, received_at) decoded, or why not, in their order."""
        source = self._file.source()
        calls = [Call(source, "uplink", uplink_request(*one)) for one in uplinks]
        return [self._understood(answer) for answer in self._pool.run(calls)]

    def run(self, kind: str, requests: Sequence[str]) -> list[bytes]:
        """Exactly what the codec returned, as JSON, for each JSON input (`kind`: see Call)."""
        source = self._file.source()
        return self._pool.run([Call(source, kind, request) for request in requests])

    def _understood(self, answer: bytes) -> Decoded | CodecError:
        try:
            return decoded(answer)
        except CodecError as error:
            return CodecError(f"{self._file.path.name}: {error}")


def source_text(octets: bytes, path: Path) -> Source:
    """A script as text: no byte order mark, no `#!` line; CodecError unless UTF-8."""
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CodecError(f"codec {path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    return Source("//" + text if text.startswith("#!") else text)


def uplink_request(payload: bytes, f_port: int, received_at: datetime) -> str:
    """The sandbox's input for an uplink: bytes as an array, the time in ms since 1970."""
    moment = (received_at - EPOCH) // _MILLISECOND
    return f'{{"bytes":{list(payload)},"fPort":{f_port},"recvTime":{moment}}}'


def decoded(answer: bytes) -> Decoded:
    """The answer to an uplink as records.

    The codec's `data` gives one record: nested values with dots, list members by their number. What
    normalizeUplink returned stands beside it below `normalized.`; where it returned several
    measurements with times of their own, each is a record of that time.
    Raises CodecError if the codec answered with errors or with nothing we could name.
    """
    try:
        said = json.loads(answer)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"the result cannot be read: {error}") from error
    if not isinstance(said, Mapping):
        raise CodecError("the result is no object")
    if problems := said.get("errors"):
        raise CodecError("; ".join(_texts(problems)))
    data = said.get("data")
    if not isinstance(data, Mapping | list):
        raise CodecError("the codec returned neither data nor errors")
    fields = dict(_flat("", data, 0))
    later = []
    for moment, values in _measurements(said.get("normalizedOutput")):
        if moment is None:
            fields |= values
        else:
            later.append(Record(values, moment))
    return Decoded((Record(fields), *later), tuple(_texts(said.get("warnings"))))


def _measurements(output: Any) -> Iterator[tuple[datetime | None, dict[str, FieldValue]]]:
    data = output.get("data") if isinstance(output, Mapping) else None
    measurements = data if isinstance(data, list) else [data]
    for one in measurements:
        if isinstance(one, Mapping):
            moment = _moment(one.get("time")) if len(measurements) > 1 else None
            values = one if moment is None else {key: one[key] for key in one if key != "time"}
            yield moment, dict(_flat("normalized.", values, 0))


def _moment(text: Any) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return None if moment.tzinfo is None else moment.astimezone(UTC)


def _flat(prefix: str, value: Mapping[str, Any] | list[Any], depth: int) -> Iterator[tuple[str, FieldValue]]:
    if depth > _DEEPEST:
        raise CodecError(f"the result is nested deeper than {_DEEPEST} levels")
    for key, member in value.items() if isinstance(value, Mapping) else enumerate(value):
        name = _whole(f"{prefix}{key}")
        if isinstance(member, float | bool):
            yield name, member
        elif isinstance(member, int):
            yield name, member if abs(member) < _LARGEST_INTEGER else _float(member)
        elif isinstance(member, str):
            yield name, _whole(member)
        elif member is not None:
            yield from _flat(f"{name}.", member, depth + 1)


def _float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def _whole(text: str) -> str:
    """Half a character, which JavaScript allows and UTF-8 does not, becomes the replacement character."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _texts(told: Any) -> list[str]:
    if told is None or told == "":
        return []
    return [
        _whole(one if isinstance(one, str) else json.dumps(one))
        for one in (told if isinstance(told, list) else [told])
    ]
