"""Cells of tables that a spreadsheet opens: text from outside must not become a formula there."""

from __future__ import annotations

from typing import Final

_BEGINS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def is_formula(text: str) -> bool:
    """Whether a spreadsheet may take a text for a formula; some pass over the spaces before it.

    >>> is_formula("=1+1"), is_formula(" @A1"), is_formula("Ann")
    (True, True, False)
    """
    return text.lstrip(" ").startswith(_BEGINS)


def safe_cell(cell: object) -> object:
    """Return a cell that no spreadsheet takes for a formula.

    >>> safe_cell("=1+1"), safe_cell(-3.5), safe_cell(None), safe_cell(" =1")
    ("'=1+1", -3.5, '', "' =1")
    """
    if cell is None:
        return ""
    return f"'{cell}" if isinstance(cell, str) and is_formula(cell) else cell
