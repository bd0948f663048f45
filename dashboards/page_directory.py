"""Pages appear whole or not at all: a reader never meets half a file, a crash never leaves one."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection
from pathlib import Path, PurePosixPath

from udp.errors import PlatformError


class PagesUnwritable(PlatformError):
    """The directory of the pages does not take a file; names the path and the remedy."""


class PageDirectory:
    """A directory of finished pages; `mode` are the permissions of its files.

    Writing what already stands there changes nothing, so web servers keep answering "not modified".
    """

    def __init__(self, root: Path, mode: int = 0o644) -> None:
        self.root = root
        self._mode = mode
        self._written: dict[str, bytes] = {}

    def write(self, relative: str, content: str | bytes) -> bool:
        """Put `content` at `relative` (POSIX, below the root); True when it differs from before."""
        octets = content.encode() if isinstance(content, str) else content
        digest = hashlib.sha256(octets).digest()
        target = self._path(relative)
        if self._written.get(relative) == digest and target.exists():
            return False
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._replace(target, octets)
        except OSError as error:
            raise PagesUnwritable(
                f"{target}: cannot be written: {error.strerror}; check space and permissions of {self.root}"
            ) from error
        self._written[relative] = digest
        return True

    def exists(self, relative: str) -> bool:
        """Whether a page stands there, from this run or an earlier one."""
        return self._path(relative).is_file()

    def prune(self, folder: str, keep: Collection[str]) -> int:
        """Remove the folders below `folder` that are not in `keep`; how many went.

        What is no longer open must not stay readable because it once was."""
        gone = 0
        for path in self._path(folder).glob("*/"):
            if path.name not in keep and path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
                gone += 1
                prefix = f"{folder}/{path.name}/"
                self._written = {
                    name: digest for name, digest in self._written.items() if not name.startswith(prefix)
                }
        return gone

    def _path(self, relative: str) -> Path:
        parts = PurePosixPath(relative).parts
        if not parts or relative.startswith("/") or ".." in parts:
            raise ValueError(f"{relative!r} does not stay below {self.root}")
        return self.root.joinpath(*parts)

    def _replace(self, target: Path, octets: bytes) -> None:
        # No fsync: after a power cut the next round draws every page again, the rename alone
        # keeps readers from half files.
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(octets)
            Path(name).chmod(self._mode)
            Path(name).replace(target)
        finally:
            Path(name).unlink(missing_ok=True)
