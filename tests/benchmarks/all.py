"""Run every benchmark, one after the other: figures and ratios to read, nothing that fails on a time."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> int:
    """Run each `bench_*.py` in its own process; arguments go to all of them."""
    worst = 0
    for script in sorted(HERE.glob("bench_*.py")):
        print(f"\n=== {script.stem} " + "=" * max(3, 70 - len(script.stem)), flush=True)
        environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
        command = [sys.executable, script, *sys.argv[1:]]
        worst = max(worst, subprocess.run(command, env=environment, check=False).returncode)
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
