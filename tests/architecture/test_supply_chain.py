"""What others wrote and we ship is free software, and publiccode.yml is what its standard wants."""

import importlib.util
import sys
from datetime import date
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
_SPEC = importlib.util.spec_from_file_location("licences", ROOT / ".ci/licences.py")
licences = importlib.util.module_from_spec(_SPEC)
sys.modules["licences"] = licences
_SPEC.loader.exec_module(licences)
PARTS = licences.parts(licences.installed())


def test_the_list_is_the_lock_files():
    assert len({one.name.lower() for one in PARTS}) > 60


@pytest.mark.parametrize("one", PARTS, ids=lambda one: one.name)
def test_every_dependency_is_free_software(one):
    assert not licences.trouble(one)
    assert one.origin.startswith("http"), one


def test_the_list_for_people_names_every_part_with_licence_and_origin(tmp_path, capsys):
    files = [tmp_path / "licences.md", tmp_path / "licences.html"]
    assert licences.main([str(one) for one in files]) == 0
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert all(
            one.name in text and one.origin.replace("&", "&amp;") in text.replace("&", "&amp;")
            for one in PARTS
        )
    rows = [line for line in files[0].read_text().splitlines() if line.startswith("| ")][1:]
    assert len(rows) == len(PARTS)
    assert all(len([cell for cell in row.split("|")[1:-1] if cell.strip()]) == 4 for row in rows)


def test_a_part_without_licence_and_one_that_is_not_free_are_named():
    assert "names no licence" in licences.trouble(licences.Part("a", "1", "", "http://a"))
    assert "not free" in licences.trouble(licences.Part("a", "1", "BUSL-1.1", "http://a"))


@pytest.mark.parametrize(
    "words", ["BUSL-1.1", "Server Side Public License", "Other/Proprietary License", "Foo"]
)
def test_what_is_not_free_is_noticed(words):
    assert licences.NOT_FREE.search(words) or not licences.FREE.search(words)


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
