"""What holds for every test, however slow or busy the machine is."""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent / "machine"))  # for loopback.py

# How long an example takes says something of the machine, nothing of the law. Whoever lists health checks
# of its own names this one too. Where CI is set, each run draws the same examples.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")
