"""Codec files in the pipeline: asked once per batch, and a bad message is its own misfortune only."""

from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from edge.codecs.by_profile import codec_named
from edge.codecs.javascript import JavaScriptCodecs, JavaScriptSettings
from edge.codecs.javascript_pool import JavaScriptLimits
from edge.wire.identifiers import DevEUI
from edge.wire.messages import Clock, Record, Uplink
from ingest.decode import PayloadDecoder
from ingest.heard import Unusable
from udp.registry.port import Device
from udp.registry.profiles import load_observed_properties, read_profile

AT = datetime(2026, 5, 1, tzinfo=UTC)
EUI = DevEUI(bytes.fromhex("0102030405060708"))
SOURCE = """
function decodeUplink(input) {
  if (input.bytes[0] === 13) for (;;) {}
  if (input.bytes[0] === 14) return { errors: ["unlucky"] };
  return { data: { v: input.bytes[0] } };
}"""


@pytest.fixture
def codecs(tmp_path):
    (tmp_path / "device.js").write_text(SOURCE, "utf-8")
    opened = JavaScriptCodecs(JavaScriptSettings(tmp_path, JavaScriptLimits(cpu_s=0.1, wall_s=20.0)))
    yield opened
    opened.close()


def device(codec="device.js"):
    return Device(EUI, "behaelter-0001", "profile", codec, (), 3600.0)


def uplink(number):
    return Uplink(EUI, b"\0\0\0\1", number, 1, bytes([number]), AT, Clock.NTP, ())


def outcome(decoder, one, of):
    try:
        [record] = decoder(one, of)
    except Unusable as problem:
        return str(problem)
    return record.fields


def test_a_batch_gives_what_single_messages_give(codecs):
    named = partial(codec_named, javascript=codecs.named)
    uplinks = [uplink(number) for number in range(20)]
    ahead, single = PayloadDecoder(named), PayloadDecoder(named)
    ahead.ahead([(one, device()) for one in uplinks])
    outcomes = [outcome(ahead, one, device()) for one in uplinks]
    assert outcomes == [outcome(single, one, device()) for one in uplinks]
    assert [one["v"] for one in outcomes if isinstance(one, dict)] == [*range(13), *range(15, 20)]
    assert "processor time" in outcomes[13]
    assert "unlucky" in outcomes[14]


def test_a_batch_goes_to_the_process_once(codecs, monkeypatch):
    runs = []
    run = codecs._pool.run
    monkeypatch.setattr(codecs._pool, "run", lambda calls: runs.append(len(calls)) or run(calls))
    decoder = PayloadDecoder(partial(codec_named, javascript=codecs.named))
    at_edge = replace(uplink(5), records=(Record({"v": 99}),), codec="device.js")
    uplinks = [uplink(1), uplink(2), at_edge, uplink(3)]
    decoder.ahead([(one, device()) for one in uplinks])
    assert [outcome(decoder, one, device()) for one in uplinks] == [{"v": 1}, {"v": 2}, {"v": 99}, {"v": 3}]
    assert runs == [3]


def test_a_missing_file_is_told_with_every_message(codecs):
    decoder = PayloadDecoder(partial(codec_named, javascript=codecs.named))
    one = uplink(1)
    decoder.ahead([(one, device("absent.js"))])
    with pytest.raises(Unusable, match=r"absent\.js.*cannot be read"):
        decoder(one, device("absent.js"))


def test_a_profile_may_name_a_codec_file(tmp_path):
    profile = tmp_path / "acme.toml"
    profile.write_text(
        'name = "acme"\ncodec = "acme/co2.js"\nsensor = "Acme"\nexpected_interval_s = 600\n'
        '[[channel]]\nfield = "co2"\nkey = "co2"\nobserved_property = "co2"\nunit = "[ppm]"\n',
        "utf-8",
    )
    assert read_profile(profile, load_observed_properties()).codec == "acme/co2.js"
