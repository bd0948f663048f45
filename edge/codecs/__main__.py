"""Decodes payloads from the command line, so that an operator can see what a device says.

    python -m edge.codecs names
    echo '{"hex": "95", "fPort": 1}' | python -m edge.codecs decode --codec nwave-nps405

Each input line is JSON with `hex` (or `bytes`, a list of numbers), `fPort` and optionally
`recvTime` (ISO 8601); each gives one line: `data` (with `at` where the device says when, and
`history` where it sends earlier values) and `warnings`, or `errors`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from edge.codecs.by_profile import codec_named, codec_names
from edge.codecs.port import Codec, CodecError, Decoded
from edge.wire.messages import Record


def main(
    argv: Sequence[str] | None = None,
    lines: Iterable[str] | None = None,
    out: TextIO | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """0 when every line was decoded, 1 when one was not, 2 when the call itself is wrong."""
    out = out or sys.stdout
    arguments = _parser().parse_args(argv)
    if arguments.verb == "names":
        print("\n".join(codec_names()), file=out)
        return 0
    try:
        codec = codec_named(arguments.codec)
    except CodecError as error:
        print(error, file=sys.stderr)
        return 2
    failed = 0
    for number, line in enumerate(sys.stdin if lines is None else lines, start=1):
        if line.strip():
            answer = _answer(codec, line, number, now)
            failed += "errors" in answer
            print(json.dumps(answer, ensure_ascii=False), file=out)
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edge.codecs", description="Test payloads of devices.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    decode = verbs.add_parser("decode", help="read JSON lines from standard input, write JSON lines")
    decode.add_argument("--codec", required=True, metavar="NAME", help="see the verb names")
    verbs.add_parser("names", help="list the codecs")
    return parser


def _answer(codec: Codec, line: str, number: int, now: Callable[[], datetime]) -> dict[str, Any]:
    try:
        payload, f_port, received_at = _input(line, now)
        return _shown(codec(payload, f_port, received_at))
    except (CodecError, ValueError) as error:
        return {"errors": [f"line {number}: {error}"]}


def _input(line: str, now: Callable[[], datetime]) -> tuple[bytes, int, datetime]:
    given = json.loads(line)
    if not isinstance(given, Mapping) or not isinstance(given.get("fPort"), int):
        raise ValueError('expected {"hex": "..", "fPort": 1}')  # noqa: TRY004 - one catch for bad lines
    if isinstance(text := given.get("hex"), str):
        payload = bytes.fromhex(text)
    elif isinstance(octets := given.get("bytes"), list) and all(isinstance(octet, int) for octet in octets):
        payload = bytes(octets)
    else:
        raise ValueError("neither hex (text) nor bytes (list of numbers) is given")
    received_at = now()
    if isinstance(moment := given.get("recvTime"), str):
        received_at = datetime.fromisoformat(moment)
        if received_at.tzinfo is None:
            raise ValueError(f"recvTime {moment} lacks its time zone; append Z for UTC")
    return payload, given["fPort"], received_at.astimezone(UTC)


def _shown(decoded: Decoded) -> dict[str, Any]:
    first, *earlier = decoded.records
    shown = _record(first)
    if earlier:
        shown["history"] = [_record(record) for record in earlier]
    if decoded.warnings:
        shown["warnings"] = list(decoded.warnings)
    return shown


def _record(record: Record) -> dict[str, Any]:
    shown: dict[str, Any] = {"data": dict(record.fields)}
    if record.at is not None:
        shown["at"] = record.at.isoformat()
    return shown


if __name__ == "__main__":
    sys.exit(main())
