"""What a contact, an update or the passing of time does to an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp2, log2
from typing import Final

import msgspec
import xxhash

from scoring.account_records import AccountContact, AccountLine, AccountScore
from scoring.account_state import EVENTS_KEPT, UPDATES_KEPT, AccountState, CompanyEvent, Known, Others, Value
from scoring.account_updates import AccountUpdate
from scoring.alerts import signal_id
from scoring.columns import position_of
from scoring.company_events import COMPANY_EVENTS
from scoring.contacts import AccountFacts, Contact
from scoring.cooling import ROUNDING
from scoring.customer_book import CustomerBook
from scoring.customer_events import CUSTOMER_EVENTS
from scoring.customer_records import CustomerValue
from scoring.customer_state import CustomerState, changes_at, merge_customers, take_customer_event
from scoring.decay import DAY_MS
from scoring.fit import Fit, FitBook
from scoring.identity import EMAIL_PREFIX
from scoring.model import ScoringModel
from scoring.routed import Tell
from scoring.signal_records import BuyingSignal, Finding, SignalPerson
from scoring.signals import SignalBook
from scoring.timers import NEVER

CONTACTS_SHOWN: Final = 20
"""People that an account's record lists; its ledger sums up the others."""

PERSONAL: Final = frozenset({"name", "email", "phone", "title", "job_title", "crm_url"})
"""Facts of a company that are no traits of its people, though a person's trait may be called the same."""

DOMAIN: Final = "domain:"
_ID_BYTES: Final = 8
_digest = xxhash.xxh3_64_digest
_encode = msgspec.msgpack.Encoder().encode
_encode_record = msgspec.json.Encoder().encode


People = dict[tuple[str, str], Contact]
"""Contacts by lead, and by the key under which the lead knows the account."""


_Ranked = tuple[float, str, str, Contact]
"""A contact after what it adds (points, negative, so that the most is the first in order), its lead and its account."""


@dataclass(slots=True)
class Evaluation:
    """What an account has come to: its record for account-scores, new signals, and what its leads are to know."""

    record: bytes
    """Empty where nothing is published."""
    signals: list[BuyingSignal]
    facts: AccountFacts
    is_news: bool
    """Whether the facts are others than before."""
    customer: bytes | None = None
    """The record for customer-values, where it says anything new."""


class AccountScorer:
    """Keeps accounts by one model; ``generation`` is that of the shard's rules under it.

    ``contacts_max`` bounds how many people an account lists; the others are kept as a sum. Without ``publishes`` only
    what leads are to know comes of an account: no record, and nothing of customers.
    """

    def __init__(self, model: ScoringModel, generation: int, contacts_max: int, *, publishes: bool) -> None:
        self._model, self._generation, self._contacts_max = model, generation, contacts_max
        self._publishes = publishes
        self._contact_max = model.accounts.contact_max
        self._half_life_days = model.accounts.half_life_days
        self._rate = 1.0 / (model.accounts.half_life_days * DAY_MS)
        self._bands = list(model.accounts.bands.items())
        self._event_points: Mapping[str, float] = model.accounts.company_events
        self._fit, self._signals = FitBook(model), SignalBook(model)
        self._customers = CustomerBook(model.customers, model.version) if model.follows_customers else None
        self._max_age_ms = int(model.alerts.max_age_h * 3_600_000)
        self._inherited = frozenset(model.trait_properties) - PERSONAL

    def new_state(self) -> AccountState:
        """Return the state of an account that nothing is known of."""
        return AccountState(generation=self._generation)

    def is_current(self, state: AccountState) -> bool:
        """Whether an account has been evaluated under this model."""
        return state.generation == self._generation

    # ── what comes in ────────────────────────────────────────────────────────────────────────────────────────

    def take_contact(self, state: AccountState, people: People, told: Tell) -> None:
        """Take a lead's snapshot, or take the lead out, in place; one that is older than what is known is ignored.

        ``people`` are the account's, by lead and key; :meth:`evaluate` brings them into ``state``.
        """
        contact = told.contact
        # What a lead tells under one key comes in order, under two perhaps not: each stands until the lead leaves it.
        key = contact.lead, contact.account
        known = people.get(key)
        if known is not None:
            if contact.version <= known.version:
                return
            del people[key]
        elif told.before is not None:
            self._take_out(state.others, *told.before)
        if not told.is_gone:
            people[key] = contact
            state.last = max(state.last, contact.at_ms)

    def _keep_people(self, state: AccountState, people: People) -> None:
        """List the most engaged people, and count the rest among the others from now on."""
        state.contacts = list(people.values())
        if len(people) > self._contacts_max:
            now, others = state.last, state.others
            ranked = self._rank(state.contacts, now)
            folded = ranked[self._contacts_max :]
            points = self._others_points(others, now) - sum(share for share, _, _, _ in folded)
            others.count, others.points, others.at_ms = others.count + len(folded), points, now
            state.contacts = [contact for _, _, _, contact in ranked[: self._contacts_max]]

    def _take_out(self, others: Others, score: float, at_ms: int) -> None:
        """Take one of the others out, of whom this was told last."""
        if others.count <= 1:
            others.count, others.points = 0, 0.0
            return
        share = min(self._contact_max, score) * exp2((at_ms - others.at_ms) * self._rate)
        others.count, others.points = others.count - 1, max(0.0, others.points - share)

    def take_update(self, state: AccountState, update: AccountUpdate, time_ms: int) -> bool:
        """Take what was told of the company, in place; return whether it was the first time."""
        update_id = _digest(update.id.encode())
        if position_of(state.updates, update_id, _ID_BYTES) >= 0:
            return False
        state.updates = (state.updates + update_id)[-UPDATES_KEPT * _ID_BYTES :]
        state.last = max(state.last, time_ms)
        for name, value in (update.facts or {}).items():
            _learn(state, name, Known(time_ms, value))
        if update.type in COMPANY_EVENTS:
            state.events = sorted({*state.events, CompanyEvent(time_ms, update.type, update.id)})[-EVENTS_KEPT:]
        elif update.type in CUSTOMER_EVENTS:
            state.customer = state.customer or CustomerState()
            take_customer_event(state.customer, update.type, time_ms, update.properties or {})
        return True

    def merge(self, state: AccountState, people: People, other: AccountState) -> None:
        """Merge another account into this one, in place: it has turned out to be the same company."""
        state.last = max(state.last, other.last)
        for name, known in other.facts.items():
            _learn(state, name, known)
        state.events = sorted({*state.events, *other.events})[-EVENTS_KEPT:]
        for contact in other.contacts:
            self.take_contact(state, people, Tell("", 0, contact))
        points = self._others_points(state.others, state.last) + self._others_points(other.others, state.last)
        state.others = Others(state.others.count + other.others.count, points, state.last)
        for signal, fired_ms in other.fired.items():
            state.fired[signal] = max(fired_ms, state.fired.get(signal, 0))
        state.updates = (other.updates + state.updates)[-UPDATES_KEPT * _ID_BYTES :]
        if state.customer is not None and other.customer is not None:
            merge_customers(state.customer, other.customer)
        state.customer = state.customer or other.customer

    # ── what it comes to ─────────────────────────────────────────────────────────────────────────────────────

    def _rank(self, contacts: list[Contact], now: int) -> list[_Ranked]:
        """Return contacts by what each adds at ``now`` (ms, not before the account's), the most first.

        That is ``min(contact_max, score)`` as of their latest event, faded since with the account's half-life.
        """
        most, rate = self._contact_max, self._rate
        ranked = []
        for contact in contacts:
            score = contact.score
            share = (score if score < most else most) * exp2((contact.at_ms - now) * rate)
            ranked.append((-share, contact.lead, contact.account, contact))
        ranked.sort()
        return ranked

    def _others_points(self, others: Others, now: int) -> float:
        return others.points * exp2((others.at_ms - now) * self._rate) if others.count else 0.0

    def _ledger(self, state: AccountState, ranked: list[_Ranked], now: int) -> list[AccountLine]:
        """Return the lines that sum to the score, the largest first; beyond the first people, the others are one line.

        Where they would sum to less than 0, a last line lifts them.
        """
        ledger = [AccountLine("person", lead, -share, c.at_ms) for share, lead, _, c in ranked[:CONTACTS_SHOWN]]
        if state.events:
            ledger += self._event_lines(state, now)
            ledger.sort(key=lambda line: (-abs(line.points), line.kind, line.name))
        folded, others = ranked[CONTACTS_SHOWN:], state.others
        if folded or others.count:
            points = self._others_points(others, now) - sum(share for share, _, _, _ in folded)
            ledger.append(AccountLine("others", str(len(folded) + others.count), points))
        total = sum(line.points for line in ledger)
        if total < 0:
            ledger.append(AccountLine("floor", "floor", -total))
        return ledger

    def _event_lines(self, state: AccountState, now: int) -> list[AccountLine]:
        """Return what each event of the company contributes (points) at ``now`` (ms)."""
        lines = []
        for event in state.events:
            points = self._event_points.get(event.type, 0.0) * exp2((event.time_ms - now) * self._rate)
            if points:
                lines.append(AccountLine("event", event.type, points, event.time_ms))
        return lines

    def evaluate(self, state: AccountState, listed: People, account: str, received_ms: int) -> Evaluation:
        """Work an account out anew, in place: people, engagement, band, fit, signals, and what its leads are to know.

        A signal whose evidence is older than the model's ``alerts.max_age_h`` at ``received_ms`` is noted, not given.
        """
        state.generation = self._generation
        self._keep_people(state, listed)
        now, people = state.last, people_of(state)
        ranked = self._rank(people, now)
        ledger = self._ledger(state, ranked, now)
        score = round(sum(line.points for line in ledger), 6)
        self._place(state, score, now)
        known = {name: fact.value for name, fact in sorted(state.facts.items()) if fact.value is not None}
        about = _facts_for_fit(state, known, account, score, people)
        fit = self._fit.rate(about)
        signals = self._detect(state, people, account, score, fit, received_ms)
        facts = self._facts_for_leads(known, fit)
        # What is the same has the same version, whichever account it comes from, in whatever order it arrives.
        facts.version = int.from_bytes(_digest(_encode(facts))[:4]) or 1
        is_news, state.told = facts.version != state.told, facts.version
        if not self._publishes:
            return Evaluation(b"", signals, facts, is_news)
        record = self._record(state, ranked, account, score, ledger, known, fit)
        record.customer, is_new_value = self._rate_customer(state, about, account, fit)
        customer = _encode_record(record.customer) if is_new_value else None
        return Evaluation(_encode_record(record), signals, facts, is_news, customer)

    def _rate_customer(
        self, state: AccountState, about: dict[str, Value], account: str, fit: Fit
    ) -> tuple[CustomerValue | None, bool]:
        """Return what an account is worth as a customer, if it is one, and whether that is news.

        It notes when that will change, in place.
        """
        if self._customers is None or state.customer is None:
            return None, False
        if fit.value is not None:
            about = about | {"fit": fit.value, "fits": fit.level in ("strong", "moderate")}
        rated = self._customers.evaluate(state.customer, about, account, state.last)
        state.cools_at = min(state.cools_at, changes_at(state.customer, state.last))
        return rated

    def _place(self, state: AccountState, score: float, now: int) -> None:
        """Let the band follow the score, and find out when it will be left."""
        bands = self._bands
        state.band = min(state.band, len(bands))
        while state.band and score < bands[state.band - 1][1].leave:
            state.band -= 1
        while state.band < len(bands) and score >= bands[state.band][1].enter:
            state.band += 1
        state.cools_at = NEVER
        if state.band:
            leave = bands[state.band - 1][1].leave - ROUNDING
            state.cools_at = now + max(1, ceil(log2(score / leave) / self._rate))

    def cool(self, state: AccountState, clock_ms: int) -> None:
        """Move an account's now to ``clock_ms``, in place, since time alone changes it by then."""
        state.last = max(state.last, clock_ms)

    def _facts_for_leads(self, known: dict[str, Value], fit: Fit) -> AccountFacts:
        return AccountFacts(
            version=0,
            level=fit.level,
            fit=fit.value,
            profile=fit.profile,
            coverage=fit.coverage,
            reason=fit.reason,
            name=_text(known.get("name")),
            owner=_text(known.get("owner")),
            traits={
                name: value for name, value in known.items() if name in self._inherited and not isinstance(value, list)
            },
        )

    def _detect(
        self, state: AccountState, people: list[Contact], account: str, score: float, fit: Fit, received_ms: int
    ) -> list[BuyingSignal]:
        news = [(event.type, event.time_ms, event.id) for event in state.events]
        found = self._signals.detect(_without_doubles(people), news, state.last, state.fired)
        for finding in found:
            state.fired[finding.signal] = finding.at_ms
        return [
            self._give(finding, state, people, account, score, fit)
            for finding in found
            if received_ms - finding.at_ms <= self._max_age_ms
        ]

    def _give(
        self, finding: Finding, state: AccountState, people: list[Contact], account: str, score: float, fit: Fit
    ) -> BuyingSignal:
        known = {contact.lead: contact for contact in people}
        return BuyingSignal(
            id=signal_id(account, finding.signal, str(finding.at_ms)),
            account=account,
            signal=finding.signal,
            kind=finding.kind,
            polarity=finding.polarity,
            time_ms=finding.at_ms,
            summary=finding.summary,
            model=self._model.version,
            name=_text(_value(state, "name")),
            evidence=finding.evidence,
            people=[
                SignalPerson(lead=lead, name=known[lead].name, role=known[lead].role, score=known[lead].score)
                for lead in finding.people
            ],
            without_contact=not people,
            score=score,
            band=self._band_name(state),
            fit=fit.value,
            fit_level=fit.level,
            owner=_text(_value(state, "owner")),
        )

    def _band_name(self, state: AccountState) -> str:
        return self._bands[state.band - 1][0] if state.band else "cold"

    def _record(
        self,
        state: AccountState,
        ranked: list[_Ranked],
        account: str,
        score: float,
        ledger: list[AccountLine],
        known: dict[str, Value],
        fit: Fit,
    ) -> AccountScore:
        return AccountScore(
            account=account,
            score=score,
            at_ms=state.last,
            band=self._band_name(state),
            half_life_days=self._half_life_days,
            model=self._model.version,
            name=_text(known.get("name")),
            fit=fit.value,
            level=fit.level,
            profile=fit.profile,
            coverage=fit.coverage,
            reason=fit.reason,
            profiles=fit.profiles,
            ledger=ledger,
            people=len(ranked) + state.others.count,
            contacts=[
                AccountContact(lead, c.score, c.at_ms, c.band, c.name, c.role, c.phase)
                for _, lead, _, c in ranked[:CONTACTS_SHOWN]
            ],
            facts=known,
            signals=dict(sorted(state.fired.items())),
            owner=_text(known.get("owner")),
            cools_at_ms=None if state.cools_at == NEVER else state.cools_at,
        )


def _facts_for_fit(
    state: AccountState, known: dict[str, Value], account: str, score: float, people: list[Contact]
) -> dict[str, Value]:
    facts = known | {"engagement": score}
    if people or state.others.count:
        facts.setdefault("stakeholders", len(people) + state.others.count)
    if account.startswith(DOMAIN):
        facts["domain"] = account.removeprefix(DOMAIN)
    return facts


def _learn(state: AccountState, name: str, told: Known) -> None:
    """Take a fact, in place, unless what is known is newer; of equal times, the larger stands."""
    known = state.facts.get(name)
    if known is None or (told.time_ms, repr(told.value)) > (known.time_ms, repr(known.value)):
        state.facts[name] = told


def people_of(state: AccountState) -> list[Contact]:
    """Return an account's people as far as it lists them: of a lead that it has under two of its keys, the newest."""
    if len({contact.lead for contact in state.contacts}) == len(state.contacts):  # nearly always
        return state.contacts
    newest: dict[str, Contact] = {}
    for contact in state.contacts:
        known = newest.setdefault(contact.lead, contact)
        if contact.version > known.version:
            newest[contact.lead] = contact
    return list(newest.values())


def _without_doubles(people: list[Contact]) -> list[Contact]:
    """Leave out leads that have been seen to be another one of ``people``: they are about to be merged into that."""
    doubtful = [contact.lead for contact in people if not contact.lead.startswith(EMAIL_PREFIX)]  # nothing is stronger
    if not doubtful:
        return people
    seen = {contact.same[at : at + _ID_BYTES] for contact in people for at in range(0, len(contact.same), _ID_BYTES)}
    doubles = {lead for lead in doubtful if _digest(lead.encode()) in seen}
    return [contact for contact in people if contact.lead not in doubles] if doubles else people


def _value(state: AccountState, name: str) -> Value | None:
    known = state.facts.get(name)
    return None if known is None else known.value


def _text(value: Value | None) -> str:
    return "" if value is None or isinstance(value, list) else str(value)
