from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dashboards.__main__ import main
from dashboards.config import DashboardSettings
from edge.wire.settings import load


def config(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "dashboards.toml"
    head = (f'pages_dir = "{tmp_path}/pages"', f'operator_pages_dir = "{tmp_path}/pages/betrieb"')
    path.write_text("\n".join((*head, *lines)), encoding="utf-8")
    return path


def test_the_smallest_file_is_enough(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--config", str(config(tmp_path))]) == 0
    assert "in order" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pages = 1", "unknown key 'pages'"),
        ('api_url = "localhost:8080"', "must begin with http://"),
        ("refresh_every = 0", "refresh_every must be at least 1 second"),
        ("charts_per_round = 0", "charts_per_round"),
        ('time_zone = "Europe/Rauxel"', "tzdata"),
        ('operator_key = "geheim"', "a secret is"),
        ('[site]\nsource_url = "javascript:alert(1)"', "source_url"),
    ],
)
def test_a_broken_file_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str, words: str
) -> None:
    assert main(["check-config", "--config", str(config(tmp_path, line))]) == 2
    errors = capsys.readouterr().err
    assert words in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize("private", ["pages", "pages/intern", "."])
def test_operator_pages_are_never_public(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], private: str
) -> None:
    path = tmp_path / "dashboards.toml"
    path.write_text(f'pages_dir = "{tmp_path}/pages"\noperator_pages_dir = "{tmp_path}/{private}"')
    assert main(["check-config", "--config", str(path)]) == 2
    assert "would be public" in capsys.readouterr().err


def test_secrets_do_not_show(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "key").write_text("geheim")
    path = config(tmp_path, f'operator_key = {{ file = "{tmp_path}/key" }}')
    assert main(["print-config", "--config", str(path)]) == 0
    out = capsys.readouterr().out
    assert "geheim" not in out
    assert f'operator_key = {{ file = "{tmp_path}/key" }}' in out and "refresh_every = 60" in out


def test_contact_and_districts_can_be_set(tmp_path: Path) -> None:
    path = config(
        tmp_path,
        '[site]\ncity = "Musterstadt"\n[site.contact]\noperator = "Stadt"\nstreet = "Weg 1"',
        '[[site.districts]]\nkey = "nord"\nname = "Nord"',
    )
    site = load(DashboardSettings, path).site
    assert site.city == "Musterstadt"
    assert not site.contact.complete
    assert [one.name for one in site.districts] == ["Nord"]


def test_all_is_drawn_once(city: Any, api: str, tmp_path: Path) -> None:
    city.value(city.stream(city.place("rathaus")), 12.4)
    path = config(tmp_path, f'api_url = "{api}"')
    assert main(["render-once", "--config", str(path)]) == 0
    assert (tmp_path / "pages/messwert/1/index.html").is_file()
    city.down = True
    assert main(["render-once", "--config", str(path)]) == 1


def test_an_imprint_holds_what_the_settings_hold(city: Any, api: str, tmp_path: Path) -> None:
    city.place("rathaus")
    contact = (
        '[site.contact]\noperator = "Stadt Musterstadt"\nstreet = "Weg 1"\ntown = "12345 Musterstadt"\n'
        'email = "post@example.org"'
    )
    assert main(["render-once", "--config", str(config(tmp_path, f'api_url = "{api}"', contact))]) == 0
    text = (tmp_path / "pages/impressum/index.html").read_text(encoding="utf-8")
    assert "Stadt Musterstadt" in text
    assert "mailto:post@example.org" in text
    assert "Vorführ-Installation" not in text


def test_the_process_draws_and_ends_cleanly_on_sigterm(city: Any, api: str, tmp_path: Path) -> None:
    city.value(city.stream(city.place("rathaus")), 12.4)
    path = config(tmp_path, f'api_url = "{api}"')
    process = subprocess.Popen([sys.executable, "-m", "dashboards", "run", "--config", str(path)])
    try:
        deadline = time.monotonic() + 120
        while not (tmp_path / "pages/messwert/1/index.html").exists():
            assert time.monotonic() < deadline, "no page after 120 s"
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    finally:
        process.kill()
        process.wait()
