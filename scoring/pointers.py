"""Pointers: what is kept in the place of a lead that has turned out to be somebody we know by a stronger identity.

A pointer is written once, in the partition of its own identity, and always leads to a stronger one; so there are no
cycles, and following a few always ends at a lead. It lies in the same table under the same key as the lead would:
an identity is either a lead or a pointer, and one look-up tells which.
"""

from __future__ import annotations

from typing import Final

import msgspec

HOPS_MAX: Final = 8
"""How often a record may be passed on: identities are anonymous, a user id, an address, rarely more."""

_FIRST_BYTE: Final = 0x92
"""An array of two; a lead's state is a longer one."""


class Pointer(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """Who an identity is: the identity to go on with, and when (ms since 1970) this one was last used, to a month."""

    target: str
    used_ms: int


encode_pointer = msgspec.msgpack.Encoder().encode
decode_pointer = msgspec.msgpack.Decoder(Pointer).decode


def is_pointer(value: bytes) -> bool:
    """Tell a pointer from a lead's state.

    >>> is_pointer(encode_pointer(Pointer("email:ann@example.com", 0)))
    True
    """
    return value[0] == _FIRST_BYTE
