"""Codec files in the manners makers write them answer exactly what they return."""

import io
import json
import tomllib
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.codecs import __main__ as command
from edge.codecs.javascript_bulk import request
from edge.codecs.javascript_pool import Call, Source

STYLES = tomllib.loads(Path(__file__).with_name("javascript_styles.toml").read_text("utf-8"))["style"]
KINDS = ("uplink", "downlink-encode", "downlink-decode")
NOW = datetime(2026, 5, 1, tzinfo=UTC)


def answers(path, kind, inputs):
    printed = io.StringIO()
    status = command.main(["decode", "--javascript", str(path), "--kind", kind], inputs, printed)
    return status, [json.loads(line) for line in printed.getvalue().split("\n")[:-1]]


@pytest.mark.parametrize("style", STYLES, ids=lambda style: style["name"])
def test_a_codec_answers_exactly_what_it_returns(style, tmp_path):
    path = tmp_path / "codec.js"
    path.write_text(style["source"].rstrip("\n"), "utf-8")
    for kind in KINDS:
        calls = [call for call in style["call"] if call["kind"] == kind] * 3
        if calls:
            wanted = [json.loads(call["output"]) for call in calls]
            refused = any(one.get("errors") for one in wanted)
            assert answers(path, kind, [call["input"] for call in calls]) == (int(refused), wanted)


def test_there_are_enough_styles_and_all_kinds_among_them():
    assert len({style["name"] for style in STYLES}) == len(STYLES) >= 40
    assert {call["kind"] for style in STYLES for call in style["call"]} == set(KINDS)


def test_codecs_side_by_side_in_one_process_leave_nothing_to_one_another(pool):
    both_ways = [(style, call) for style in STYLES for call in style["call"]]
    both_ways += both_ways[::-1]
    calls = [
        Call(Source(style["source"]), call["kind"], request(call["kind"], call["input"], lambda: NOW))
        for style, call in both_ways
    ]
    answered = [json.loads(answer) for answer in pool.run(calls)]
    assert answered == [json.loads(call["output"]) for _, call in both_ways]
    assert pool.killed == 0
