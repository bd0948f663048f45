"""Read ChirpStack v4 device profiles: one saved from its API as JSON (api/device_profile.proto), or a
device's TOML file of its profile repository (github.com/chirpstack/chirpstack-device-profiles)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from udp.device_types.foreign import Example, ForeignType, payload_of, port_of
from udp.errors import ConfigurationError
from udp.registry.toml_tables import open_toml

_TEXT = r'(?P<text>"(?:[^"\\]|\\.)*")'
_NOT_JSON = re.compile(
    _TEXT
    + r"|//[^\n]*|/\*.*?\*/|\b(?P<hexadecimal>0[xX][0-9a-fA-F]+)\b|\b(?P<name>[A-Za-z_$][\w$]*)(?=\s*:)",
    re.DOTALL,
)
_LAST_COMMA = re.compile(_TEXT + r"|,(?=\s*[\]}])", re.DOTALL)


def read_api_profile(path: Path) -> ForeignType:
    """A DeviceProfile message as JSON, in camelCase or snake_case. ConfigurationError if it is none."""
    content = _json(path)
    if isinstance(content, dict):
        content = content.get("deviceProfile", content.get("device_profile", content))
    if not isinstance(content, dict) or "name" not in content:
        raise ConfigurationError(f"{path}: no ChirpStack device profile; save GET /api/device-profiles/ID")
    runtime = _get(content, "payloadCodecRuntime")
    script = _get(content, "payloadCodecScript")
    if runtime != "JS" or not isinstance(script, str) or not script.strip():
        raise ConfigurationError(
            f"{path}: profile {content['name']!r} has no JavaScript codec (runtime {runtime!r}); write the "
            "profile by hand with the name of a native codec"
        )
    interval = _get(content, "uplinkInterval")
    return ForeignType(
        vendor="",
        device=str(content["name"]),
        title=str(content["name"]),
        origin=f"ChirpStack device profile {content['name']!r}",
        script=script,
        interval_s=float(interval) if isinstance(interval, int) and interval > 0 else None,
        labels=dict(_labels(_get(content, "measurements"))),
        path=path,
    )


def read_repository_device(path: Path) -> ForeignType:
    """vendors/<vendor>/devices/<device>.toml with its codec and the codec's tests beside it."""
    device = open_toml(path).get("device")
    firmware = device.get("firmware") if isinstance(device, dict) else None
    names = [one.get("codec") for one in firmware or [] if isinstance(one, dict) and one.get("codec")]
    if not isinstance(device, dict) or not names:
        raise ConfigurationError(f"{path}: no [device] with a codec in its [[device.firmware]]")
    name = str(names[-1])
    if Path(name).name != name:
        raise ConfigurationError(f"{path}: codec {name!r} leads out of the vendor's folder; not read")
    script = path.parent.parent / "codecs" / name
    try:
        text = script.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{script}: the codec cannot be read; complete the folder") from error
    tests = script.with_name(f"test_decode_{script.stem}.json")
    vendor = path.parent.parent.name
    return ForeignType(
        vendor="" if path.stem.startswith(f"{vendor}-") else vendor,
        device=path.stem,
        title=str(device.get("name", path.stem)),
        origin=f"ChirpStack device profiles, vendors/{vendor}/devices/{path.name}",
        script=text,
        examples=tuple(_examples(_json(tests), tests)) if tests.exists() else (),
        path=script,
    )


def _examples(content: Any, path: Path) -> Iterator[Example]:
    for number, one in enumerate(content if isinstance(content, list) else [], start=1):
        entry = one if isinstance(one, dict) else {}
        put_in, expected = entry.get("input"), entry.get("expected")
        payload = payload_of(put_in) if isinstance(put_in, dict) else None
        if not isinstance(put_in, dict) or not isinstance(expected, dict) or payload is None:
            raise ConfigurationError(f"{path}: test {number}: input (fPort, bytes) or expected is missing")
        yield Example(
            description=str(entry.get("name", f"test {number}")),
            f_port=port_of(put_in),
            payload=payload,
            data=None if expected.get("errors") else expected.get("data"),
            received_at=str(put_in.get("recvTime", "")),
        )


def _labels(measurements: Any) -> Iterator[tuple[str, str]]:
    for key, one in measurements.items() if isinstance(measurements, dict) else ():
        yield str(key), str(one.get("name", "")) if isinstance(one, dict) else ""


def _plain_json(text: str) -> str:
    """JavaScript reads the tests, and some are written so: comments, 0x7f, bare names, last commas."""

    def plain(found: re.Match[str]) -> str:
        if found["hexadecimal"]:
            return str(int(found["hexadecimal"], 16))
        return found["text"] or (f'"{found["name"]}"' if found["name"] else " ")

    return _LAST_COMMA.sub(lambda found: found["text"] or "", _NOT_JSON.sub(plain, text))


def _get(content: Mapping[str, Any], camel: str) -> Any:
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel)
    return content.get(camel, content.get(snake))


def read_repository_vendor(path: Path) -> list[ForeignType]:
    """Every device of vendors/<vendor> that has a codec."""
    found = []
    for file in sorted((path / "devices").glob("*.toml")):
        device = open_toml(file).get("device")
        firmware = device.get("firmware") if isinstance(device, dict) else None
        if any(isinstance(one, dict) and one.get("codec") for one in firmware or []):
            found.append(read_repository_device(file))
    return found


def _json(path: Path) -> Any:
    try:
        text = path.read_text(encoding="utf-8-sig")
        try:
            return json.loads(text)
        except ValueError:
            return json.loads(_plain_json(text))
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{path}: not valid JSON: {error}") from error
