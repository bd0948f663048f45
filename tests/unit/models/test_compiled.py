"""Compiled loops for a service user that owns nothing but what it was given."""

import os
import subprocess
import sys

import pytest

SOURCE = """
from models.compiled import compiled

@compiled
def doubled(number):
    return 2 * number

@compiled
def fourfold(number):
    return doubled(doubled(number))
"""


@pytest.fixture
def ask(tmp_path):
    """`fourfold(3)` in a new process that may write neither beside the source nor at home."""
    (tmp_path / "loops.py").write_text(SOURCE)
    # A file where the folder would be: not even root can write into it.
    (tmp_path / "__pycache__").write_text("")

    def run(**environment):
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA", "CACHE"))}
        home = {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null/cache"}
        return subprocess.run(
            [sys.executable, "-c", "import loops; print(loops.fourfold(3))"],
            capture_output=True, text=True, check=False,
            env=kept | home | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])} | environment,
        )  # fmt: skip

    return run


@pytest.mark.parametrize(
    "more", [{}, {"NUMBA_CACHE_DIR": "/dev/null/here"}, {"CACHE_DIRECTORY": "/dev/null"}]
)
def test_where_nothing_may_be_written_it_computes_and_says_once_what_helps(ask, more):
    made = ask(**more)
    assert (made.returncode, made.stdout) == (0, "12\n"), made.stderr
    assert made.stderr.count("NUMBA_CACHE_DIR") == 1 and "CacheDirectory" in made.stderr


@pytest.mark.parametrize("name", ["NUMBA_CACHE_DIR", "CACHE_DIRECTORY"])
def test_what_was_compiled_is_kept_in_the_directory_that_was_given(ask, tmp_path, name):
    given = tmp_path / "cache"
    given.mkdir()
    made = ask(**{name: str(given)})
    assert (made.returncode, made.stdout, made.stderr) == (0, "12\n", "")
    assert {path.name.split("-")[0] for path in given.rglob("*.nbi")} == {"loops.doubled", "loops.fourfold"}
