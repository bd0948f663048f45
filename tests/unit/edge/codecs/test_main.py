"""The operator's test bench: JSON lines in, JSON lines out."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime

from edge.codecs.__main__ import main

NOW = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)


def run(codec: str, *lines: str) -> tuple[int, list[dict]]:
    out = io.StringIO()
    code = main(["decode", "--codec", codec], lines, out, lambda: NOW)
    return code, [json.loads(line) for line in out.getvalue().splitlines()]


def test_hex_and_bytes_say_the_same():
    code, answers = run("nwave-nps405", '{"hex": "95", "fPort": 1}', '{"bytes": [149], "fPort": 1}')
    assert code == 0
    assert answers[0] == answers[1]
    assert answers[0]["data"]["previous_state_duration"] == 74


def test_history_is_told_with_its_times_from_the_given_reception():
    line = '{"hex": "5a63000001270001", "fPort": 1, "recvTime": "2026-01-01T12:00:00+01:00"}'
    _, (answer,) = run("adeunis-pulse", line)
    assert answer["data"]["bytes.counterValues"] == 295
    assert answer["history"] == [{"data": {"bytes.counterValues": 294}, "at": "2026-01-01T10:00:00+00:00"}]


def test_a_warning_is_shown():
    _, (answer,) = run("teneo-filling-degree-sensor", '{"hex": "0d000001", "fPort": 1}')
    assert answer["warnings"] == ["distance: measurement failed with code 1"]


def test_every_bad_line_is_answered_by_an_error_and_the_next_is_read():
    lines = (
        "no json",
        "[1]",
        '{"hex": "95"}',
        '{"hex": "9", "fPort": 1}',
        '{"fPort": 1}',
        '{"bytes": [300], "fPort": 1}',
        '{"bytes": ["x"], "fPort": 1}',
        '{"hex": "95", "fPort": 1, "recvTime": "2026-01-01T12:00:00"}',
        '{"hex": "95", "fPort": 1, "recvTime": "gestern"}',
        '{"hex": "9595", "fPort": 1}',
        "",
        '{"hex": "95", "fPort": 1}',
    )
    code, answers = run("nwave-nps405", *lines)
    assert code == 1
    assert ["errors" in answer for answer in answers] == [True] * 10 + [False]
    assert answers[0]["errors"][0].startswith("line 1: ")
    assert "time zone" in answers[7]["errors"][0]


def test_an_unknown_codec_ends_with_2(capsys):
    assert run("dingtek")[0] == 2
    assert "no codec 'dingtek'" in capsys.readouterr().err


def test_the_codecs_are_listed():
    out = io.StringIO()
    assert main(["names"], out=out) == 0
    assert "dingtek-df702" in out.getvalue().splitlines()
