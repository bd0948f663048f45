"""A maker's folder and ChirpStack profiles, written for these tests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

CODEC = """
function decodeUplink(input) {
  if (input.fPort > 8) return { errors: ["unknown port"] };
  return { data: { temperature: input.bytes[0] / 10, relay: "on", serial: "00012074", battery: 3.6,
    distance: 800, pressure: { displayName: "Air pressure", unit: "Pa", value: 101325 } } };
}
"""
FILES = {
    "index.yaml": "endDevices:\n  - room-1\n  - df702 # has a native decoder\n  - silent\n",
    "room-1.yaml": """
name: Room One
description: on
firmwareVersions:
  - version: '1.0'
    numeric: 1
    profiles:
      EU863-870: {id: p, codec: old-codec}
  - version: '1.1'
    numeric: 2
    profiles:
      US902-928: {id: p, codec: nothing}
      EU863-870: {id: p, codec: room-1-codec}
""",
    "room-1-codec.yaml": """
uplinkDecoder:
  fileName: room-1.js
  examples:
    - description: on
      input: {fPort: 2, bytes: [0xD7, 1, 0x0A], recvTime: 2026-05-04T10:30:00Z}
      output:
        data: {temperature: 21.5, relay: on, serial: 00012074, battery: 3.6, distance: 800,
               pressure: {displayName: Air pressure, unit: Pa, value: 101325}}
    - description: wrong port
      input: {fPort: 9, bytes: [1]}
      output: {errors: [unknown port]}
""",
    "room-1.js": CODEC,
    "df702.yaml": """
name: DF702
firmwareVersions:
  - version: '1.0'
    profiles: {EU863-870: {id: p, codec: df702-codec}}
""",
    "df702-codec.yaml": """
uplinkDecoder:
  fileName: df702.js
  examples:
    - description: heartbeat
      input: {fPort: 3, bytes: [128, 0, 1, 1, 17, 7, 208, 0, 25, 0, 0, 0, 0, 0, 0, 0, 129]}
      output: {data: {level: 2000 mm, temperature: 25 ℃, angle: 0 °}}
""",
    "df702.js": CODEC,
    "silent.yaml": "name: Silent\nfirmwareVersions:\n  - version: '1'\n    profiles: {EU863-870: {id: p}}\n",
}


@pytest.fixture
def vendor(tmp_path: Path) -> Path:
    folder = tmp_path / "vendor" / "dingtek"
    folder.mkdir(parents=True)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def api_profile(tmp_path: Path) -> Path:
    path = tmp_path / "profile.json"
    content = {
        "name": "Schulluft CO₂",
        "payloadCodecRuntime": "JS",
        "payloadCodecScript": CODEC,
        "uplinkInterval": 900,
        "measurements": {"co2": {"name": "CO2", "kind": "GAUGE"}, "mode": {"name": "", "kind": "STRING"}},
    }
    path.write_text(
        json.dumps({"deviceProfile": content, "createdAt": "2026-01-01T00:00:00Z"}), encoding="utf-8"
    )
    return path


@pytest.fixture
def repository_device(tmp_path: Path) -> Path:
    folder = tmp_path / "vendors" / "acme"
    for name in ("devices", "codecs"):
        (folder / name).mkdir(parents=True)
    path = folder / "devices" / "acme-1.toml"
    path.write_text(
        '[device]\nname = "Acme 1"\n[[device.firmware]]\nversion = "1"\ncodec = "a.js"\n',
        encoding="utf-8",
    )
    (folder / "codecs" / "a.js").write_text(CODEC, encoding="utf-8")
    test = {"name": "one", "input": {"fPort": 1, "bytes": [215]}, "expected": {"data": {"temperature": 21.5}}}
    (folder / "codecs" / "test_decode_a.json").write_text(json.dumps([test]), encoding="utf-8")
    return path
