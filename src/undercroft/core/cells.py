"""Cells of a CSV file that people open in a spreadsheet."""

from __future__ import annotations

import re

# A spreadsheet takes a cell that begins so for a formula (one that is a plain number, it takes for a number).
_FORMULA = re.compile(r"[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?")


def guarded(text: str) -> str:
    """Text that no spreadsheet takes for a formula: an apostrophe before what would begin one."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text
