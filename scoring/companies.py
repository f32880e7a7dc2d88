"""The accounts that a chunk touches: each is opened once, takes all that it is told, and is worked out once.

An account is kept under its key like a lead under its id: ``domain:acme.com``, or ``account:<id>`` as long as nobody
has told which domain the id is. Where somebody has, a pointer leads from the id to the domain, as for people.
"""

from __future__ import annotations

from typing import NamedTuple

from scoring.account_identity import account_key, account_of_domain
from scoring.account_state import AccountState, decode_account, encode_account
from scoring.account_updates import AccountUpdate
from scoring.accounts import AccountScorer, People
from scoring.alerts import Cause
from scoring.contacts import Contact
from scoring.errors import EventError
from scoring.outcomes import Outcome
from scoring.pointers import Pointer, decode_pointer, encode_pointer, is_pointer
from scoring.resolution import Place, pass_on
from scoring.routed import Absorb, Check, Conflict, Forward, Link, Reply, Tell, Unlink

ToAccount = Link | Absorb | Check | Unlink | Tell


class Companies:
    """What a chunk does to accounts; :meth:`settle` works them out, into ``outcome``."""

    def __init__(self, table: dict[bytes, bytes], scorer: AccountScorer, place: Place, outcome: Outcome) -> None:
        self._table, self._scorer, self._place, self._outcome = table, scorer, place, outcome
        self._open: dict[str, AccountState] = {}
        self._people: dict[str, People] = {}
        self._asking: dict[str, dict[str, _Asking]] = {}

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────

    def take(self, message: ToAccount) -> None:
        """Take what an account is told, or pass it on to where that account is kept.

        Raises :class:`EventError` where it has been passed on too often.
        """
        found = self._find(message.to)
        if isinstance(message, Link):
            self._link(message, found)
        elif isinstance(found, str):
            if not (isinstance(message, Check) and found == message.lead):
                pass_on(message, found, self._outcome)
        elif isinstance(message, Tell):
            self._scorer.take_contact(found, self._people[message.to], message)
            asking, contact = self._asking.setdefault(message.to, {}), message.contact
            if not message.is_gone:
                _ask(asking, contact, message.facts)
            elif contact.lead in asking and asking[contact.lead].account == contact.account:
                del asking[contact.lead]
        elif isinstance(message, Absorb):
            other = decode_account(message.state)
            self._scorer.merge(found, self._people[message.to], other)
            asking = self._asking.setdefault(message.to, {})
            for contact in other.contacts:
                _ask(asking, contact, 0)
        elif isinstance(message, Check) and message.to != message.lead:
            conflict = Conflict(identity=message.weak, lead=message.to, other=message.lead, cause=message.cause)
            self._outcome.conflicts.append(conflict)

    def update(self, update: AccountUpdate, origin: Forward) -> None:
        """Take what was told of a company; ``origin`` is that as it is to be passed on.

        Raises :class:`EventError` where it names no account, or has been passed on too often.
        """
        domain = account_of_domain(update.domain) if update.domain else ""
        account = origin.to or domain or account_key(update.account_id, None)
        if not account:
            raise EventError("bad_identity", "domain", f"{(update.domain or '')[:80]!r} is no company's domain")
        if domain and update.account_id and not origin.to:  # else it was told before this was passed on
            cause = Cause(id=update.id, type=update.type, time_ms=int(update.time))
            self._outcome.messages.append(Link(account_key(update.account_id, None), 0, domain, cause))
        found = self._find(account)
        if isinstance(found, str):
            pass_on(origin, found, self._outcome)
        elif not self._scorer.take_update(found, update, int(update.time)):
            self._outcome.duplicates += 1

    def open(self, account: str) -> AccountState | None:
        """Return the state of an account that is kept here, to be changed and worked out; None if it is not one."""
        found = self._find(account)
        return None if isinstance(found, str) else found

    def _find(self, account: str) -> AccountState | str:
        """Return an account's state, a new one if there is none, or where to go on."""
        state = self._open.get(account)
        if state is not None:
            return state
        key = account.encode()
        known = self._outcome.states.get(key) or self._table.get(key)
        if known is not None and is_pointer(known):
            return decode_pointer(known).target
        if known is None and not self._place.holds(account):
            return account
        state = self._open[account] = self._scorer.new_state() if known is None else decode_account(known)
        self._people[account] = {(contact.lead, contact.account): contact for contact in state.contacts}
        return state

    def _link(self, link: Link, found: AccountState | str) -> None:
        """Write the pointer from an id to its domain, unless there is one; send what had been known under the id."""
        key, outcome = link.to.encode(), self._outcome
        if isinstance(found, str):
            if found == link.to:
                pass_on(link, found, outcome)
            elif found != link.lead:
                outcome.messages.append(Check(found, 0, link.to, link.lead, link.cause))
            return
        found.contacts = list(self._people.pop(link.to).values())
        del self._open[link.to]
        self._asking.pop(link.to, None)
        if key in self._table or found.contacts or found.updates:
            outcome.messages.append(Absorb(link.lead, 0, link.to, link.cause, encode_account(found)))
            outcome.merged.append((link.to, link.lead))
        outcome.account_scores.pop(key, None)
        outcome.customer_values.pop(key, None)
        outcome.states[key] = encode_pointer(Pointer(link.lead, link.cause.time_ms))

    # ── what comes of it ─────────────────────────────────────────────────────────────────────────────────────

    def settle(self, received_ms: int) -> None:
        """Work out every account that was opened, and answer the leads that do not know what theirs is."""
        outcome = self._outcome
        for account, state in self._open.items():
            done = self._scorer.evaluate(state, self._people[account], account, received_ms)
            key = account.encode()
            if done.record:
                outcome.account_scores[key] = done.record
            if done.customer is not None:
                outcome.customer_values[key] = done.customer
            outcome.states[key] = encode_account(state)
            outcome.signals += done.signals
            asking = self._asking.get(account, {})
            if done.is_news:
                for contact in state.contacts:
                    _ask(asking, contact, 0)
            outcome.messages += [
                Reply(lead, 0, asked.account, done.facts)
                for lead, asked in asking.items()
                if asked.facts != done.facts.version
            ]
        self._open, self._people, self._asking = {}, {}, {}


class _Asking(NamedTuple):
    """Whom to answer: which of a lead's snapshots asks, under which key, and the version of the facts that it knows."""

    version: int
    account: str
    facts: int


def _ask(asking: dict[str, _Asking], contact: Contact, facts: int) -> None:
    """Note that a lead is to be answered, unless a newer snapshot of it already asks."""
    known = asking.get(contact.lead)
    if known is None or contact.version > known.version:
        asking[contact.lead] = _Asking(contact.version, contact.account, facts)
