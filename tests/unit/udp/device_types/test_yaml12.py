"""YAML 1.2: words stay words, leading zeros stay, and what differs from version 1.1 is listed here."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from udp.device_types.yaml12 import load_yaml, parse_yaml
from udp.errors import ConfigurationError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            (word, word)
            for word in ("on", "off", "yes", "No", "y", "N", "00012074", "0123", "-01", "1_000", "12:30")
        ),
        *(
            (word, word)
            for word in ("2026-05-04", "2026-05-04T10:30:00Z", "0b11", "1e", "=", "<<", "+-1", "0x")
        ),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("0", 0),
        ("-7", -7),
        ("0x0A", 10),
        ("0o17", 15),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("'on'", "on"),
        ('"true"', "true"),
        ("[on, 007, 0x1F]", ["on", "007", 31]),
    ],
)
def test_a_scalar_is_what_version_1_2_says(text, value):
    found = parse_yaml(f"a: {text}\n")["a"]
    assert (found, type(found)) == (value, type(value))


def test_twice_the_same_key_is_refused(tmp_path):
    path = tmp_path / "x.yaml"
    path.write_text("a: 1\nb: 2\na: 3\n", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="stands twice"):
        load_yaml(path)


@pytest.mark.parametrize(
    "text", ["a: !!python/object/apply:os.system [ls]\n", "a: [1\n", "\x00", "a: b: c\n"]
)
def test_what_is_no_plain_yaml_is_refused(tmp_path, text):
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"x\.yaml"):
        load_yaml(path)


@given(st.text(max_size=80))
def test_any_text_is_yaml_or_refused(text):
    try:
        parse_yaml(text)
    except (yaml.YAMLError, ValueError):
        return


@given(st.integers() | st.floats(allow_nan=False).filter(math.isfinite) | st.booleans() | st.none())
def test_what_json_says_is_yaml(value):
    import json

    assert parse_yaml(f"a: {json.dumps(value)}")["a"] == value
