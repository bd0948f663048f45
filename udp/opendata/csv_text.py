"""Text in CSV that no spreadsheet runs as a formula."""

from __future__ import annotations

# A spreadsheet takes a cell that begins so for a formula (OWASP, CSV Injection).
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(text: str) -> str:
    """`text`, marked as text where it would begin a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text
