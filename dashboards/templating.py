"""Templates with everything escaped, and assets whose names change with their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import jinja2

_PUBLIC = Path(__file__).parent / "public"
_OPERATOR = Path(__file__).parent / "operator"
_STATIC = _PUBLIC / "static"


def environment(directories: Sequence[Path], root: str) -> jinja2.Environment:
    """Templates of `directories`, first match wins; an undefined name is an error, never a blank.

    `root`: the path at which the city is served; every address of ours in a template begins with it.
    """
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader([str(directory) for directory in directories]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["root"] = root
    return made


def public_environment(root: str = "") -> jinja2.Environment:
    """The templates of the public pages."""
    return environment([_PUBLIC / "templates"], root)


def operator_environment(root: str = "") -> jinja2.Environment:
    """The templates of the operator pages; they share the public frame."""
    return environment([_OPERATOR / "templates", _PUBLIC / "templates"], root)


def assets() -> Mapping[str, tuple[str, bytes]]:
    """File name -> (address, octets). The address carries a digest: browsers may keep it for ever,
    and pages of an older version keep their own."""
    found = {}
    for path in sorted(_STATIC.iterdir()):
        octets = path.read_bytes()
        digest = hashlib.sha256(octets).hexdigest()[:10]
        found[path.name] = (f"/static/{path.stem}-{digest}{path.suffix}", octets)
    return found
