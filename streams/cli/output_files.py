"""Files that a command writes beside what it prints."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import IO

from scoring.errors import SettingsError


def open_output(at_end: ExitStack, option: str, path: Path | None, file: str) -> IO[bytes] | None:
    """Open the file that ``option`` names, if it does, until ``at_end``; ``file`` is the one that is read.

    Raises :class:`SettingsError` where it cannot be written, or would overwrite what is read.
    """
    if path is None:
        return None
    if file != "-" and path.exists() and path.samefile(file):
        raise SettingsError(f"{option} {path}: is the file that is read, and would be lost; name another")
    try:
        return at_end.enter_context(path.open("wb"))
    except OSError as error:
        raise SettingsError(f"{option} {path}: cannot be written: {error.strerror or error}") from None
