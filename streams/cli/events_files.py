"""A file of events as chunks to be scored, for the commands that try a model on them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from scoring.replay import FileRecord

CHUNK_RECORDS: Final = 4000
"""Lines scored in one go, as the worker does with records."""


@contextmanager
def open_events(file: str, *, live: bool = True) -> Iterator[Iterator[list[FileRecord]]]:
    """Open a JSONL file of events (``.gz`` too, ``-`` is standard input) and give it chunk by chunk.

    With ``live``, events are taken as received when they happened, otherwise now. Raises :class:`SettingsError`.
    """
    from scoring.replay import read_records
    from streams.cli.json_lines import open_lines
    from streams.clock import now_ms

    with open_lines(file, show_progress=sys.stderr.isatty()) as lines:
        records = read_records(lines, now_ms(), live=live)
        yield iter(lambda: list(islice(records, CHUNK_RECORDS)), [])
