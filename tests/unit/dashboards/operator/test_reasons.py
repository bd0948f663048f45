"""Every reason ingest can give for setting a delivery aside has German words, also one yet to come."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ingest
from dashboards.operator.reasons import in_german

REASONS = ("Unusable", "_unusable")
PACKAGE = Path(next(iter(ingest.__path__)))


def spoken(node: ast.expr) -> str:
    """What an expression in ingest's source comes to, with a word where a value will stand."""
    if isinstance(node, ast.JoinedStr):
        return "".join(spoken(part) for part in node.values)
    if isinstance(node, ast.FormattedValue):
        return "'X1'" if node.conversion == ord("r") else "X1"
    return str(node.value) if isinstance(node, ast.Constant) else ""


def said_in(path: Path) -> list[str]:
    """Each reason in one of ingest's files; `_unusable` belongs to the mapping files."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "id", getattr(node.func, "attr", ""))
            if name in REASONS and (text := spoken(node.args[0])):
                found.append(f"mapping X1: {text}" if name == "_unusable" else text)
        if isinstance(node, ast.JoinedStr) and (text := spoken(node)).startswith("unexpected"):
            found.append(text)  # the words of a fault nobody foresaw are cleaned first
    return found


ALL = sorted({text for path in PACKAGE.rglob("*.py") for text in said_in(path)})


def test_the_sources_are_read() -> None:
    assert len(ALL) > 30
    assert "device X1 is not registered" in ALL
    assert "unexpected X1: X1" in ALL


@pytest.mark.parametrize("reason", ALL)
def test_a_reason_has_german_words_and_a_remedy(reason: str) -> None:
    text, remedy = in_german(reason, "do this")
    assert text != reason, "give it German words in dashboards/operator/reasons.py"
    assert remedy not in ("", "do this")
    assert "{" not in text + remedy
    assert reason.count("X1") == 0 or "X1" in text, "what it names is lost"


@pytest.mark.parametrize(
    ("reason", "german"),
    [
        ("frame: DevAddr 26011BDA: no session known", "(26011BDA): no session known"),
        (
            "frame: DevAddr 26011BDA, FCnt 7 (16 bits): MIC 00000000 fits none of 1 session(s)",
            "(26011BDA): FCnt 7 (16 bits)",
        ),
        (
            "frame: device 0102030405060708: FCnt 7 is 9 behind the highest seen; a replayed frame",
            "(0102030405060708): FCnt 7 is 9 behind",
        ),
        ("frame: PHYPayload is empty", "Der Funkspruch ist beschädigt"),
        ("mapping pegel: time 'gestern' is not iso: no", "Plattform pegel passt nicht"),
        (
            "device 0102030405060708: its clock stands still: Datastream 11 has 1000 different values of "
            "2026-11-20 12:00:00.000000 UTC already",
            "Die Uhr des Geräts 0102030405060708 steht: Datastream 11 hat von 2026-11-20 12:00:00.000000",
        ),
        (
            "The Things Stack event is a JSON list, not an object",
            "von The Things Stack ist kein Objekt in JSON",
        ),
        ("device 01: counter restarted or replayed: FCnt 3 is not above 9, up to", "Der Zähler (FCnt) 3 war"),
    ],
)
def test_it_names_what_the_reason_names(reason: str, german: str) -> None:
    assert german in in_german(reason, "")[0]


def test_what_nobody_has_translated_stays_as_it_was_said() -> None:
    assert in_german("the moon is made of cheese", "eat it") == ("the moon is made of cheese", "eat it")


@pytest.mark.parametrize("said", ["{0}", "{device}", "}{", "\n", "a: b"])
def test_no_content_breaks_the_sentence(said: str) -> None:
    text, _ = in_german(f"the store refuses it: {said}", "")
    assert text.startswith("Der Speicher der Messwerte nimmt einen Wert nicht an:")
