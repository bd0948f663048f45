from __future__ import annotations

import threading
from pathlib import Path

import pytest

from dashboards.page_directory import PageDirectory, PagesUnwritable


def test_unchanged_content_is_not_written_again(tmp_path: Path) -> None:
    pages = PageDirectory(tmp_path)
    assert pages.write("a/index.html", "eins")
    before = (tmp_path / "a/index.html").stat().st_ino
    assert not pages.write("a/index.html", "eins")
    assert (tmp_path / "a/index.html").stat().st_ino == before
    assert pages.write("a/index.html", "zwei")


def test_a_page_somebody_removed_comes_back(tmp_path: Path) -> None:
    pages = PageDirectory(tmp_path)
    pages.write("index.html", "eins")
    (tmp_path / "index.html").unlink()
    assert pages.write("index.html", "eins")
    assert pages.exists("index.html")


def test_readers_never_meet_half_a_page(tmp_path: Path) -> None:
    pages = PageDirectory(tmp_path)
    long = ["a" * 300_000, "b" * 300_000]
    pages.write("index.html", long[0])
    done = threading.Event()
    seen: set[str] = set()

    def read() -> None:
        while not done.is_set():
            seen.add((tmp_path / "index.html").read_text())

    reader = threading.Thread(target=read)
    reader.start()
    for turn in range(200):
        pages.write("index.html", long[turn % 2])
    done.set()
    reader.join()
    assert seen <= set(long)
    assert not list(tmp_path.glob("*.part"))


def test_permissions_are_those_asked_for(tmp_path: Path) -> None:
    PageDirectory(tmp_path, mode=0o640).write("index.html", "geheim")
    assert (tmp_path / "index.html").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("path", ["../draussen.html", "/etc/passwd", "", "a/../../b"])
def test_nothing_is_written_outside(tmp_path: Path, path: str) -> None:
    with pytest.raises(ValueError, match="does not stay below"):
        PageDirectory(tmp_path).write(path, "x")


def test_pruning_takes_away_what_is_not_named(tmp_path: Path) -> None:
    pages = PageDirectory(tmp_path)
    for number in (1, 2, 3):
        pages.write(f"messwert/{number}/index.html", "x")
    assert pages.prune("messwert", {"2"}) == 2
    assert [path.name for path in (tmp_path / "messwert").iterdir()] == ["2"]
    assert pages.write("messwert/1/index.html", "x")


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "messwert").write_text("im Weg")
    with pytest.raises(PagesUnwritable, match="messwert"):
        PageDirectory(tmp_path).write("messwert/1/index.html", "x")
