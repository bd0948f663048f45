"""Keeps the processes of one machine running: starts, restarts with growing pauses, stops in order."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_LOG_BYTES = 10_000_000
_TAIL_BYTES = 20_000
_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0
# A process that ran this long was well: its next failure is a new story.
_WELL_AFTER_S = 120.0


@dataclass(frozen=True, slots=True)
class Program:
    """A process to keep running. At the end the highest `stage` is stopped first, one after the other."""

    name: str
    command: Sequence[str]
    stage: int = 0
    stop_within_s: float = 10.0


@dataclass(slots=True)
class _Running:
    program: Program
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    pause_s: float = _FIRST_PAUSE_S
    retry_at: float = 0.0
    log_start: int = 0


class Supervisor:
    """Owns the child processes; `tick` is called about once a second by the launcher's loop."""

    def __init__(self, log_directory: Path, clock: Callable[[], float], say: Callable[[str], None]) -> None:
        self._logs = log_directory
        self._clock = clock
        self._say = say
        self._running: dict[str, _Running] = {}
        log_directory.mkdir(parents=True, exist_ok=True)

    def start(self, program: Program) -> None:
        """Start a process now and keep it running from here on."""
        state = _Running(program)
        self._running[program.name] = state
        self._spawn(state)

    def alive(self, name: str) -> bool:
        """Whether the process runs at this moment."""
        state = self._running.get(name)
        return state is not None and state.process is not None and state.process.poll() is None

    def said(self, name: str, text: str) -> bool:
        """Whether the process has written `text` to its log since it was last started."""
        state = self._running[name]
        with self.log_of(name).open("rb") as log:
            log.seek(state.log_start)
            return text.encode() in log.read()

    def tick(self) -> None:
        """Notice what ended and start it again when its pause is over; keep the logs short."""
        for state in self._running.values():
            self._shorten_log(state)
            if state.process is not None and (code := state.process.poll()) is not None:
                self._ended(state, code)
            if state.process is None and self._clock() >= state.retry_at:
                self._spawn(state)

    def stop(self) -> None:
        """Ask all to end, stage by stage; kill what does not within its time."""
        for stage in sorted({state.program.stage for state in self._running.values()}, reverse=True):
            ending = [state for state in self._running.values() if state.program.stage == stage]
            for state in ending:
                if state.process is not None and state.process.poll() is None:
                    state.process.send_signal(signal.SIGTERM)
            for state in ending:
                self._await_end(state)
        self._running.clear()

    def log_of(self, name: str) -> Path:
        """The file that holds what the process said."""
        return self._logs / f"{name}.log"

    def _spawn(self, state: _Running) -> None:
        with self._log(state) as log:
            # A session of its own: Ctrl-C in the terminal reaches the launcher only, which stops in order.
            state.process = subprocess.Popen(  # noqa: S603
                list(state.program.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        state.started_at = self._clock()

    def _ended(self, state: _Running, code: int) -> None:
        if self._clock() - state.started_at > _WELL_AFTER_S:
            state.pause_s = _FIRST_PAUSE_S
        state.process = None
        state.retry_at = self._clock() + state.pause_s
        self._say(
            f"{state.program.name} ended with code {code}; starting it again in {state.pause_s:.0f} s."
            f" Its last words: {self.last_words(state.program.name)}"
        )
        state.pause_s = min(2 * state.pause_s, _LONGEST_PAUSE_S)

    def _await_end(self, state: _Running) -> None:
        if state.process is None:
            return
        try:
            state.process.wait(state.program.stop_within_s)
        except subprocess.TimeoutExpired:
            self._say(f"{state.program.name} did not end within {state.program.stop_within_s:.0f} s: killed.")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(state.process.pid, signal.SIGKILL)
            state.process.wait()

    def _log(self, state: _Running) -> IO[bytes]:
        log = self.log_of(state.program.name).open("ab")
        state.log_start = log.tell()
        return log

    def _shorten_log(self, state: _Running) -> None:
        """Past its size a log moves aside; processes append, so they go on at the new beginning."""
        path = self.log_of(state.program.name)
        if path.stat().st_size > _LOG_BYTES:
            shutil.copyfile(path, path.with_suffix(".log.1"))
            os.truncate(path, 0)
            state.log_start = 0

    def last_words(self, name: str) -> str:
        """The line that most likely says why: the last error, else the last line."""
        lines = self._tail(name)
        errors = [line for line in lines if "ERROR" in line or "Error" in line]
        return (errors or lines or ["none"])[-1][:300]

    def newest_line(self, name: str) -> str:
        """What the process said last since it was started; empty if nothing yet."""
        return (self._tail(name) or [""])[-1].strip()

    def _tail(self, name: str) -> list[str]:
        with self.log_of(name).open("rb") as log:
            log.seek(max(self._running[name].log_start, log.seek(0, os.SEEK_END) - _TAIL_BYTES))
            return log.read().decode("utf-8", errors="replace").strip().splitlines()
