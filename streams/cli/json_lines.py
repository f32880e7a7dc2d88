"""The lines of a file or of standard input, packed or not, bounded in length, with progress on standard error."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, cast

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from scoring.errors import SettingsError
from scoring.events import EVENT_BYTES_MAX

LINE_BYTES_MAX: Final = 2 * EVENT_BYTES_MAX
"""Of a longer line only the beginning is handed on, which is too large for an event all the same."""

_GZIP: Final = b"\x1f\x8b"
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_LINES_PER_UPDATE: Final = 1000


@contextmanager
def open_lines(file: str, *, show_progress: bool) -> Iterator[Iterator[bytes]]:
    """Open ``file`` (``-``: standard input) and give its lines; gzip is recognised by its first bytes.

    Raises :class:`SettingsError` where it cannot be read, also while reading.
    """
    if file == "-":
        yield _lines(_unpacked(cast(io.BufferedReader, sys.stdin.buffer)), "standard input")
        return
    path = Path(file)
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "is a directory; name a file of it")
        raw = path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise SettingsError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    with raw:
        lines = _lines(_unpacked(raw), file)
        if show_progress and path.is_file():
            with _progress(path.stat().st_size) as update:
                yield _watched(lines, raw, update)
        else:
            yield lines


def _unpacked(raw: io.BufferedReader) -> IO[bytes]:
    packed = raw.peek(2)[:2] == _GZIP
    return io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=raw))) if packed else raw


def _lines(file: IO[bytes], name: str) -> Iterator[bytes]:
    """Yield lines of at most ``LINE_BYTES_MAX``; the rest of a longer one is passed over, but never held."""
    try:
        line = file.readline(LINE_BYTES_MAX).removeprefix(_BYTE_ORDER_MARK)
        while line:
            yield line
            while len(line) == LINE_BYTES_MAX and not line.endswith(b"\n"):
                line = file.readline(LINE_BYTES_MAX)
            line = file.readline(LINE_BYTES_MAX)
    except EOFError:
        raise SettingsError(f"{name}: ends in the middle of its gzip data; was it copied whole?") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise SettingsError(f"{name}: is damaged gzip data: {error}") from None
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror or error}") from None


def _watched(lines: Iterator[bytes], raw: IO[bytes], update: Callable[[int], None]) -> Iterator[bytes]:
    for number, line in enumerate(lines):
        if number % _LINES_PER_UPDATE == 0:
            update(raw.tell())
        yield line


@contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("scoring"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("scoring", total=size)
        yield lambda done: progress.update(task, completed=done)
