"""Feeds JSON lines through one JavaScript codec file, as fast as they come and in their order."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final

from edge.codecs.javascript import JavaScriptCodec

KINDS: Final = ("uplink", "downlink-encode", "downlink-decode")
_FINER_THAN_A_DATE: Final = re.compile(r"\.\d{4}")
_AT_ONCE: Final = 1_000
_READ: Final = 1 << 18


def answers(
    codec: JavaScriptCodec, kind: str, batches: Iterable[Sequence[str]], now: Callable[[], datetime]
) -> Iterator[list[str]]:
    """For each batch of input lines, one line of JSON per line: what the codec returned, or `errors`."""
    number = 0
    for batch in batches:
        requests: list[str] = []
        refused: dict[int, str] = {}
        for line in batch:
            number += 1
            if line.strip():
                try:
                    requests.append(request(kind, line, now))
                except (ValueError, RecursionError) as error:
                    refused[len(requests) + len(refused)] = f"line {number}: {error}"
        returned = iter(codec.run(kind, requests))
        yield [
            json.dumps({"errors": [refused[place]]}, ensure_ascii=False)
            if place in refused
            else next(returned).decode("utf-8")
            for place in range(len(requests) + len(refused))
        ]


def request(kind: str, line: str, now: Callable[[], datetime]) -> str:
    """One input line as the sandbox's input; ValueError says what is wrong with it."""
    given = json.loads(line)
    if not isinstance(given, Mapping):
        raise ValueError("expected a JSON object")  # noqa: TRY004 - one catch for bad lines
    wanted: dict[str, Any] = {key: given[key] for key in ("fPort", "variables") if key in given}
    f_port = wanted.get("fPort")
    if f_port is not None and (not isinstance(f_port, int) or isinstance(f_port, bool)):
        raise ValueError(f"fPort {f_port!r} is not a whole number")
    if kind == "downlink-encode":
        if "data" not in given:
            raise ValueError('expected {"data": {..}}')
        wanted["data"] = given["data"]
    else:
        wanted["bytes"] = list(payload(given))
        wanted["recvTime"] = int(received(given, now).timestamp() * 1000)
        if _FINER_THAN_A_DATE.search(given.get("recvTime") or ""):
            wanted["recvTimeText"] = given["recvTime"]
    return json.dumps(wanted)


def payload(given: Mapping[str, Any]) -> bytes:
    """`hex` or `bytes` of an input line."""
    if isinstance(text := given.get("hex"), str):
        return bytes.fromhex(text)
    octets = given.get("bytes")
    if isinstance(octets, list) and all(isinstance(octet, int) for octet in octets):
        return bytes(octets)
    raise ValueError("neither hex (text) nor bytes (list of numbers) is given")


def received(given: Mapping[str, Any], now: Callable[[], datetime]) -> datetime:
    """`recvTime` of an input line in UTC; now, where it has none."""
    moment = given.get("recvTime")
    if moment is None:
        return now()
    if not isinstance(moment, str):
        raise ValueError(f"recvTime {moment!r} is not text; write it as 2026-05-01T12:00:00Z")  # noqa: TRY004
    at = datetime.fromisoformat(moment)
    if at.tzinfo is None:
        raise ValueError(f"recvTime {moment} lacks its time zone; append Z for UTC")
    return at.astimezone(UTC)


def in_batches(lines: Iterable[str]) -> Iterator[list[str]]:
    """Lines that are all there already."""
    batch: list[str] = []
    for line in lines:
        batch.append(line)
        if len(batch) == _AT_ONCE:
            yield batch
            batch = []
    if batch:
        yield batch


def as_they_come(stream: BinaryIO) -> Iterator[list[str]]:
    """Whatever lines a pipe or a person has ready: nobody waits for a batch to fill."""
    partial = b""
    while octets := stream.read1(_READ):  # type: ignore[attr-defined]  # standard input is buffered
        *whole, partial = (partial + octets).split(b"\n")
        if whole:
            yield from in_batches(line.decode("utf-8", "replace") for line in whole)
    if partial:
        yield [partial.decode("utf-8", "replace")]
