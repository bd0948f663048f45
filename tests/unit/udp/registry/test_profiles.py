"""Profiles: the shipped ones are sound, and a broken one says what is wrong."""

import pytest

from udp.errors import ConfigurationError
from udp.registry.profiles import load_observed_properties, load_profiles, read_profile

GOOD = """
name = "probe"
codec = "probe"
sensor = "Probe"
expected_interval_s = 600
[[channel]]
field = "level"
key = "water_level"
observed_property = "water_level"
unit = "cm"
from = "level"
scale = 0.1
"""


@pytest.fixture(scope="module")
def properties():
    return load_observed_properties()


def test_every_shipped_profile_can_be_used():
    profiles = load_profiles()
    assert {"dingtek-df702", "agent-health", "gateway-statistics", "pole-weather"} <= set(profiles)
    for profile in profiles.values():
        assert profile.channels
        for channel in profile.channels:
            assert (channel.access is None) == (channel.exemption is None)
            assert channel.minimum is None or channel.maximum is None or channel.minimum < channel.maximum


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (
            'observed_property = "water_level"',
            'observed_property = "wasser"',
            ("wasser", "observed_properties.toml"),
        ),
        ('unit = "cm"', 'unit = "Zentimeter"', ("unit", "Zentimeter")),
        ('from = "level"', 'from = "höhe"', ("from", "fill, level")),
        ("scale = 0.1", 'scale = "0,1"', ("scale", "without quotes")),
        ('sensor = "Probe"\n', "", ("sensor", "missing")),
        ("expected_interval_s = 600", "expected_interval_s = -1", ("expected_interval_s", "greater than 0")),
        ('field = "level"', 'field = "level"\nfarbe = 1', ("farbe", "not known here")),
        ('key = "water_level"', 'key = "Wasser"', ("key", "must match")),
        ("scale = 0.1", 'access = "offen"', ("access", "open, internal, restricted")),
        ("scale = 0.1", 'access = "internal"', ("exemption", "copyright, personal, state,")),
        ("scale = 0.1", 'access = "restricted"\nexemption = "dsgvo"', ("exemption", "dsgvo")),
        ("scale = 0.1", 'exemption = "state"', ("exemption", "remove it")),
    ],
)
def test_a_broken_profile_names_file_channel_key_and_remedy(tmp_path, properties, old, new, words):
    assert old in GOOD
    path = tmp_path / "probe.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_profile(path, properties)
    assert [word for word in ("probe.toml", *words) if word not in str(caught.value)] == []


def test_two_channels_need_two_keys(tmp_path, properties):
    path = tmp_path / "probe.toml"
    path.write_text(GOOD + GOOD[GOOD.index("[[channel]]") :], encoding="utf-8")
    with pytest.raises(ConfigurationError, match="used twice"):
        read_profile(path, properties)


def test_two_profiles_need_two_names(tmp_path, properties):
    for name in ("a", "b"):
        (tmp_path / f"{name}.toml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(ConfigurationError, match="exists twice"):
        load_profiles(tmp_path, properties)
