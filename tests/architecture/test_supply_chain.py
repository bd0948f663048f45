"""What others wrote and we ship is free software, and publiccode.yml is what its standard wants."""

import re
import tomllib
from datetime import date
from importlib import metadata
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
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
    "wetterdienst": "MIT, LICENSE of the repository",
    "urban-data-platform": "EUPL-1.2, ours",
}


def words_of(one):
    about = one.metadata
    found = [about.get("License-Expression") or "", (about.get("License") or "").split("\n")[0]]
    found += [
        line.split("::")[-1] for line in about.get_all("Classifier", []) if line.startswith("License ::")
    ]
    return " | ".join(word.strip() for word in found if word and word.strip() not in ("", "UNKNOWN"))


def locked():
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    return {one["name"] for one in lock["package"]}


INSTALLED = sorted(
    (one for one in metadata.distributions() if re.sub(r"[-_.]+", "-", one.name).lower() in locked()),
    key=lambda one: one.name.lower(),
)


def test_the_list_is_the_lock_files():
    assert len({one.name.lower() for one in INSTALLED}) > 60


@pytest.mark.parametrize("one", INSTALLED, ids=lambda one: one.name)
def test_every_dependency_is_free_software(one):
    words = words_of(one)
    if not words:
        assert one.name.lower() in READ_BY_HAND, f"{one.name} names no licence: read it, and note it here"
        return
    assert not NOT_FREE.search(words), f"{one.name}: {words}"
    assert FREE.search(words), f"{one.name}: {words!r} is not known; look whether it is free"


@pytest.mark.parametrize(
    "words", ["BUSL-1.1", "Server Side Public License", "Other/Proprietary License", "Foo"]
)
def test_what_is_not_free_is_noticed(words):
    assert NOT_FREE.search(words) or not FREE.search(words)


def test_publiccode_has_what_its_standard_makes_mandatory():
    """publiccode.yml 0.4, keys and vocabularies of the standard's schema."""
    told = yaml.safe_load((ROOT / "publiccode.yml").read_text(encoding="utf-8"))
    for key in ("publiccodeYmlVersion", "name", "url", "platforms", "developmentStatus", "softwareType",
                "description", "legal", "maintenance", "localisation"):  # fmt: skip
        assert told.get(key), key
    assert told["publiccodeYmlVersion"] in ("0.4", "0.4.0")
    assert told["url"].startswith("https://")
    assert date.fromisoformat(told["releaseDate"])
    assert told["developmentStatus"] in ("concept", "development", "beta", "stable", "obsolete")
    assert told["softwareType"] in {
        f"standalone/{kind}" for kind in ("mobile", "iot", "desktop", "web", "backend", "other")
    }
    assert told["legal"]["license"] == "EUPL-1.2"
    assert told["maintenance"]["type"] in ("internal", "contract", "community", "none")
    assert all(one["name"] for one in told["maintenance"]["contacts"])
    assert isinstance(told["localisation"]["localisationReady"], bool)
    assert told["localisation"]["availableLanguages"]
    for words in told["description"].values():
        assert len(words["shortDescription"]) <= 150
        assert 150 <= len(words["longDescription"]) <= 10_000
        assert words["features"]
    assert set(told["intendedAudience"]["scope"]) <= SCOPES


SCOPES = {
    *(
        "agriculture",
        "culture",
        "defence",
        "education",
        "emergency-services",
        "employment",
        "energy",
        "environment",
    ),
    *("finance-and-economic-development", "foreign-affairs", "government", "healthcare", "infrastructures"),
    *(
        "justice",
        "local-authorities",
        "manufacturing",
        "research",
        "science-and-technology",
        "security",
        "society",
    ),
    *("sport", "tourism", "transportation", "welfare"),
}
