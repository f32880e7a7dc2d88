"""What an account is told of a lead: the snapshot, whose contact it is, and whether it still is one."""

from __future__ import annotations

from typing import Final

import msgspec

from scoring.bands import Bands
from scoring.contacts import MARKS_TOLD, SESSIONS_TOLD, Contact, Mark
from scoring.lead_state import ACTIVITY_MARK, EVENT_BYTES, NOTHING_TOLD, TIME_BYTES, LeadState
from scoring.links import unconfirmed
from scoring.routed import Message, Tell
from scoring.rules import Rulebook
from scoring.score_records import LeadScore
from scoring.sums import Sums
from scoring.traits import TraitBook
from scoring.visits import read_starts

ROLES: Final = ("decision_role", "buying_role", "role", "job_title", "title")
"""Traits that say what somebody's part in a purchase is, the most telling first."""

_SIZES: Final = [1 + 2 * (length & ~ACTIVITY_MARK) for length in range(256)]
"""The bytes that a remembered event takes, by its length byte: that, and two a matched rule."""


class Standing(msgspec.Struct, frozen=True, gc=False):
    """What a lead was before it was changed: its account's key, its last event's time (ms), and its band."""

    account: str
    seen_ms: int
    band: int


def account_of(state: LeadState) -> str:
    """Return the key of a lead's account: by the id that an event has named, or by its domain; or nothing.

    >>> account_of(LeadState(account="acme.com")), account_of(LeadState(account="42", account_at=1))
    ('domain:acme.com', 'account:42')
    """
    if not state.account:
        return ""
    return f"account:{state.account}" if state.account_at else f"domain:{state.account}"


class Teller:
    """Tells accounts of their leads, by one rulebook."""

    def __init__(self, book: Rulebook, traits: TraitBook, bands: Bands, sums: Sums) -> None:
        self._book, self._traits, self._bands, self._sums = book, traits, bands, sums
        self.is_active = book.follows_accounts
        asked = book.model.signal_rules
        self._asked = {number: name for number, name in enumerate(book.names) if name in asked}
        self._marks_asked = [(number, number.to_bytes(2)) for number in self._asked]

    def tell(
        self,
        state: LeadState,
        lead: str,
        record: LeadScore,
        was: Standing,
        messages: list[Message],
        *,
        only_answered: bool = False,
    ) -> None:
        """Add what a lead's account, and the one that it had before, are to be told; notes in ``state`` that they are.

        ``record`` is what is published of the lead now; ``was`` is what the lead was before. Where it has
        ``only_answered`` to what the account told, the account learns nothing from the same score and band.
        """
        account = account_of(state) if self._bands.has_account(state, lead) else ""
        before = None if state.told_score < 0 else (state.told_score, was.seen_ms)
        if before is not None and account != was.account:
            messages.append(self.leave(state, lead, was))
            before, state.facts_version, state.facts = None, 0, None
        elif only_answered and record.score == state.told_score and state.band == was.band and not state.cooled_ms:
            return
        if not account:
            state.told_score = NOTHING_TOLD
            return
        state.told += 1
        # What somebody adds to an account is as of their last event: a cooling since is nothing that they did.
        state.told_score = record.score if not state.cooled_ms else self._sums.score(state, state.seen_at)
        contact = self._contact(state, lead, record, account)
        messages.append(Tell(account, 0, contact, before=before, facts=state.facts_version))

    def leave(self, state: LeadState, lead: str, was: Standing) -> Tell:
        """Return what the account under which a lead ``was`` is told when the lead is no more one of its people."""
        state.told += 1
        gone = Contact(lead, state.told, account=was.account)
        return Tell(was.account, 0, gone, is_gone=True, before=(state.told_score, was.seen_ms))

    def _contact(self, state: LeadState, lead: str, record: LeadScore, account: str) -> Contact:
        contact = Contact(
            lead,
            state.told,
            account,
            state.told_score,
            state.seen_at,
            bytes(state.days),
            read_starts(state.visits[-SESSIONS_TOLD * 12 :]),
            self._marks(state),
            record.band,
            record.phase,
            record.stage,
            same=unconfirmed(state.linked) if state.linked else b"",
        )
        if state.person is not None:
            known = self._traits.told(state)
            contact.name = str(known.get("name", ""))
            contact.role = next((str(known[role]) for role in ROLES if role in known), "")
        return contact

    def _marks(self, state: LeadState) -> list[Mark]:
        """Return the latest matches of the rules that signals ask about, as far as the lead remembers its events."""
        marks = []
        for number, found in self._times_of_asked(state).items():
            found.sort()
            subject = state.subjects[state.rules.index(number)] if number in state.rules else ""
            latest = found[-1]
            name = self._asked[number]
            marks += [Mark(at, name, subject if at == latest else "") for at in found[-MARKS_TOLD:]]
        marks.sort()
        return marks

    def _times_of_asked(self, state: LeadState) -> dict[int, list[int]]:
        """Return when (ms) the rules that are asked about were matched, by number.

        Most events match none of them. So these are looked for, and only then counted which event each is of.
        """
        found: dict[int, list[int]] = {}
        if self._asked.keys().isdisjoint(state.rules):
            return found
        memory, times = state.event_rules, state.events
        places: list[tuple[int, int]] = []
        for number, mark in self._marks_asked:
            place = memory.find(mark)
            while place >= 0:
                places.append((place, number))
                place = memory.find(mark, place + 1)
        places.sort()
        event = begin = end = 0
        for place, number in places:
            while end <= place:
                begin, end, event = end, end + _SIZES[memory[end]], event + EVENT_BYTES
            if (place - begin) % 2:  # else the bytes are parts of two numbers
                time_ms = int.from_bytes(times[event - TIME_BYTES : event])
                found.setdefault(number, []).append(time_ms)
        return found
