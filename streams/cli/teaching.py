"""How a command's docstring becomes its ``--help``."""

from __future__ import annotations

from collections.abc import Callable
from inspect import cleandoc
from typing import Any

import typer


def register(app: typer.Typer, command: Callable[..., None], name: str | None = None, **options: Any) -> None:
    """Add a command to ``app`` with its docstring as help; ``options`` are those of ``app.command``."""
    app.command(name, help=help_text(command.__doc__ or ""), **options)(command)


def help_text(docstring: str) -> str:
    """Return a docstring whose paragraphs wrap as the terminal likes; examples stay a line each.

    >>> help_text("Do this.\\n\\nIt takes\\nlong.\\n\\nExamples:\\n  leadheat a\\n  leadheat b")
    'Do this.\\n\\nIt takes long.\\n\\nExamples:\\n  leadheat a\\n  leadheat b'
    """
    paragraphs = cleandoc(docstring).split("\n\n")
    return "\n\n".join(text if text.startswith("Example") else text.replace("\n", " ") for text in paragraphs)
