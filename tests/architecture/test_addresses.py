"""Every address of ours goes through one way, so that a city may be served at a path (udp.api.rooted)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted(path for room in ("udp", "dashboards", "models") for path in (ROOT / room).rglob("*.html"))
_BARE = re.compile(r"""(?:href|src|action|poster|srcset|content)=["']/|url\(["']?/""")
_WRITTEN = re.compile(r"""(?:href|src|action)=\\?["']/|Redirect(?:Response)?\(f?["']/""")


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_begin_their_addresses_with_the_root(path):
    found = [line for line in path.read_text(encoding="utf-8").splitlines() if _BARE.search(line)]
    assert not found, "write {{ root }}/... instead"


def test_code_writes_no_address_without_the_root():
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in ("udp", "dashboards")
        for path in (ROOT / room).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if _WRITTEN.search(line)
    ]
    assert not found, "use udp.api.rooted.link"
