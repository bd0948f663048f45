"""How long a sync of 1,000 devices takes: first, repeated, and looked at only.

The ChirpStack is our double in this process, so a real one on another machine adds its own time and the
network's; what is measured is the platform's side and the number of questions it asks.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "contracts" / "chirpstack"))

from chirpstack_site import Site, double_beside, opened_register

DEVICES = 1000


def main() -> None:
    """Print figures; judge nothing."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with opened_register(folder) as register, double_beside(folder, *register) as site:
            measure(site)


def measure(site: Site) -> None:
    """Import once, then sync twice."""
    site.take_in(*(site.row(number) for number in range(1, DEVICES + 1)))
    show(site, "dry run before", site.plan)
    show(site, "first sync", site.sync)
    show(site, "repeated sync", site.sync)


def show(site: Site, what: str, work: Callable[[], object]) -> None:
    """One line."""
    assert site.world is not None
    site.world.calls.clear()
    started = time.perf_counter()
    work()
    seconds = time.perf_counter() - started
    print(f"{what:<16} {DEVICES} devices  {seconds:6.2f} s  {site.world.calls.total()} calls")


if __name__ == "__main__":
    main()
