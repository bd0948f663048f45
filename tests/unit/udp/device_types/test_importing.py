"""Descriptions of others become profiles: what is sure stands, the rest is asked, nothing is overwritten."""

import json
import tomllib
from datetime import UTC, datetime

import pytest

from edge.codecs.by_profile import codec_named, codec_names
from udp.__main__ import main
from udp.device_types.checking import check_profile
from udp.device_types.examples import examples_file, read_examples
from udp.device_types.foreign import Example
from udp.device_types.guess import propose
from udp.device_types.importing import native_codec, read_types, write_type
from udp.errors import ConfigurationError
from udp.registry.profiles import HERE, load_observed_properties, load_profiles, read_profile

NOW = datetime(2026, 5, 4, 10, 30, tzinfo=UTC)
PROPERTIES = load_observed_properties()


def write(kind, folder, **more):
    return write_type(kind, folder, **{"name": kind.name, "native": None, "properties": PROPERTIES, **more})


def test_a_makers_folder_becomes_profiles_codecs_and_examples(vendor, tmp_path):
    room, bin_ = read_types(vendor)
    assert (room.name, room.title, bin_.name) == ("dingtek-room-1", "Room One", "dingtek-df702")
    done = write(room, tmp_path / "own")
    profile = read_profile(tmp_path / "own" / "dingtek-room-1.toml", PROPERTIES)
    assert (profile.codec, profile.sensor) == ("dingtek-room-1.js", "Room One")
    found = {one.field: (one.key, one.unit.symbol, one.scale) for one in profile.channels}
    assert found == {
        "temperature": ("air_temperature", "Cel", 1.0),
        "battery": ("battery_voltage", "V", 1.0),
        "pressure.value": ("air_pressure", "hPa", 0.01),
    }
    assert done.open_fields == ("serial", "distance")
    assert (tmp_path / "own" / "dingtek-room-1.js").read_text(encoding="utf-8") == room.script
    good, refused = read_examples(examples_file(tmp_path / "own", "dingtek-room-1"))
    assert good == room.examples[0]
    assert (good.payload, good.f_port, good.data["relay"], good.data["serial"]) == (
        b"\xd7\1\n",
        2,
        "on",
        "00012074",
    )
    assert refused.data is None


def test_a_device_with_a_decoder_of_ours_uses_it(vendor):
    room, bin_ = read_types(vendor)
    assert (native_codec(room, codec_names()), native_codec(bin_, codec_names())) == (None, "dingtek-df702")


def test_chirpstack_profiles_of_both_kinds(api_profile, repository_device, tmp_path):
    (school,) = read_types(api_profile)
    assert (school.name, school.interval_s) == ("schulluft-co2", 900.0)
    assert write(school, tmp_path / "own").open_fields == ("mode",)
    profile = read_profile(tmp_path / "own" / "schulluft-co2.toml", PROPERTIES)
    assert [one.key for one in profile.channels] == ["co2"]
    assert profile.expected_interval_s == 900.0
    (acme,) = read_types(repository_device)
    assert (acme.name, acme.title, acme.examples[0].data) == ("acme-1", "Acme 1", {"temperature": 21.5})


def test_a_vendors_folder_of_chirpstack_is_read_whole_with_tests_written_for_javascript(repository_device):
    folder = repository_device.parent.parent
    (folder / "devices" / "bare.toml").write_text(
        '[device]\nname = "Bare"\n[[device.firmware]]\nversion = "1"\n'
    )
    (folder / "codecs" / "test_decode_a.json").write_text(
        """[ // as people write it
        {name: "one, 0x1f: not a number", "input": {"fPort": 0x01, "bytes": [0xd7,]}, /* two
        lines */ "expected": {"data": {"temperature": 21.5, "note": "a // b, ]"},},},
        ]""",
        encoding="utf-8",
    )
    (acme,) = read_types(folder)
    (one,) = acme.examples
    assert (one.description, one.payload, one.f_port) == ("one, 0x1f: not a number", b"\xd7", 1)
    assert one.data == {"temperature": 21.5, "note": "a // b, ]"}


def test_foreign_words_cannot_leave_their_place(vendor, tmp_path):
    path = vendor / "room-1.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("Room One", '"Room \\" \\n[[channel]]\\n\\x7f\\u2028 One"'), encoding="utf-8"
    )
    kind = read_types(path)[0]
    write(kind, tmp_path / "own")
    profile = read_profile(tmp_path / "own" / "dingtek-room-1.toml", PROPERTIES)
    assert profile.sensor == kind.title
    assert len(profile.channels) == 3


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("index.yaml", "endDevices", "devices", "no list endDevices"),
        ("index.yaml", "room-1", "../room-1", "leads out"),
        ("room-1-codec.yaml", "room-1.js", "../../x.js", "leads out"),
        ("room-1-codec.yaml", "room-1.js", "nothing.js", "codec cannot be read"),
        ("room-1-codec.yaml", "0xD7", "0xD701", "example 1"),
        ("room-1-codec.yaml", "output:", "result:", "example 1"),
        ("room-1.yaml", "name: Room One", "name: [", "not valid YAML"),
    ],
)
def test_a_broken_description_names_the_file(vendor, file, old, new, words):
    path = vendor / file
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=words):
        read_types(vendor)


def test_a_profile_without_javascript_says_what_to_do(api_profile):
    content = json.loads(api_profile.read_text(encoding="utf-8"))
    content["deviceProfile"]["payloadCodecRuntime"] = "CAYENNE_LPP"
    api_profile.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ConfigurationError, match="by hand"):
        read_types(api_profile)


def test_nothing_is_overwritten(vendor, tmp_path):
    kind = read_types(vendor)[0]
    write(kind, tmp_path / "own")
    before = {path: path.read_bytes() for path in (tmp_path / "own").iterdir()}
    with pytest.raises(ConfigurationError, match="--name"):
        write(kind, tmp_path / "own")
    assert {path: path.read_bytes() for path in (tmp_path / "own").iterdir()} == before


@pytest.mark.parametrize(
    ("data", "found"),
    [
        ({"battery": 92}, {"battery": "battery_level"}),
        ({"battery": 3.1}, {"battery": "battery_voltage"}),
        ({"battery": {"value": 3100, "unit": "mV"}}, {}),
        ({"batteryVoltage": {"value": 3100, "unit": "mV"}}, {"batteryVoltage.value": "battery_voltage"}),
        ({"temperature": 2150}, {}),
        ({"TempC_SHT": 21.5}, {}),
        ({"distance": 800}, {}),
        ({"distance": {"value": 0.8, "unit": "m"}}, {"distance.value": "distance"}),
        ({"temperature": 20.5, "air_temperature": 20.5}, {"temperature": "air_temperature"}),
        ({"data": {"co2": "640"}}, {"data.co2": "co2"}),
        ({"status": "ok", "humidity": None}, {}),
    ],
)
def test_only_what_leaves_no_doubt_is_proposed(data, found):
    proposals = propose([Example("x", 1, b"", data)])
    assert {one.field: one.quantity.property for one in proposals if one.quantity} == found


def shipped_with_codec():
    return sorted(name for name, profile in load_profiles().items() if profile.codec is not None)


@pytest.mark.parametrize("name", shipped_with_codec())
def test_every_shipped_profile_holds_its_published_examples(name):
    examples = read_examples(examples_file(HERE / "profiles", name))
    verdict = check_profile(load_profiles()[name], examples, codec_named, NOW)
    assert verdict.examples > 0
    assert (verdict.problems, verdict.untested, verdict.unseen) == ([], "", [])


def test_a_wrong_example_and_a_wrong_unit_are_told(vendor, tmp_path):
    kind = read_types(vendor)[1]
    write(kind, tmp_path / "own", name="probe", native="dingtek-df702")
    path = tmp_path / "own" / "probe.toml"
    profile = read_profile(path, PROPERTIES)
    (good,) = read_examples(examples_file(tmp_path / "own", "probe"))
    assert check_profile(profile, (good,), codec_named, NOW).problems == []
    wrong = Example("x", 3, good.payload, {**good.data, "temperature": "26 ℃"})
    (problem,) = check_profile(profile, (wrong,), codec_named, NOW).problems
    assert "temperature: published '26 ℃'" in problem
    must_fail = Example("x", 3, good.payload, None)
    assert "must be refused" in check_profile(profile, (must_fail,), codec_named, NOW).problems[0]
    broken = Example("x", 3, good.payload[:5], good.data)
    assert check_profile(profile, (broken,), codec_named, NOW).problems != []
    path.write_text(
        path.read_text(encoding="utf-8").replace("minimum = -40.0", "minimum = 30.0"), encoding="utf-8"
    )
    slipped = check_profile(read_profile(path, PROPERTIES), (good,), codec_named, NOW)
    assert "outside 30..85" in slipped.implausible[0]


def test_the_command_imports_checks_and_lists(vendor, tmp_path, capsys):
    config = tmp_path / "api.toml"
    config.write_text(
        f'profiles_dir = "{tmp_path}/own"\n[registry]\nurl = "sqlite:///{tmp_path}/r.sqlite"\n',
        encoding="utf-8",
    )
    arguments = ["--config", str(config)]
    assert main(["profiles", "import", str(vendor), *arguments]) == 0
    out = capsys.readouterr().out
    assert "dingtek-room-1: 3 Kanäle, 2 Beispiele, Decoder dingtek-room-1.js" in out
    assert "noch zu entscheiden (in der Datei erklärt): serial, distance" in out
    assert "dingtek-df702: gibt es schon" in out
    assert main(["profiles", "import", str(vendor / "df702.yaml"), "--name", "Tonne", *arguments]) == 0
    capsys.readouterr()
    assert main(["profiles", "check", "tonne", "dingtek-df702", "dingtek-room-1", *arguments]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["tonne: 1 Beispiele stimmen", "dingtek-df702: 3 Beispiele stimmen"]
    assert out[2] == "dingtek-room-1: 2 Beispiele stimmen"
    examples = tmp_path / "own" / "tonne.examples.json"
    examples.write_text(examples.read_text(encoding="utf-8").replace("25 ℃", "52 ℃"), encoding="utf-8")
    assert main(["profiles", "check", *arguments]) == 1
    (tmp_path / "own" / "dingtek-room-1.js").unlink()
    assert main(["profiles", "check", "dingtek-room-1", *arguments]) == 1
    assert "dingtek-room-1: nicht geprüft: " in capsys.readouterr().out
    capsys.readouterr()
    assert main(["profiles", "list", *arguments]) == 0
    assert "tonne " in capsys.readouterr().out
    assert (
        tomllib.loads((tmp_path / "own" / "tonne.toml").read_text(encoding="utf-8"))["codec"]
        == "dingtek-df702"
    )
    assert main(["profiles", "check", "nichts", *arguments]) == 2
