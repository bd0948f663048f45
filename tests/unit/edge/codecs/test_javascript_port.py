"""JavaScript files answer behind the codec port as native decoders do."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.codecs import __main__ as command
from edge.codecs import javascript_pool
from edge.codecs.by_profile import UnknownCodec, codec_named
from edge.codecs.javascript import JavaScriptCodecs, JavaScriptSettings, decoded, uplink_request
from edge.codecs.javascript_pool import JavaScriptLimits, Source
from edge.codecs.port import BatchCodec, CodecError
from edge.config import AgentSettings
from edge.wire.messages import Record
from edge.wire.settings import SettingsError, load, render

AT = datetime(2026, 5, 1, 12, 30, 0, 250_000, UTC)


@pytest.fixture
def codecs(tmp_path):
    (tmp_path / "maker").mkdir()
    opened = JavaScriptCodecs(JavaScriptSettings(tmp_path, JavaScriptLimits(wall_s=20.0)))
    yield opened
    opened.close()


def written(tmp_path, body, name="maker/device.js"):
    path = tmp_path / name
    path.write_text("function decodeUplink(input) { " + body + " }", "utf-8")
    return name


def test_values_are_flat_and_what_is_no_value_is_absent(codecs, tmp_path):
    body = """return { warnings: ["battery low"], data: { t: 21.5, ok: true, name: "a", n: null, nan: NaN,
      gone: undefined, nested: { deep: { v: 1 } }, list: [{ v: 2 }, null, 3], serial: 18446744073709551615n,
      beyond: 10n ** 30n, half: "x\\ud800", at: input.recvTime, none: {} } };"""
    answer = codecs.named(written(tmp_path, body))(b"\1", 1, AT)
    [record] = answer.records
    assert record == Record(
        {
            "t": 21.5, "ok": True, "name": "a", "nested.deep.v": 1, "list.0.v": 2, "list.2": 3,
            "serial": 18446744073709551615, "beyond": 1e30, "half": "x\ufffd",
            "at": "2026-05-01T12:30:00.250Z",
        }
    )  # fmt: skip
    assert isinstance(record.fields["beyond"], float)
    assert answer.warnings == ("battery low",)


def test_normalised_measurements_stand_beside_and_keep_their_times(codecs, tmp_path):
    name = written(tmp_path, "return { data: { v: 1 } };")
    path = tmp_path / name
    one = "function normalizeUplink(i) { return { data: { air: { temperature: i.data.v } } }; }"
    path.write_text(path.read_text("utf-8") + one, "utf-8")
    assert codecs.named(name)(b"", 1, AT).records == (Record({"v": 1, "normalized.air.temperature": 1}),)
    several = (
        "function normalizeUplink() { return { data: [{ time: '2026-05-01T12:00:00Z', w: 1 }, { w: 2 }] }; }"
    )
    path.write_text(path.read_text("utf-8") + several, "utf-8")
    assert codecs.named(name)(b"", 1, AT).records == (
        Record({"v": 1, "normalized.w": 2}),
        Record({"normalized.w": 1}, datetime(2026, 5, 1, 12, tzinfo=UTC)),
    )


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return { errors: ['unknown port', 'and more'] };", "device.js: unknown port; and more"),
        ("return { errors: 'plain' };", "plain"),
        ("return { errors: [{ code: 1 }] };", '{"code": 1}'),
        ("return { temperature: 1 };", "neither data nor errors"),
        ("return { data: 5 };", "neither data nor errors"),
        ("return;", "undefined instead of an object"),
        ("return input.bytes.nothing.at;", "TypeError: cannot read property 'at' of undefined (line 1)"),
        ("var o = 1; for (var i = 0; i < 40; i++) o = { o: o }; return { data: o };", "deeper than"),
    ],
)
def test_what_a_codec_refuses_is_a_codec_error_with_its_words(codecs, tmp_path, body, words):
    with pytest.raises(CodecError) as caught:
        codecs.named(written(tmp_path, body))(b"\1", 1, AT)
    assert words in str(caught.value)


def test_many_answers_in_order_what_one_by_one_would(codecs, tmp_path):
    body = (
        "if (input.bytes[0] % 3 === 0) throw 'third'; return { data: { v: input.bytes[0], p: input.fPort } };"
    )
    codec = codecs.named(written(tmp_path, body))
    assert isinstance(codec, BatchCodec)
    uplinks = [(bytes([number % 256]), 1 + number % 223, AT) for number in range(1_000)]
    for (payload, f_port, _), answer in zip(uplinks, codec.many(uplinks), strict=True):
        if payload[0] % 3 == 0:
            assert "third" in str(answer)
        else:
            assert answer.records == (Record({"v": payload[0], "p": f_port}),)


def test_answers_larger_than_the_pipes_do_not_block(codecs, tmp_path):
    codec = codecs.named(written(tmp_path, "return { data: { text: 'x'.repeat(200000) } };"))
    answers = codec.many([(b"\1" * 200, 1, AT)] * 300)
    assert {len(answer.records[0].fields["text"]) for answer in answers} == {200_000}


def test_a_corrected_file_counts_from_the_next_message_on(codecs, tmp_path):
    name = written(tmp_path, "return { data: { v: 1 } };")
    codec = codecs.named(name)
    assert codec(b"", 1, AT).records[0].fields == {"v": 1}
    written(tmp_path, "return { data: { v: 22 } };")
    assert codec(b"", 1, AT).records[0].fields == {"v": 22}
    (tmp_path / name).unlink()
    with pytest.raises(CodecError, match="No such file"):
        codec(b"", 1, AT)


def test_more_codecs_than_contexts_still_answer(tmp_path):
    codecs = JavaScriptCodecs(JavaScriptSettings(tmp_path, JavaScriptLimits(contexts=3, wall_s=20.0)))
    try:
        names = [
            written(tmp_path, f"return {{ data: {{ v: {number} }} }};", f"{number}.js") for number in range(9)
        ]
        for _ in range(3):
            for number, name in enumerate(names):
                assert codecs.named(name)(b"", 1, AT).records[0].fields == {"v": number}
    finally:
        codecs.close()


@pytest.mark.parametrize(
    "name", ["../out.js", "/etc/passwd.js", "a/../b.js", ".hidden.js", "", "a//b.js", "ü.js"]
)
def test_names_never_leave_the_directory(codecs, name):
    with pytest.raises(CodecError, match="name a file below"):
        codecs.named(name)


def test_profiles_name_native_codecs_and_files_alike(codecs, tmp_path):
    name = written(tmp_path, "return { data: { v: 1 } };")
    assert codec_named(name, codecs.named)(b"", 1, AT).records[0].fields == {"v": 1}
    assert codec_named("dingtek-df702", codecs.named) is codec_named("dingtek-df702")
    with pytest.raises(CodecError, match="cannot be read"):
        codec_named("maker/other.js", codecs.named)
    with pytest.raises(CodecError, match=r"set \[javascript\] directory"):
        codec_named(name, JavaScriptCodecs(JavaScriptSettings()).named)
    with pytest.raises(UnknownCodec):
        codec_named(name)


def test_text_that_is_no_utf_8_and_files_with_marks(codecs, tmp_path):
    (tmp_path / "latin.js").write_bytes(b"// \xfc\n")
    with pytest.raises(CodecError, match="save it as UTF-8"):
        codecs.named("latin.js")
    source = "\ufeff#!/usr/bin/env node\nfunction decodeUplink() { return { data: { ok: 1 } }; }"
    (tmp_path / "marked.js").write_text(source, "utf-8")
    assert codecs.named("marked.js")(b"", 1, AT).records[0].fields == {"ok": 1}


def test_without_the_engine_the_remedy_is_named(codecs, tmp_path, monkeypatch):
    name = written(tmp_path, "return { data: {} };")
    monkeypatch.setattr(javascript_pool, "find_spec", lambda _name: None)
    with pytest.raises(CodecError, match=r"install the extra \[edge-js\]"):
        codecs.named(name)(b"", 1, AT)


def test_the_forebear_of_the_engine_is_refused(codecs, tmp_path, monkeypatch):
    name = written(tmp_path, "return { data: {} };")
    (tmp_path / "_quickjs.py").write_text("", "utf-8")
    spec = type("Spec", (), {"origin": str(tmp_path / "_quickjs.py")})
    monkeypatch.setattr(javascript_pool, "find_spec", lambda _name: spec)
    with pytest.raises(CodecError, match="not quickjs-ng"):
        codecs.named(name)(b"", 1, AT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_any_json_gives_records_or_a_codec_error(said):
    for whole in (said, {"data": said}, {"data": {}, "normalizedOutput": said, "warnings": said}):
        try:
            answer = decoded(json.dumps(whole).encode())
        except CodecError:
            continue
        for record in answer.records:
            for name, value in record.fields.items():
                assert isinstance(value, bool | int | float | str)
                assert (name + str(value)).encode("utf-8")


@given(st.binary(max_size=250), st.integers(1, 223), st.integers(0, 4 * 10**15))
def test_the_request_is_json_of_its_parts(payload, f_port, microseconds):
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=microseconds)
    request = json.loads(uplink_request(payload, f_port, at))
    assert bytes(request["bytes"]) == payload
    assert request["fPort"] == f_port
    back = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=request["recvTime"])
    assert timedelta(0) <= at - back < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    "wrong", [{"cpu_s": 0.0}, {"cpu_s": 3.0}, {"memory_bytes": 1}, {"stack_bytes": 1}, {"contexts": 0}]
)
def test_limits_without_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        JavaScriptLimits(**wrong)


def test_the_same_text_is_the_same_codec():
    assert Source("a").key == Source("a").key != Source("b").key


def test_the_command_answers_each_line_as_it_comes(tmp_path):
    """Somebody may type a line and wait for its answer before the next."""
    path = tmp_path / written(tmp_path, "return { data: { v: input.bytes } };", "one.js")
    with subprocess.Popen(
        [sys.executable, "-m", "edge.codecs", "decode", "--javascript", str(path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
        cwd=Path(__file__).parents[4], env=os.environ | {"PYTHONIOENCODING": "utf-8"},
    ) as process:  # fmt: skip
        for line, wanted in [
            ('{"hex": "0aff", "fPort": 1}', {"data": {"v": [10, 255]}}),
            ('{"bytes": [1], "fPort": 1, "recvTime": "2026-05-01T00:00:00Z"}', {"data": {"v": [1]}}),
            ('{"bytes": [256], "fPort": 1}', {"errors": ["line 3: bytes must be in range(0, 256)"]}),
            ("[]", {"errors": ["line 4: expected a JSON object"]}),
        ]:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline()) == wanted
        process.stdin.write('{"hex": "01", "fPort": 1}')  # no line end at the end of the file
        process.stdin.close()
        assert json.loads(process.stdout.readline()) == {"data": {"v": [1]}}
        assert process.wait(60) == 1


AGENT = """
agent = "crx-gw-1"
spool = { path = "var/spool.sqlite" }
datagram = { listen_port = 17001 }
http = { url = "https://127.0.0.1:8081", token = { environment = "TOKEN" } }
[javascript]
directory = "var/codecs"
limits = { cpu_s = 0.5, contexts = 4 }
"""


def test_an_agent_is_told_where_codec_files_lie(tmp_path):
    path = tmp_path / "agent.toml"
    path.write_text(AGENT, "utf-8")
    settings = load(AgentSettings, path, {"TOKEN": "x"})
    limits = JavaScriptLimits(cpu_s=0.5, contexts=4)
    assert settings.javascript == JavaScriptSettings(Path("var/codecs"), limits)
    assert "var/codecs" in render(settings)
    path.write_text(AGENT.replace("cpu_s = 0.5", "cpu_s = -1.0"), "utf-8")
    with pytest.raises(SettingsError, match="cpu_s"):
        load(AgentSettings, path, {"TOKEN": "x"})


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--codec", "dingtek-df702", "--kind", "downlink-encode"], "uplinks only"),
        (["--javascript", "absent.js"], "absent.js: cannot be read"),
    ],
)
def test_a_wrong_call_is_said_and_ends_with_two(arguments, words, capsys):
    assert command.main(["decode", *arguments], []) == 2
    assert words in capsys.readouterr().err
