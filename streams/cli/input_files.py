"""A file or standard input to be read, packed or not, with progress on standard error."""

from __future__ import annotations

import gzip
import io
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

from scoring.errors import SettingsError

_GZIP: Final = b"\x1f\x8b"


class Input(NamedTuple):
    """What is read: its ``name`` for people, its bytes, and what to call now and then to show the progress."""

    name: str
    file: io.BufferedReader
    note_progress: Callable[[], None]


@contextmanager
def open_input(file: str, doing: str, *, show_progress: bool) -> Iterator[Input]:
    """Open ``file`` (``-``: standard input); gzip is recognised by its first bytes. ``doing`` names the progress.

    Raises :class:`SettingsError` where it cannot be read; reading it should stand within :func:`reading`.
    """
    if file == "-":
        yield Input("standard input", _unpacked(cast(io.BufferedReader, sys.stdin.buffer)), lambda: None)
        return
    path = Path(file)
    try:
        if path.is_dir():
            raise IsADirectoryError(None, "is a directory; name a file of it")
        raw = path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a zero byte in the name
        raise SettingsError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
    with raw:
        if show_progress and path.is_file():
            with _progress(doing, raw, path.stat().st_size) as note_progress:
                yield Input(file, _unpacked(raw), note_progress)
        else:
            yield Input(file, _unpacked(raw), lambda: None)


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Raise :class:`SettingsError` for what goes wrong while reading ``name``."""
    try:
        yield
    except EOFError:
        raise SettingsError(f"{name}: ends in the middle of its gzip data; was it copied whole?") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise SettingsError(f"{name}: is damaged gzip data: {error}") from None
    except OSError as error:
        raise SettingsError(f"{name}: cannot be read: {error.strerror or error}") from None


def _unpacked(raw: io.BufferedReader) -> io.BufferedReader:
    packed = raw.peek(2)[:2] == _GZIP
    return io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=raw))) if packed else raw


@contextmanager
def _progress(doing: str, raw: IO[bytes], size: int) -> Iterator[Callable[[], None]]:
    # Loaded here, because most files are read without it.
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn(doing), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(doing, total=size)
        yield lambda: progress.update(task, completed=raw.tell())
