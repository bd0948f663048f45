"""YAML as its version 1.2 means it: `on` is a word, 00012074 is a text and not an octal number.

PyYAML reads version 1.1; only its rules for plain scalars differ where it matters, so these are ours:
the core schema (YAML 1.2.2, 10.3.2), with numbers that start with a zero left as they are written.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from udp.errors import ConfigurationError

LARGEST_OCTETS = 4 << 20


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's way


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("bool", r"true|True|TRUE|false|False|FALSE", tuple("tTfF")),
    ("int", r"[-+]?(?:0|[1-9][0-9]*)|0x[0-9a-fA-F]+|0o[0-7]+", tuple("-+0123456789")),
    (
        "float",
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)"
        r"|\.(?:nan|NaN|NAN)",
        tuple("-+.0123456789"),
    ),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def _integer(_loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    text = node.value
    return int(text[2:], 8) if text.startswith("0o") else int(text, 16 if text.startswith("0x") else 10)


def _mapping(loader: yaml.SafeLoader, node: yaml.MappingNode) -> dict[Any, Any]:
    pairs = loader.construct_pairs(node, deep=True)
    found: dict[Any, Any] = {}
    for (key, value), (where, _) in zip(pairs, node.value, strict=True):
        if isinstance(key, dict | list) or key in found:
            raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", where.start_mark)
        found[key] = value
    return found


_Loader.add_constructor("tag:yaml.org,2002:int", _integer)
_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def load_yaml(path: Path) -> Any:
    """The first document. ConfigurationError if the file cannot be read or is no YAML."""
    try:
        if path.stat().st_size > LARGEST_OCTETS:
            raise ConfigurationError(
                f"{path}: larger than {LARGEST_OCTETS >> 20} MB; is this the right file?"
            )
        return parse_yaml(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not valid YAML 1.2: {error}") from error


def parse_yaml(text: str) -> Any:
    """Plain dicts, lists, texts, numbers, truth values and None. yaml.YAMLError if it is none."""
    return yaml.load(text, Loader=_Loader)  # noqa: S506 - a safe loader with fewer words
