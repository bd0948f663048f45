"""Compile loops by numba and keep what was compiled, also for a system user that owns no home directory."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from numba import config, njit

if TYPE_CHECKING:
    from numba.core.dispatcher import Dispatcher

_log = logging.getLogger(__name__)
Loop = TypeVar("Loop", bound=Callable[..., Any])


def compiled(loop: Loop) -> Dispatcher[Loop]:
    """Machine code is kept beside the source, in the user's cache or in NUMBA_CACHE_DIR, whichever may be
    written first; else in systemd's CacheDirectory. Where nothing may be written, numba would refuse to
    start; here it is compiled anew by every process, and said once."""
    if (kept := _kept(loop)) is not None:
        return kept
    # systemd makes the directory and names it here.
    if folder := os.environ.get("CACHE_DIRECTORY", "").partition(":")[0]:
        vars(config)["CACHE_DIR"] = folder
        if (kept := _kept(loop)) is not None:
            return kept
    _tell()
    return njit()(loop)


def _kept(loop: Loop) -> Dispatcher[Loop] | None:
    try:
        return njit(cache=True)(loop)
    except RuntimeError as refused:
        if "cannot cache" in str(refused):
            return None
        raise


@cache
def _tell() -> None:
    _log.warning(
        "compiled loops cannot be kept: neither the program's directory nor the user's cache may be written, "
        "so every start compiles them again (10 to 60 s). Set NUMBA_CACHE_DIR to a directory that this user "
        "alone may write; under systemd, CacheDirectory=udp-models with CacheDirectoryMode=0700 does it"
    )
