"""Keep published payloads beside the profile they belong to: <name>.examples.json, golden for ever."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from udp.device_types.foreign import Example, payload_of, port_of
from udp.errors import ConfigurationError

SUFFIX = ".examples.json"


def examples_file(folder: Path, name: str) -> Path:
    """Where the examples of a profile lie."""
    return folder / f"{name}{SUFFIX}"


def read_examples(path: Path) -> tuple[Example, ...]:
    """None if there is no such file. ConfigurationError if it is none of ours."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return tuple(_read(one) for one in content)
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigurationError(
            f"{path}: not a list of examples ({error}); import the type again"
        ) from error


def _read(one: dict[str, object]) -> Example:
    payload = payload_of(one)
    if payload is None:
        raise ValueError("hex is missing")
    return Example(str(one["description"]), port_of(one), payload, one["data"], str(one.get("recvTime", "")))


def examples_text(examples: Sequence[Example]) -> str:
    """One example per line, so that a change shows in a comparison."""
    lines = [
        json.dumps(
            {
                "description": one.description,
                "fPort": one.f_port,
                "hex": one.payload.hex(),
                **({"recvTime": one.received_at} if one.received_at else {}),
                "data": one.data,
            },
            ensure_ascii=False,
        )
        for one in examples
    ]
    return "[\n" + ",\n".join(lines) + "\n]\n"
