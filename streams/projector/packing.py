"""Commands as Redis reads them. The client's own packing takes four times as long, a third of the projector's time."""

from __future__ import annotations

from itertools import chain
from typing import Any, Final


def _head(length: int) -> bytes:
    """Return what stands before a part of so many bytes, from the end of what stands before that."""
    return b"\r\n$%d\r\n" % length


_HEADS: Final = tuple(map(_head, range(2048)))
"""Those of most parts: thousands are sent at a time."""


class Packing:
    """What a connection of redis-py packs commands with."""

    def pack_command(self, *arguments: Any) -> list[bytes]:
        """Return a command as it is sent: how many parts, and each with its length.

        >>> Packing().pack_command("SET", b"key", 1)
        [b'*3\\r\\n$3\\r\\nSET\\r\\n$3\\r\\nkey\\r\\n$1\\r\\n1\\r\\n']
        """
        parts = arguments
        if " " in arguments[0]:  # such as CLIENT SETINFO
            parts = (*arguments[0].split(), *arguments[1:])
        raws = [part if part.__class__ is bytes else str(part).encode() for part in parts]
        lengths = list(map(len, raws))
        heads = map(_HEADS.__getitem__, lengths) if max(lengths) < len(_HEADS) else map(_head, lengths)
        return [b"".join((b"*%d" % len(raws), *chain.from_iterable(zip(heads, raws, strict=True)), b"\r\n"))]
