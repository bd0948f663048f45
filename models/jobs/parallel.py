"""Spread work over cores or machines by joblib, with a progress bar where somebody is looking."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

import joblib
from tqdm import tqdm

from models.threads import one_thread
from udp.errors import ConfigurationError

T = TypeVar("T")
R = TypeVar("R")

BACKENDS = ("loky", "threading", "sequential", "dask")


@dataclass(frozen=True, slots=True)
class ParallelSettings:
    """``backend``: loky (processes), threading, sequential, or dask with the address of its scheduler.
    ``jobs``: how many at once, 0 = as many as cores. Work that is done within ``worth`` is not spread."""

    backend: str = "loky"
    jobs: int = 0
    scheduler: str = ""
    # A new process first loads the mathematics, 3 to 5 s of a core, and is gone after minutes of rest.
    worth: timedelta = timedelta(seconds=5)

    def __post_init__(self) -> None:
        if self.backend not in BACKENDS:
            raise ValueError(f"backend {self.backend!r} is not known; known are {', '.join(BACKENDS)}")
        if self.jobs < 0:
            raise ValueError("jobs must be 0 (as many as cores) or more")
        if self.worth < timedelta(0):
            raise ValueError("worth must not be negative")
        if (self.backend == "dask") != bool(self.scheduler):
            raise ValueError("backend dask and scheduler belong together; give both or neither")


class Runner:
    """Runs pure functions over many items; the answers come in the order of the items."""

    def __init__(
        self, settings: ParallelSettings, *, progress: bool | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        """``progress`` None: a bar only where standard error is a terminal. ``clock`` counts seconds."""
        self._settings, self._clock = settings, clock
        self._progress = sys.stderr.isatty() if progress is None else progress

    def map(self, work: Callable[[T], R], items: Sequence[T], what: str) -> list[R]:
        """Apply ``work`` to each item."""
        bar = tqdm(
            total=len(items), desc=what, unit="", disable=not self._progress or len(items) < 2, leave=False
        )
        found: list[R] = []
        with bar:
            for answer in self._answers(work, items):
                found.append(answer)
                bar.update()
        return found

    def _answers(self, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
        """The first ones here, and the rest too where it would not take long."""
        done, passed = 0, 0.0
        with one_thread():
            while done < len(items) and self._stays(done, len(items), passed):
                began = self._clock()
                yield work(items[done])
                # The first one also loads what was compiled.
                passed += self._clock() - began if done else 0.0
                done += 1
        if done < len(items):
            with self._chosen():
                parallel = joblib.Parallel(n_jobs=self._settings.jobs or -1, return_as="generator")
                yield from parallel(joblib.delayed(work)(item) for item in items[done:])

    def _stays(self, done: int, count: int, passed: float) -> bool:
        """One item is not worth a second process; of many, the pace of those after the first tells what the
        rest takes."""
        if self._settings.backend == "sequential" or count - done < 2:
            return True
        worth = self._settings.worth.total_seconds()
        return worth > 0 and (done < 2 or passed / (done - 1) * (count - done) <= worth)

    @contextmanager
    def _chosen(self) -> Iterator[None]:
        if self._settings.backend == "dask":
            try:
                from distributed import Client  # noqa: PLC0415 - only where machines share the work
            except ImportError as error:
                raise ConfigurationError(
                    "parallel: backend dask needs the package distributed here and on every worker; "
                    "install it, or choose loky"
                ) from error
            with Client(self._settings.scheduler), joblib.parallel_config(backend="dask"):  # type: ignore[no-untyped-call]
                yield
            return
        with joblib.parallel_config(
            backend=self._settings.backend, inner_max_num_threads=_threads(self._settings)
        ):
            yield


def _threads(settings: ParallelSettings) -> int | None:
    """Processes that each start as many threads as cores only wait for each other."""
    return 1 if settings.backend == "loky" else None
