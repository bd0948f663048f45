"""Run schemathesis against a running fortress for some time, as its own command does."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fortress import Fortress

HERE = Path(__file__).parent
# Endless answers have tests of their own.
_WITHOUT = "/live$"
# Districts and keys are those of a city: no document can list them, and unknown ones are refused.
_NOT_CHECKED = "positive_data_acceptance"


@dataclass(frozen=True)
class Outcome:
    """What schemathesis said; `cases`: questions it invented."""

    code: int
    said: str
    cases: int


def storm(
    fortress: Fortress, seconds: float, *, seed: int, headers: Mapping[str, str] | None = None
) -> Outcome:
    """All phases, all checks; repeats until the time is over. Without `headers`: as the public."""
    paths = {
        "number": [*fortress.ids.values(), 1],
        "key": sorted({name.split("/")[0] for name in fortress.ids}),
        "dev_eui": ["cafe0000dead0001", "CAFE0000DEAD0001"],
        "dataset": ["wetter", "luft", "zaehler", "parken"],
        "syntax": ["ttl", "rdf", "jsonld"],
        "file": sorted({one.name for one in (fortress.folder / "opendata").rglob("*.*")}),
    }
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parents[1] / "machine")]),
        "SCHEMATHESIS_HOOKS": "siege_hooks",
        "SIEGE_PATHS": json.dumps(paths),
        "SIEGE_PUBLIC": "" if headers else "1",
        "NO_COLOR": "1",
    }
    command = [
        str(Path(sys.executable).with_name("st")), "run", f"{fortress.url}/api/openapi.json",
        "--max-time", str(int(seconds)), "--checks", "all", "--exclude-checks", _NOT_CHECKED,
        "--exclude-path-regex", _WITHOUT, "--seed", str(seed), "--request-timeout", "30",
        "--continue-on-failure", "--suppress-health-check", "all", "--warnings", "off",
    ]  # fmt: skip
    for name, value in (headers or {}).items():
        command += ["--header", f"{name}: {value}"]
    done = subprocess.run(
        command, env=environment, cwd=fortress.folder, capture_output=True, text=True,
        timeout=seconds * 2 + 120, check=False,
    )  # fmt: skip
    said = done.stdout + done.stderr
    generated = re.search(r"(\d+) generated", said)
    return Outcome(done.returncode, said, int(generated[1]) if generated else 0)
