"""Identity resolution: which lead an identity is, and what shards tell each other to find it out.

Where an event shows two identities, the lead's shard tells the weaker one's partition (a *link*). There a pointer is
written, once, and a visitor that had been kept under it travels whole to the lead (*absorb*). From then on what comes
under the weaker identity is passed on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

import msgspec

from scoring.alerts import Alert
from scoring.errors import EventError
from scoring.events import Event
from scoring.follow_ups import decode_follow_up
from scoring.identity import VISITOR_INITIAL, is_stronger, strongest_identity, weaker_identities
from scoring.lead_state import LeadState, decode_state, encode_state
from scoring.leads import LeadEvents, LeadScorer, cause_of
from scoring.links import add_link, drop_link, is_confirmed, is_linked
from scoring.merging import read_rules, renumber
from scoring.outcomes import Outcome, Refusal
from scoring.pointers import HOPS_MAX, Pointer, decode_pointer, encode_pointer, is_pointer
from scoring.publishing import encode_score
from scoring.routed import Absorb, Check, Conflict, FollowedUp, Forward, Link, Message, Reply, Unlink
from scoring.telling import Standing

POINTER_REFRESH_MS: Final = 30 * 86_400_000
"""How much older than its use the time in a pointer may be: it is not written anew for every event."""


class Place(NamedTuple):
    """Which partition a shard is, and in which partition an identity lies."""

    partition: int
    partition_of: Callable[[str], int]

    def holds(self, identity: str) -> bool:
        """Whether an identity lies here."""
        return self.partition_of(identity) == self.partition


EVERYTHING: Final = Place(0, lambda identity: 0)
"""The place of a shard that is the only one."""

Origin = Callable[[int], Forward]
"""The index of an event in its chunk → the event as it is to be passed on, but for whom it goes to."""

ToLead = Absorb | FollowedUp | Unlink | Reply
"""What is told to a lead."""


class Resolution:
    """Finds leads in a shard's table by their identities; ``leads`` is read here, and changed by outcomes only."""

    def __init__(self, leads: dict[bytes, bytes], scorer: LeadScorer, place: Place, *, publishes: bool) -> None:
        self.place, self._publishes = place, publishes
        self._leads, self._scorer = leads, scorer
        numbering = scorer.book.numbering
        self._numbers = {name: number for number, name in enumerate(numbering.names)}
        self._properties = {name: number for number, name in enumerate(numbering.properties)}

    def find(self, key: bytes, lead: str, outcome: Outcome) -> LeadState | str:
        """Return the state that is kept under an identity, a new one if there is none, or where to go on.

        A new one is not in the table before it is kept.
        """
        known = outcome.states.get(key) or self._leads.get(key)
        if known is None:
            return self._scorer.new_state(lead) if self.place.holds(lead) else lead
        if is_pointer(known):
            return decode_pointer(known).target
        return decode_state(known)

    def knows(self, key: bytes, identity: str) -> bool:
        """Whether the lead under ``key`` has been confirmed to be ``identity``, so that it may take its events."""
        known = self._leads.get(key)
        return known is not None and not is_pointer(known) and is_confirmed(decode_state(known).linked, identity)

    def keep(
        self,
        key: bytes,
        lead: str,
        state: LeadState,
        outcome: Outcome,
        was: Standing,
        *,
        only_answered: bool = False,
    ) -> None:
        """Settle a lead's state, and note it, its score, and what its account is to be told in the outcome.

        ``was`` is what :meth:`LeadScorer.standing` said before the state was changed; ``only_answered`` says that
        nothing but the account's own facts has changed it.
        """
        if self._publishes:
            outcome.scores[key] = encode_score(self._scorer.settle(state, lead))
            snapshot = self._scorer.snapshot(state, lead, was)
            if snapshot is not None:
                outcome.snapshots.append((key, snapshot))
        else:
            self._scorer.weigh(state, lead)
        self._scorer.tell(state, lead, was, outcome.messages, only_answered=only_answered)
        outcome.states[key] = encode_state(state)

    # ── events ───────────────────────────────────────────────────────────────────────────────────────────────

    def holds_lead(self, key: bytes, outcome: Outcome) -> bool:
        """Whether anything is kept under an identity."""
        return key in outcome.states or key in self._leads

    def forward(self, to: str, key: bytes, events: LeadEvents, outcome: Outcome, origin: Origin) -> None:
        """Pass events on to ``to``: what the pointer under ``key`` says, or whose partition is another."""
        latest = 0
        for index, event, _ in events:
            message = origin(index)
            latest = max(latest, int(event.time))
            try:
                pass_on(message, to, outcome)
            except EventError as error:
                outcome.refusals.append(Refusal(index, error, message))
        known = outcome.states.get(key) or self._leads.get(key)
        if known is not None and latest > decode_pointer(known).used_ms + POINTER_REFRESH_MS:
            outcome.states[key] = encode_pointer(Pointer(to, latest))

    def tell_links(self, state: LeadState, lead: str, shown: list[Event], outcome: Outcome) -> None:
        """Tell the partition of each weaker identity that events have ``shown`` who it is, in place; each once."""
        if lead[0] == VISITOR_INITIAL:
            return  # nothing is weaker
        user = lead[5:] if lead[0] == "u" else None
        several: dict[tuple[str | None, str | None], Event] = {}
        for event in shown:
            if event.anonymous_id is not None or event.user_id != user:
                several.setdefault((event.user_id, event.anonymous_id), event)
        for (user_id, anonymous_id), event in several.items():
            came_as = strongest_identity(event.email, user_id, anonymous_id)
            for identity in weaker_identities(user_id, anonymous_id):
                if identity == came_as and identity != lead:
                    state.linked = add_link(state.linked, identity, confirmed=True)  # it has led here
                elif is_stronger(lead, identity) and not is_linked(state.linked, identity):
                    state.linked = add_link(state.linked, identity)
                    outcome.messages.append(Link(identity, 0, lead, cause_of(event)))

    # ── what other shards tell ───────────────────────────────────────────────────────────────────────────────

    def take(self, message: Link | Check, outcome: Outcome) -> None:
        """Take what is told of the identity ``message.to`` itself, or pass it on to whom that is.

        Raises :class:`EventError` where it has been passed on too often.
        """
        key = message.to.encode()
        known = outcome.states.get(key) or self._leads.get(key)
        if known is None and not self.place.holds(message.to):
            pass_on(message, message.to, outcome)
        elif isinstance(message, Link):
            self._link(message, key, known, outcome)
        elif known is None or not is_pointer(known):
            self._check(message, known, outcome)
        elif (target := decode_pointer(known).target) != message.lead:
            pass_on(message, target, outcome)

    def apply(self, message: ToLead, state: LeadState, received_ms: int, outcome: Outcome) -> tuple[bool, list[Alert]]:
        """Apply what is told to a lead, in place; return whether that may have changed its score, and the alerts."""
        lead, scorer = message.to, self._scorer
        if isinstance(message, Unlink):
            state.linked = drop_link(state.linked, message.weak)
            return False, []
        if isinstance(message, FollowedUp):
            follow_up = decode_follow_up(message.value, message.received_ms)
            alerts = scorer.follow_up(state, lead, follow_up, message.received_ms, outcome.adopted)
            return state.last > 0, alerts  # of somebody who has done nothing yet there is nothing to publish
        if isinstance(message, Absorb):
            other = self._unpack(message)
            return True, scorer.absorb(state, lead, other, message.weak, message.cause, received_ms, outcome.adopted)
        facts = message.facts
        if scorer.standing(state).account != message.account or facts.version == state.facts_version:
            return False, []  # it has moved to another account since, or knows it already
        if facts.is_empty and state.facts is None and state.waiting is None:
            state.facts_version = facts.version  # nothing is known, as before
            return False, []
        return True, scorer.answer(state, lead, message.account, facts, received_ms, outcome.adopted)

    def _link(self, link: Link, key: bytes, known: bytes | None, outcome: Outcome) -> None:
        """Write the pointer, unless there is one; tell the lead what had been known."""
        if known is not None and is_pointer(known):
            target = decode_pointer(known).target
            if target != link.lead:
                outcome.messages.append(Check(target, 0, link.to, link.lead, link.cause))
            return
        outcome.states[key] = encode_pointer(Pointer(link.lead, link.cause.time_ms))
        if known is None:
            return
        state = decode_state(known)
        if state.told_score >= 0:
            outcome.messages.append(self._scorer.leave(state, link.to))
        outcome.messages.append(self._pack(link, state, known, outcome))
        outcome.scores.pop(key, None)
        outcome.merged.append((link.to, link.lead))

    def _pack(self, link: Link, state: LeadState, encoded: bytes, outcome: Outcome) -> Absorb:
        """Return a state, also given ``encoded``, as a message, with the meaning of its numbers."""
        book = self._scorer.book
        if state.generation != book.numbering.generation:
            self._scorer.adopt(state, link.to, outcome.adopted)
            encoded = encode_state(state)
        names, told = book.numbering.properties, [] if state.person is None else state.person.properties
        return Absorb(
            link.lead,
            0,
            link.to,
            link.cause,
            encoded,
            rules={number: book.names[number] for number in read_rules(state)},
            properties={number: names[number] for number in told},
            bands=[band.name for band in book.bands],
        )

    def _unpack(self, absorb: Absorb) -> LeadState:
        """Return the state in a message, with this shard's numbers."""
        book, state = self._scorer.book, decode_state(absorb.state)
        rules = {number: self._numbers.get(name) for number, name in absorb.rules.items()}
        properties = {number: self._properties.get(name) for number, name in absorb.properties.items()}
        if any(here != there for known in (rules, properties) for there, here in known.items()):
            renumber(state, rules, properties)
        state.band = book.band_named(absorb.bands[: state.band + 1])
        state.generation = book.numbering.generation
        return state

    def _check(self, check: Check, known: bytes | None, outcome: Outcome) -> None:
        """See whether a second link leads to the same lead in the end."""
        if check.to == check.lead or (known is not None and is_linked(decode_state(known).linked, check.lead)):
            return
        outcome.conflicts.append(Conflict(identity=check.weak, lead=check.to, other=check.lead, cause=check.cause))


def pass_on(message: Message, to: str, outcome: Outcome) -> None:
    """Add a message to an outcome that goes to ``to`` instead; raises :class:`EventError` after too many hops."""
    if message.hops >= HOPS_MAX:
        raise EventError("too_many_hops", "", f"passed on {HOPS_MAX} times, at last to {to}")
    outcome.messages.append(msgspec.structs.replace(message, to=to, hops=message.hops + 1))
