"""Many leads that have been there for long: the states of some, under the addresses of all."""

from __future__ import annotations

from typing import Final

from scoring.account_state import is_account
from scoring.model import ScoringModel
from scoring.shard import Shard
from tests.benchmarks.realistic import realistic_records

_TEMPLATES: Final = 10_000
_EVENTS_OF_ONE: Final = 8


def make_states(model: ScoringModel, leads: int) -> dict[bytes, bytes]:
    """Return the states of so many leads by their keys, as traffic of :mod:`tests.benchmarks.realistic` names them.

    To score millions takes many minutes. So some are scored, and each other one has a copy of a state of theirs, which
    says nothing of whose it is.
    """
    some = min(leads, _TEMPLATES)
    shard = Shard(model, {})
    shard.take(list(realistic_records(some * _EVENTS_OF_ONE, some)))
    templates = [state for key, state in shard.leads.items() if not is_account(key)]
    states = {}
    for lead in range(leads):
        address = f"person{lead}@{'gmail.com' if lead % 5 == 0 else f'company{lead % 977}.com'}"
        # A copy of its own, as each has in life: a shared one would be in the processor's cache.
        states[f"email:{address}".encode()] = bytes(bytearray(templates[lead % len(templates)]))
    return states
