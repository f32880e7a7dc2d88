"""The lines of a file or of standard input, packed or not, bounded in length, with progress on standard error."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from scoring.events import EVENT_BYTES_MAX
from streams.cli.input_files import Input, open_input, reading

LINE_BYTES_MAX: Final = 2 * EVENT_BYTES_MAX
"""Of a longer line only the beginning is handed on, which is too large for an event all the same."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LINES_PER_UPDATE: Final = 1000


@contextmanager
def open_lines(file: str, *, show_progress: bool) -> Iterator[Iterator[bytes]]:
    """Open ``file`` (``-``: standard input) and give its lines; gzip is recognised by its first bytes.

    Raises :class:`SettingsError` where it cannot be read, also while reading.
    """
    with open_input(file, "scoring", show_progress=show_progress) as source:
        yield read_lines(source)


def read_lines(source: Input) -> Iterator[bytes]:
    """Yield the lines of what is open; raises :class:`SettingsError` where it cannot be read on."""
    with reading(source.name):
        yield from _watched(_lines(source.file), source.note_progress)


def _lines(file: io.BufferedReader) -> Iterator[bytes]:
    """Yield lines of at most ``LINE_BYTES_MAX``; the rest of a longer one is passed over, but never held."""
    line = file.readline(LINE_BYTES_MAX).removeprefix(_BYTE_ORDER_MARK)
    while line:
        yield line
        while len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
            line = file.readline(LINE_BYTES_MAX)
        line = file.readline(LINE_BYTES_MAX)


def _watched(lines: Iterator[bytes], note_progress: Callable[[], None]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        if number % _LINES_PER_UPDATE == 0:
            note_progress()
        yield line
