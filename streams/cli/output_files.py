"""Files that a command writes beside what it prints."""

from __future__ import annotations

import io
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import IO, Any

from scoring.errors import SettingsError


class _Replacing(io.FileIO):
    """A file that is emptied by the first write to it, and not before: until then nothing is lost."""

    _is_untouched = True

    def empty(self) -> None:
        """Drop what was there before."""
        if self._is_untouched:
            self._is_untouched = False
            with suppress(OSError):  # a pipe or a device holds nothing
                self.truncate(0)

    def write(self, data: Any) -> int:
        """Write; the first time, in the place of what was there."""
        self.empty()
        return super().write(data) or 0


def open_output(
    at_end: ExitStack, option: str, path: Path | None, inputs: Iterable[str | Path | None]
) -> IO[bytes] | None:
    """Open the file that ``option`` names, if it does, until ``at_end``; ``inputs`` are those that are read.

    What it held is replaced by the first write, or at the end where nothing has failed. Raises :class:`SettingsError`
    where it cannot be written, or would replace what is read.
    """
    if path is None:
        return None
    for read in [Path(each) for each in inputs if each is not None]:
        if path.exists() and read.exists() and path.samefile(read):
            raise SettingsError(f"{option} {path}: is the file that is read, and would be lost; name another")
    try:
        file = _Replacing(path, "a")
    except OSError as error:
        raise SettingsError(f"{option} {path}: cannot be written: {error.strerror or error}") from None
    opened = at_end.enter_context(io.BufferedWriter(file))

    def finish(failure: type[BaseException] | None, *_: object) -> None:
        if failure is None:
            opened.flush()
            file.empty()

    at_end.push(finish)
    return opened
