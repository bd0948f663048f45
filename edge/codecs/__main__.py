"""Decodes payloads from the command line, so that an operator can see what a device says.

    python -m edge.codecs names
    echo '{"hex": "95", "fPort": 1}' | python -m edge.codecs decode --codec nwave-nps405
    python -m edge.codecs decode --javascript acme-co2.js [--kind downlink-encode] < lines

With a native codec, each input line is JSON with `hex` (or `bytes`, a list of numbers), `fPort` and
optionally `recvTime` (ISO 8601); each gives one line: `data` (with `at` where the device says when, and
`history` where it sends earlier values) and `warnings`, or `errors`. With a JavaScript file the
answer is exactly what the codec returned (`data`, `bytes`, `fPort`, `warnings`, `errors`,
`normalizedOutput`); for `--kind downlink-encode` the input is `{"data": {..}}`, with `fPort` if wanted.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from edge.codecs import javascript_bulk
from edge.codecs.by_profile import codec_named, codec_names
from edge.codecs.javascript import CodecFile, JavaScriptCodec
from edge.codecs.javascript_pool import JavaScriptPool
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
        if arguments.javascript is not None:
            batches = _at_hand() if lines is None else javascript_bulk.in_batches(lines)
            return _javascript(arguments.javascript, arguments.kind, batches, out, now)
        codec = _native(arguments)
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


def _native(arguments: argparse.Namespace) -> Codec:
    if arguments.kind != "uplink":
        raise CodecError("native codecs decode uplinks only; --kind is for --javascript")
    return codec_named(arguments.codec)


def _at_hand() -> Iterator[list[str]]:
    return javascript_bulk.as_they_come(sys.stdin.buffer)


def _javascript(
    path: Path, kind: str, batches: Iterable[Sequence[str]], out: TextIO, now: Callable[[], datetime]
) -> int:
    failed = False
    with closing(JavaScriptPool()) as pool:
        codec = JavaScriptCodec(CodecFile(path), pool)
        for answers in javascript_bulk.answers(codec, kind, batches, now):
            for answer in answers:
                failed = failed or ('"errors"' in answer and _refused(answer))
                print(answer, file=out)
            out.flush()
    return 1 if failed else 0


def _refused(answer: str) -> bool:
    try:
        return bool(json.loads(answer).get("errors"))
    except (ValueError, RecursionError):
        return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edge.codecs", description="Test payloads of devices.")
    verbs = parser.add_subparsers(dest="verb", required=True)
    decode = verbs.add_parser("decode", help="read JSON lines from standard input, write JSON lines")
    which = decode.add_mutually_exclusive_group(required=True)
    which.add_argument("--codec", metavar="NAME", help="see the verb names")
    which.add_argument("--javascript", metavar="FILE", type=Path, help="a codec file of the device's maker")
    decode.add_argument("--kind", choices=javascript_bulk.KINDS, default="uplink", help="for --javascript")
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
    return (
        javascript_bulk.payload(given),
        given["fPort"],
        javascript_bulk.received(given, now),
    )


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
