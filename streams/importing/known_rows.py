"""Which rows have been imported: what makes an import count once, however often and however late it is repeated.

A lead recognises an event that comes twice only among its last ones. So an import writes beside its records, in the
same transaction, what they are: 8 bytes a row, a hash of the key and the id. The next import reads them first.
"""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode

import msgspec
import xxhash

from streams.reading import open_topic
from streams.records import Record
from streams.settings import Settings
from streams.topics import IMPORTS


class ImportedRows(msgspec.Struct):
    """A record of the imports topic: ``rows`` are the hashes of imported rows, 8 bytes each."""

    rows: str


_decode = msgspec.json.Decoder(ImportedRows).decode


class KnownRows:
    """Rows by the key and the id of what they become; takes about 70 bytes of memory for each.

    >>> known = KnownRows()
    >>> known.add("e-1", Record("leadheat.web-events.v1", b"{}", b"user:7")) is None
    False
    >>> known.add("e-1", Record("leadheat.web-events.v1", b"{}", b"user:7")) is None
    True
    """

    def __init__(self) -> None:
        self._hashes: set[int] = set()

    def add(self, row_id: str, record: Record) -> int | None:
        """Note the row that has become ``record``, and return its hash; None where it was known already."""
        row = xxhash.xxh3_64_intdigest(b"%b\0%b" % (record.key or b"", row_id.encode()))
        if row in self._hashes:
            return None
        self._hashes.add(row)
        return row

    def learn(self, rows: ImportedRows) -> None:
        """Note what an earlier import has written."""
        hashes = array("Q")
        hashes.frombytes(b64decode(rows.rows))
        self._hashes.update(hashes)


async def read_known_rows(settings: Settings) -> KnownRows:
    """Return the rows of all earlier imports; raises :class:`scoring.errors.StartError`."""
    known = KnownRows()
    async with open_topic(settings.brokers, IMPORTS.full_name(settings.prefix)) as reader:
        async for record in reader.read_to_end():
            known.learn(_decode(record.value))
    return known


def encode_rows(hashes: array[int]) -> bytes:
    """Return the record of rows that are imported.

    >>> encode_rows(array("Q", [1]))
    b'{"rows":"AQAAAAAAAAA="}'
    """
    return msgspec.json.encode(ImportedRows(b64encode(hashes.tobytes()).decode()))
