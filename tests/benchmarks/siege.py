"""Besiege the interface: invented questions, judged by its own document and by a slow evaluator.

    python tests/benchmarks/siege.py [--minutes 10]          (make siege)

Side by side: schemathesis against the OpenAPI document of the running product, as the public and then as
staff, every answer to the public searched for marks of closed things; and random OData questions against
/v1.1, each answer compared with what a plain reading of the standard says of the same small data, and with
what may be known at all. Nothing is timed. Exit code 1 when anything was found.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "contracts" / "siege"))
sys.path.insert(0, str(HERE.parent / "machine"))

from fortress import fortress  # noqa: E402
from storm import Outcome, storm  # noqa: E402

# Random filters, orders and pages beside the reference; random paths and options beside the gate.
ODATA = (
    "tests/unit/udp/api/sensorthings/test_against_reference.py",
    "tests/unit/udp/api/sensorthings/test_gate.py::test_no_address_breaks_it_or_makes_it_talk",
)
STAFF_SHARE = 0.3


def odata(until: float, found: list[str]) -> tuple[int, int]:
    """Rounds with another seed each; how many, and how many questions were asked."""
    rounds = examples = 0
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    while time.monotonic() < until and not found:
        seed = 1000 + rounds
        command = [
            sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *ODATA,
            f"--hypothesis-seed={seed}", "--hypothesis-show-statistics", "--timeout", "1200",
        ]  # fmt: skip
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            found.append(f"seed {seed}:\n{done.stdout[-4000:]}")
        rounds += 1
        examples += sum(int(one) for one in re.findall(r"(\d+) passing", done.stdout))
    return rounds, examples


def schemathesis(seconds: float, folder: Path) -> list[tuple[str, Outcome]]:
    """As the public, then as staff."""
    with fortress(folder / "city") as held:
        asked = [("public", storm(held, seconds * (1 - STAFF_SHARE), seed=int(time.time())))]
        asked.append(("staff", storm(held, seconds * STAFF_SHARE, seed=7, headers=held.staff)))
        held.alive(within_s=60)
        log = (held.folder / "udp.log").read_text()
        if "Traceback" in log:
            asked.append(("log", Outcome(1, log[-4000:], 0)))
    return asked


def main() -> int:
    """Both at once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    given = parser.parse_args()
    found: list[str] = []
    counted: list[tuple[int, int]] = []
    until = time.monotonic() + 60 * given.minutes
    beside = threading.Thread(target=lambda: counted.append(odata(until, found)))
    beside.start()
    with tempfile.TemporaryDirectory() as name:
        asked = schemathesis(60 * given.minutes, Path(name))
    beside.join()
    for who, outcome in asked:
        print(f"summary: schemathesis as {who}: {outcome.cases:,} questions, exit code {outcome.code}")
        if outcome.code:
            found.append(outcome.said[-8000:])
    rounds, examples = counted[0]
    print(f"summary: OData: {examples:,} questions in {rounds} rounds, answers equal to the reference")
    load = f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
    print(f"summary: {len(found)} findings in {given.minutes:g} minutes; {load}")
    for one in found:
        print("\n" + "=" * 100 + "\n" + one)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main())
