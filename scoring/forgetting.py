"""Forgetting: visitors who have been silent for long, and identities that nobody has come by for long.

A shard's table is gone over bit by bit, again and again. What is to be forgotten depends on the clock, so the keys that
were are part of a run's journal.
"""

from __future__ import annotations

from scoring.account_state import is_account
from scoring.identity import VISITOR_PREFIX
from scoring.lead_state import decode_state
from scoring.outcomes import Outcome
from scoring.pointers import decode_pointer, is_pointer
from scoring.routed import Unlink

_VISITOR = VISITOR_PREFIX.encode()


class Sweep:
    """Finds what is to be forgotten in ``table``: silent for longer than ``silence_ms``."""

    def __init__(self, table: dict[bytes, bytes], silence_ms: int) -> None:
        self._table, self._silence_ms = table, silence_ms
        self._left: list[bytes] = []

    @property
    def is_over(self) -> bool:
        """Whether the table has been gone over to its end."""
        return not self._left

    def find(self, clock_ms: int, keys_max: int) -> list[bytes]:
        """Look at the next ``keys_max`` keys; return those to be forgotten at ``clock_ms``. Begins anew at the end."""
        if not self._left:
            self._left = list(self._table)
        since_ms = clock_ms - self._silence_ms
        looked_at = self._left[-keys_max:]
        del self._left[-keys_max:]
        return [key for key in looked_at if self._is_silent(key, since_ms)]

    def _is_silent(self, key: bytes, since_ms: int) -> bool:
        value = self._table.get(key)
        if value is None:
            return False
        if is_account(key):
            return False
        if is_pointer(value):
            return decode_pointer(value).used_ms < since_ms
        return key.startswith(_VISITOR) and decode_state(value).last < since_ms


def forget(table: dict[bytes, bytes], keys: list[bytes]) -> Outcome:
    """Return what it means to forget ``keys``: they are gone; leads are told that a pointer to them is."""
    outcome = Outcome()
    for key in keys:
        value = table.get(key)
        if value is None:
            continue
        outcome.forgotten.append(key)
        if is_pointer(value):
            outcome.messages.append(Unlink(decode_pointer(value).target, 0, key.decode()))
    return outcome
