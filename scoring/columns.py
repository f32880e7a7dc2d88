"""Byte strings as columns: items of one width, one after the other."""

from __future__ import annotations


def position_of(column: bytes | bytearray, item: bytes, width: int) -> int:
    """Return the byte position of the first of the ``width``-byte items of ``column`` that begins with ``item``, or −1.

    >>> position_of(b"aabbcc", b"bb", 2), position_of(b"abba", b"bb", 2)
    (2, -1)
    """
    position = column.find(item)
    while position % width and position >= 0:
        position = column.find(item, position + 1)
    return position
