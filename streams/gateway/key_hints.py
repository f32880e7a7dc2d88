"""Whom an identity has turned out to be, as far as this gateway has seen: a hint for the key of a record.

With it, the usual event with only a user id or a cookie goes straight to the partition of the person, and takes no
detour through the partition of its own identity. Nothing depends on it: a worker takes such an event only if it knows
that the identity is this person, and passes it on otherwise.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from scoring.events import Event
from scoring.identity import weaker_identities

HINTS_KEPT: Final = 100_000
"""Identities that are remembered: about 20 MB."""

_STEPS_MAX: Final = 4


class KeyHints:
    """Remembers the identities that were last shown together with a stronger one.

    >>> hints = KeyHints()
    >>> hints.key_of(Event(id="e-1", type="identified", time=0, email="ann@example.com", user_id="7"))
    'email:ann@example.com'
    >>> hints.key_of(Event(id="e-2", type="page_viewed", time=0, user_id="7"))
    'email:ann@example.com'
    """

    def __init__(self, kept: int = HINTS_KEPT) -> None:
        self._kept = kept
        self._stronger: OrderedDict[str, str] = OrderedDict()

    def __len__(self) -> int:
        return len(self._stronger)

    def key_of(self, event: Event) -> str:
        """Return the key for an event's record, and remember which identities it shows together.

        Raises :class:`scoring.errors.EventError` where the event says nobody that we could name.
        """
        lead = event.lead_id
        for identity in weaker_identities(event.user_id, event.anonymous_id):
            if identity != lead:
                self._remember(identity, lead)
        return self._follow(lead)

    def _remember(self, identity: str, stronger: str) -> None:
        # Who is known already stays: for the worker, too, the first one counts.
        self._stronger.setdefault(identity, stronger)
        self._stronger.move_to_end(identity)
        if len(self._stronger) > self._kept:
            self._stronger.popitem(last=False)

    def _follow(self, identity: str) -> str:
        for _ in range(_STEPS_MAX):
            stronger = self._stronger.get(identity)
            if stronger is None or stronger == identity:
                break
            identity = stronger
        return identity
