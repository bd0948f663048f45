"""The pipeline is started again, whatever kept it from running."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

from ingest.supervise import Child


def test_a_process_that_cannot_be_started_is_tried_again_and_told(tmp_path: Path) -> None:
    program, ran = tmp_path / "program", tmp_path / "ran"
    stop = threading.Event()
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        if len(said) == 1:
            program.write_text(f"#!{sys.executable}\nopen({str(ran)!r}, 'w').close()\n")
            program.chmod(0o755)
        else:
            stop.set()

    Child([str(program)], say).run(stop)
    assert "cannot be started" in said[0] and "keeps everything" in said[0]
    assert ran.exists()
    assert "ended with status 0" in said[1]
