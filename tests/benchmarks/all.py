"""Run every benchmark, one after the other, and say at the end in one screen what came out.

    python tests/benchmarks/all.py [--small] [name ...]

Nothing fails on a time; a benchmark that fails at all is named. In full under a quarter of an hour on
two quiet cores; --small: a minute or two, whose figures only show that every benchmark still runs.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
WIDTH = 100
# Of a benchmark that marks no line with this word, its last lines count.
MARK = "summary: "
LAST_LINES = 3


class Size(NamedTuple):
    """Arguments of one benchmark, in full and small."""

    full: tuple[str, ...] = ()
    small: tuple[str, ...] = ()


# The store's own full size (25.9 million values) takes half an hour by itself: bench_store.py alone.
SIZES = {
    "bench_api": Size(("--with-writer",), ("--with-writer", "--seconds", "2")),
    "bench_edge": Size((), ("--frames", "1000")),
    "bench_models": Size(
        (), ("--days", "60", "--bins", "20", "--meters", "1", "--fleet", "5", "--fleet-meters", "2")
    ),
    "bench_sensorthings": Size((), ("--streams", "100", "--days", "4", "--repeats", "4")),
    "bench_store": Size(("--scale", "0.3"), ("--scale", "0.002", "--repeat", "2")),
}


class Outcome(NamedTuple):
    """One benchmark that has run."""

    name: str
    seconds: float
    code: int
    said: list[str]


def main() -> int:
    """Run what was asked for; the highest exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="only to see that they run")
    parser.add_argument("names", nargs="*", help="store, api, ...; all when none is named")
    given = parser.parse_args()
    scripts = [path for path in sorted(HERE.glob("bench_*.py")) if _wanted(path.stem, given.names)]
    load_before = os.getloadavg()[0]
    done = [_run(path, small=given.small) for path in scripts]
    print(_summary(done, load_before))
    return max((one.code for one in done), default=0)


def _wanted(name: str, names: list[str]) -> bool:
    return not names or name.removeprefix("bench_") in {one.removeprefix("bench_") for one in names}


def _run(script: Path, *, small: bool) -> Outcome:
    print(f"\n=== {script.stem} " + "=" * max(3, WIDTH - len(script.stem) - 5), flush=True)
    size = SIZES.get(script.stem, Size())
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1]), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, str(script), *(size.small if small else size.full)]
    said: list[str] = []
    began = time.monotonic()
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            print(line, end="", flush=True)
            said.append(line.rstrip())
    return Outcome(script.stem, time.monotonic() - began, process.returncode, [one for one in said if one])


def _summary(done: list[Outcome], load_before: float) -> str:
    lines = ["", "=" * WIDTH]
    for one in done:
        state = "" if one.code == 0 else f"  FAILED (exit code {one.code}), see above"
        lines.append(f"{one.name:26}{one.seconds:5.0f} s{state}")
        marked = [line.removeprefix(MARK) for line in one.said if line.startswith(MARK)]
        lines += [f"    {line[: WIDTH + 20]}" for line in marked or one.said[-LAST_LINES:]]
    total = sum(one.seconds for one in done)
    load = f"load average before: {load_before:.1f} on {os.cpu_count()} cores"
    busy = "; busy machine: compare ratios, not times" if load_before > 0.5 * (os.cpu_count() or 1) else ""
    return "\n".join([*lines, f"{total / 60:.1f} minutes; {load}{busy}"])


if __name__ == "__main__":
    raise SystemExit(main())
