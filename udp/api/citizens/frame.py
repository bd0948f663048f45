"""The frame of the live pages: the same head, foot and style sheet as the pages drawn beforehand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
from starlette.responses import HTMLResponse

_HERE = Path(__file__).parent / "templates"
_HEADERS = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


class Frame:
    """Renders templates; `pages`: where the drawn pages lie, for their style sheet; `root` as in
    udp.api.rooted."""

    def __init__(self, pages: Path | None, city: str, more: Path | None = None, *, root: str = "") -> None:
        self._pages = pages
        self._root = root
        self._city = city
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader([_HERE, *([more] if more else [])]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def page(self, template: str, status: int = 200, **content: Any) -> HTMLResponse:
        """A finished page that nobody keeps and no search engine lists."""
        return HTMLResponse(self.text(template, **content), status, headers=_HEADERS)

    def text(self, template: str, **content: Any) -> str:
        """The page alone; `more`, given at construction, is where further templates lie."""
        told = {"city": self._city, "root": self._root, "style": self._style()}
        return self._templates.get_template(template).render(told | content)

    def _style(self) -> str:
        """The newest style sheet of the drawn pages; without one the pages are plain, and work."""
        folder = None if self._pages is None else self._pages / "static"
        found = [] if folder is None else sorted(folder.glob("seite-*.css"), key=_age)
        return f"{self._root}/static/{found[-1].name}" if found else ""


def _age(path: Path) -> float:
    return path.stat().st_mtime
