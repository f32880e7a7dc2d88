"""Many leads that have been there for long: the states of some, under the addresses of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from scoring.account_state import is_account
from scoring.model import ScoringModel
from scoring.shard import Shard
from tests.benchmarks.realistic import address, realistic_records

_TEMPLATES: Final = 10_000
_EVENTS_OF_ONE: Final = 8


def make_states(model: ScoringModel, leads: int) -> dict[bytes, bytes]:
    """Return the states of so many leads by their keys, as traffic of :mod:`tests.benchmarks.realistic` names them."""
    some = min(leads, _TEMPLATES)
    shard = Shard(model, {})
    shard.take(list(realistic_records(some * _EVENTS_OF_ONE, some)))
    return spread(shard.leads, (f"email:{address(lead)}" for lead in range(leads)))


def spread(states: Mapping[bytes, bytes], leads: Iterable[str]) -> dict[bytes, bytes]:
    """Return a state for each of many leads: that of one of those who have some.

    To score millions takes many minutes, and a state says nothing of whose it is.
    """
    templates = [state for key, state in states.items() if not is_account(key)]
    # A copy of its own, as each has in life: a shared one would be in the processor's cache.
    return {lead.encode(): bytes(bytearray(templates[number % len(templates)])) for number, lead in enumerate(leads)}
