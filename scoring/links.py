"""The weaker identities that a lead knows to be its own.

A memory of 9 bytes each: a hash of the identity (8) and whether its own partition has led to the lead (1), with
something that it passed on. What is confirmed so stays so, since pointers are written once: events that show no other
identity can be taken at once. The latest 32 are remembered; telling a forgotten one again does no harm.
"""

from __future__ import annotations

from typing import Final

import xxhash

from scoring.columns import position_of

LINKS_KEPT: Final = 32
_BYTES: Final = 9
_ASKED, _CONFIRMED = b"\x00", b"\x01"
_digest = xxhash.xxh3_64_digest


def is_linked(memory: bytes, identity: str) -> bool:
    """Tell whether an identity has been told to its partition, whatever that has answered.

    >>> memory = add_link(b"", "anon:a-1")
    >>> is_linked(memory, "anon:a-1"), is_confirmed(memory, "anon:a-1"), is_linked(memory, "anon:a-2")
    (True, False, False)
    """
    return _find(memory, identity) >= 0


def is_confirmed(memory: bytes, identity: str) -> bool:
    """Tell whether an identity's partition points to this lead."""
    at = _find(memory, identity)
    return at >= 0 and memory[at + 8 : at + _BYTES] == _CONFIRMED


def unconfirmed(memory: bytes) -> bytes:
    """Return the hashes (8 bytes each) of the identities whose partition has not confirmed them yet.

    >>> memory = add_link(add_link(b"", "anon:a-1"), "user:7", confirmed=True)
    >>> unconfirmed(memory) == memory[:8]
    True
    """
    return b"".join(memory[at : at + 8] for at in range(0, len(memory), _BYTES) if memory[at + 8 : at + 9] == _ASKED)


def add_link(memory: bytes, identity: str, *, confirmed: bool = False) -> bytes:
    """Return the memory with an identity in it, ``confirmed`` or merely told."""
    at = _find(memory, identity)
    if at >= 0:
        return memory[: at + 8] + _CONFIRMED + memory[at + _BYTES :] if confirmed else memory
    return (memory + _digest(identity.encode()) + (_CONFIRMED if confirmed else _ASKED))[-LINKS_KEPT * _BYTES :]


def drop_link(memory: bytes, identity: str) -> bytes:
    """Return the memory without an identity.

    >>> drop_link(add_link(b"", "anon:a-1"), "anon:a-1")
    b''
    """
    at = _find(memory, identity)
    return memory if at < 0 else memory[:at] + memory[at + _BYTES :]


def merge_links(memory: bytes, other: bytes) -> bytes:
    """Return two leads' memories as one.

    What the other had confirmed points to that lead, and so from now on to this one.
    """
    known = {memory[at : at + 8] for at in range(0, len(memory), _BYTES)}
    new = (other[at : at + _BYTES] for at in range(0, len(other), _BYTES) if other[at : at + 8] not in known)
    return (b"".join(new) + memory)[-LINKS_KEPT * _BYTES :]


def _find(memory: bytes, identity: str) -> int:
    return position_of(memory, _digest(identity.encode()), _BYTES)
