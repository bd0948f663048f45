"""Read The Things Network's device repository (github.com/TheThingsNetwork/lorawan-devices, its README):
a vendor's folder, or one device's file in it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from udp.device_types.foreign import Example, ForeignType, payload_of, port_of
from udp.device_types.yaml12 import load_yaml
from udp.errors import ConfigurationError

_SOURCE = "The Things Network Device Repository"


def read_device_repository(path: Path) -> list[ForeignType]:
    """Every device of the folder that has a codec. ConfigurationError names the file that cannot be meant."""
    files = [path] if path.is_file() else _of_folder(path)
    return [found for file in files if (found := _device(file)) is not None]


def _of_folder(path: Path) -> list[Path]:
    index = path / "index.yaml"
    devices = _table(load_yaml(index), index).get("endDevices")
    if not isinstance(devices, list) or not all(isinstance(one, str) for one in devices):
        raise ConfigurationError(
            f"{index}: no list endDevices; name the folder of one vendor, e.g. lorawan-devices/vendor/dingtek"
        )
    return [_inside(path, f"{one}.yaml") for one in devices]


def _device(file: Path) -> ForeignType | None:
    content = _table(load_yaml(file), file)
    codec = _codec_name(content)
    if codec is None:
        return None
    codec_file = _inside(file.parent, f"{codec}.yaml")
    decoder = _table(load_yaml(codec_file), codec_file).get("uplinkDecoder")
    if not isinstance(decoder, dict) or not isinstance(decoder.get("fileName"), str):
        return None
    script = _inside(file.parent, decoder["fileName"])
    try:
        text = script.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{script}: the codec cannot be read; complete the folder") from error
    return ForeignType(
        vendor=file.parent.name,
        device=file.stem,
        title=str(content.get("name", file.stem)),
        origin=f"{_SOURCE}, vendor/{file.parent.name}/{file.name}",
        script=text,
        examples=tuple(_examples(decoder.get("examples"), codec_file)),
        path=script,
    )


def _codec_name(content: Mapping[str, Any]) -> str | None:
    """The codec of the newest firmware in Europe, else of any region."""
    versions = content.get("firmwareVersions")
    for version in reversed(versions if isinstance(versions, list) else []):
        profiles = version.get("profiles") if isinstance(version, dict) else None
        regions = profiles if isinstance(profiles, dict) else {}
        for region in ("EU863-870", *regions):
            entry = regions.get(region)
            if isinstance(entry, dict) and isinstance(entry.get("codec"), str):
                return str(entry["codec"])
    return None


def _examples(given: Any, file: Path) -> Iterator[Example]:
    for number, one in enumerate(given if isinstance(given, list) else [], start=1):
        entry = one if isinstance(one, dict) else {}
        put_in, came_out = entry.get("input"), entry.get("output")
        payload = payload_of(put_in) if isinstance(put_in, dict) else None
        if not isinstance(put_in, dict) or not isinstance(came_out, dict) or payload is None:
            raise ConfigurationError(f"{file}: example {number}: input (fPort, bytes) or output is missing")
        failed = bool(came_out.get("errors"))
        yield Example(
            description=str(entry.get("description", f"example {number}")),
            f_port=port_of(put_in),
            payload=payload,
            data=None if failed else came_out.get("data"),
            received_at=str(put_in.get("recvTime", "")),
        )


def _inside(folder: Path, name: str) -> Path:
    """A file of the same folder; foreign files name no others."""
    if Path(name).name != name:
        raise ConfigurationError(f"{folder}: {name!r} leads out of the vendor's folder; not read")
    return folder / name


def _table(content: Any, file: Path) -> dict[Any, Any]:
    if not isinstance(content, dict):
        raise ConfigurationError(f"{file}: expected a YAML mapping; is this the right file?")
    return content
