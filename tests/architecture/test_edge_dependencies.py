"""A gateway has 128 MB: edge/ without Modbus and JavaScript must do with three libraries."""

from __future__ import annotations

import subprocess
import sys

# In a process of its own: what this one has imported already would hide everything.
_PROBE = """
import importlib, pkgutil, sys
from pathlib import Path

# The second set is what cryptography itself brings, _openssl being its compiled half.
ALLOWED = {"cbor2", "paho", "cryptography"} | {"cffi", "_cffi_backend", "pycparser", "_openssl"}
NOT_OURS = {"udp", "ingest", "models", "dashboards", "simulators"}
EXTRAS = ("edge.sources.modbus", "edge.codecs.javascript")

class Guard:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in NOT_OURS:
            raise AssertionError(f"edge imports {name}")
        if top not in ALLOWED and top != "edge" and top not in sys.stdlib_module_names:
            # Optional imports of the three (paho knows dnspython and socks) must cope without.
            raise ModuleNotFoundError(f"{name} is not on a gateway", name=name)
        return None

already = {name.partition(".")[0] for name in sys.modules}
sys.meta_path.insert(0, Guard())
import edge
count = 0
for module in pkgutil.walk_packages(edge.__path__, "edge."):
    if not module.name.startswith(EXTRAS):
        importlib.import_module(module.name)
        count += 1
loaded = {name.partition(".")[0] for name in sys.modules} - already
foreign = sorted(
    name for name in loaded
    if name != "edge" and name not in ALLOWED and name not in sys.stdlib_module_names
)
print(count, ",".join(foreign))
"""


def test_everything_on_a_gateway_runs_with_three_libraries() -> None:
    ended = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    count, _, foreign = ended.stdout.strip().partition(" ")
    assert int(count) > 20
    assert foreign == ""
