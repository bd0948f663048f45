"""Which parts others wrote, from where and under which licence: a list for people, next to the SBOM.

`python .ci/licences.py OUT.md OUT.html` reads what is installed of uv.lock; exit 1 where a part is not free.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterable
from html import escape
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
OURS = "urban-data-platform"
# SPDX names and the words of older packages; what is none of these must be looked at by a person.
FREE = re.compile(
    r"\b(MIT\b|BSD|Apache|MPL|Mozilla Public|PSF|Python Software Foundation|ISC\b|LGPL|GPL|GNU |EPL|EUPL|Zlib"
    r"|Eclipse Public|Unlicense|The Unlicense|Public Domain|0BSD|CC0|HPND|Artistic|Zope|W3C-20150513)",
    re.IGNORECASE,
)
# Source that may be read but not freely used counts as non-free.
NOT_FREE = re.compile(
    r"BUSL|BSL-1\.1|Business Source|SSPL|Server Side Public|Elastic License|Commons Clause|Proprietary"
    r"|PolyForm|Non-?Commercial",
    re.IGNORECASE,
)
# Say nothing in their metadata; read in the named source.
READ_BY_HAND = {
    "quickjs-ng": "MIT, LICENSE of the repository",
    OURS: "EUPL-1.2, ours",
}
_HOME = ("repository", "source", "source code", "homepage", "home")


class Part(NamedTuple):
    """One package: `licence` as it says itself, `origin` its address."""

    name: str
    version: str
    licence: str
    origin: str


def words_of(one: metadata.Distribution) -> str:
    """All that a package says of its licence."""
    about = one.metadata
    found = [about.get("License-Expression") or "", (about.get("License") or "").split("\n")[0]]
    found += [
        line.split("::")[-1] for line in about.get_all("Classifier", []) if line.startswith("License ::")
    ]
    return "; ".join(
        dict.fromkeys(word.strip() for word in found if word and word.strip() not in ("", "UNKNOWN"))
    )


def parts(installed: Iterable[metadata.Distribution]) -> list[Part]:
    """By name."""
    found = [
        Part(one.name, one.version, words_of(one) or READ_BY_HAND.get(one.name.lower(), ""), _origin(one))
        for one in installed
    ]
    return sorted(found, key=lambda one: one.name.lower())


def trouble(one: Part) -> str:
    """Why a person must look at it; empty where it is free software."""
    if not one.licence:
        return f"{one.name} names no licence: read it, and note it in .ci/licences.py"
    if NOT_FREE.search(one.licence):
        return f"{one.name} is not free: {one.licence}"
    return "" if FREE.search(one.licence) else f"{one.name}: {one.licence!r} is not known; is it free?"


def locked() -> set[str]:
    """Names in uv.lock."""
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    return {one["name"] for one in lock["package"]}


def installed() -> list[metadata.Distribution]:
    """What is installed here of the lock file."""
    known = locked()
    return [one for one in metadata.distributions() if re.sub(r"[-_.]+", "-", one.name).lower() in known]


def markdown(found: Iterable[Part]) -> str:
    """A table for repositories."""
    rows = "".join(f"| {one.name} | {one.version} | {one.licence} | {one.origin} |\n" for one in found)
    return (
        "# Bausteine anderer, Herkunft und Lizenz\n\nErzeugt aus dem, was installiert ist (`make sbom`).\n\n"
        f"| Baustein | Version | Lizenz, wie er sie nennt | Herkunft |\n|---|---|---|---|\n{rows}"
    )


def page(found: Iterable[Part]) -> str:
    """The same for browsers."""
    rows = "".join(
        f'<tr><th scope="row">{escape(one.name)}</th><td>{escape(one.version)}</td>'
        f"<td>{escape(one.licence)}</td><td>{escape(one.origin)}</td></tr>\n"
        for one in found
    )
    return (
        '<!doctype html><html lang="de"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        "<title>Bausteine und Lizenzen</title>"
        "<h1>Bausteine anderer, Herkunft und Lizenz</h1><table><thead><tr>"
        '<th scope="col">Baustein</th><th scope="col">Version</th>'
        '<th scope="col">Lizenz, wie er sie nennt</th>'
        f'<th scope="col">Herkunft</th></tr></thead><tbody>\n{rows}</tbody></table></html>\n'
    )


def _origin(one: metadata.Distribution) -> str:
    links = {}
    for line in one.metadata.get_all("Project-URL", []):
        name, _, address = line.partition(",")
        links[name.strip().lower()] = address.strip()
    named = next((links[name] for name in _HOME if name in links), "")
    return (
        named
        or one.metadata.get("Home-page")
        or next(iter(links.values()), "")
        or f"https://pypi.org/project/{one.name}/"
    )


def main(arguments: list[str]) -> int:
    """Write both; say what must be looked at."""
    found = parts(installed())
    for path, text in zip(arguments, (markdown(found), page(found)), strict=False):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(text, encoding="utf-8")
        print(path)  # noqa: T201 - the command's answer
    wrong = [told for one in found if (told := trouble(one))]
    for told in wrong:
        print(told, file=sys.stderr)  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
