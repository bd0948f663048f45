"""What our papers point at is there: files, tests they call a proof, and commands with their verbs."""

import ast
import re
import subprocess
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAPERS = sorted(
    ROOT / name
    for name in subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()
)  # fmt: skip
HISTORY = {"DECISIONS.md", "CHANGELOG.md"}  # speak of their day, also about what has moved since
PRESENT = [paper for paper in PAPERS if paper.name not in HISTORY]
ROOMS = "edge|ingest|udp|models|dashboards|simulators|gateway-firmware|tests"
COMMANDS = {
    "udp": "udp", "udp-edge": "edge", "udp-ingest": "ingest",
    "udp-dashboards": "dashboards", "udp-models": "models", "udp-city": "simulators",
}  # fmt: skip


def name(path):
    return str(path.relative_to(ROOT))


def anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@pytest.mark.parametrize("paper", PAPERS, ids=name)
def test_every_link_and_every_named_file_is_there(paper):
    text = paper.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, place = target.partition("#")
        found = (paper.parent / file) if file else paper
        assert found.exists(), f"{target} is not there"
        if place:
            headings = re.findall(r"^#+ (.+)$", found.read_text(encoding="utf-8"), re.MULTILINE)
            assert place in map(anchor, headings), f"{target}: no such heading"
    for path in [] if paper not in PRESENT else re.findall(rf"`((?:{ROOMS})/[\w./-]+)(?:::\w+)?`", text):
        assert (ROOT / path).exists(), f"{path} is not there"


@pytest.mark.parametrize("paper", PAPERS, ids=name)
def test_every_test_called_a_proof_is_there(paper):
    for path, test in re.findall(r"`(tests/[\w./-]+\.py)::(\w+)`", paper.read_text(encoding="utf-8")):
        tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert test in functions, f"{path} has no {test}"


@cache
def helped(command, *verbs):
    """Exit code of `command verbs --help`, by the same main as the console script."""
    main = import_module(f"{COMMANDS[command]}.__main__").main
    try:
        main([*verbs, "--help"])
    except SystemExit as end:
        return end.code
    return None


@pytest.mark.parametrize("paper", PRESENT, ids=name)
def test_every_verb_is_known_to_its_command(paper):
    text = paper.read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL) + re.findall(r"`([^`\n]+)`", text)
    word = r"([a-z][a-z-]*(?:\\?\|[a-z-]+)*)"
    called = {
        (command, verb, *([inner] if inner else []))
        for block in blocks
        for command, verbs, inners in re.findall(
            rf"^(udp(?:-\w+)?) {word}(?: {word}(?=\s|$))?", block, re.MULTILINE
        )
        for verb in re.split(r"\\?\|", verbs)
        for inner in re.split(r"\\?\|", inners)
    }
    assert called or paper != ROOT / "README.md"
    assert [called for called in sorted(called) if helped(*called) != 0] == []


@pytest.mark.parametrize("paper", PRESENT, ids=name)
def test_every_make_target_is_in_the_makefile(paper):
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = re.findall(r"(?:`|^)make ([a-z]+)", paper.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(named) <= targets
