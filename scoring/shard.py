"""One partition's pure logic: records in, an outcome out. Everything else in scoring serves this façade.

A shard is what one worker holds for partition *n* of all topics. It knows nothing of Kafka: the worker feeds it
chunks and writes what it returns in one transaction; :mod:`scoring.replay` feeds it a file.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter, itemgetter
from typing import Final, TypeVar

import msgspec

from scoring.account_state import account_cools_at, is_account
from scoring.account_updates import decode_account_update
from scoring.accounts import AccountScorer
from scoring.companies import Companies
from scoring.errors import EventError
from scoring.events import Event, decode_event
from scoring.follow_ups import decode_follow_up
from scoring.forgetting import Sweep, forget
from scoring.grouping import ForeignKeyError, Grouping, Record, group_by_identity, group_by_key
from scoring.lead_state import LeadState, cools_at_of, decode_state, encode_state, never_cools
from scoring.leads import LeadEvents, LeadScorer, Raised
from scoring.model import ScoringModel
from scoring.outcomes import Outcome, Refusal
from scoring.pointers import is_pointer
from scoring.resolution import EVERYTHING, Origin, Place, Resolution, ToLead, pass_on
from scoring.routed import Absorb, Check, FollowedUp, Forward, Link, Message, Reply, Tell, Told, decode_message
from scoring.rules import Numbering, Rulebook
from scoring.timers import NEVER, Timers

__all__ = ["Outcome", "Place", "Record", "Refusal", "Shard", "finish"]

CONTACTS_MAX: Final = 200
"""People that an account lists one by one, unless the caller says otherwise."""

Steps = Generator[None, None, Outcome]
"""Work that pauses after every lead, for those who have more to do than this, and returns what it has caused."""


def publication_of(memo: bytes) -> int:
    """Return the number of the published model that states with this memo were written by; 0: not known."""
    return _decode_memo(memo).publication if memo else 0


_R = TypeVar("_R", Record, Told)
_MESSAGE = attrgetter("message")
_encode_memo = msgspec.json.Encoder().encode
_decode_memo = msgspec.json.Decoder(Numbering).decode


class Shard:
    """The leads of one partition, and the model that scores them.

    ``leads`` maps a lead's id (bytes) to its encoded state, or an identity that is another lead to a pointer. ``memo``
    is what the shard left to be told when it opens again (empty at first): keep :attr:`memo` wherever the states are
    kept. ``place`` tells which identities lie here; all of them, where there is only one shard. ``publication`` is the
    model's number among those that were published, if it was. Where nobody reads what it ``publishes`` of leads and
    accounts, that is left out of outcomes, a fifth of the work; states leave open when they cool, and nobody ticks.
    """

    def __init__(
        self,
        model: ScoringModel,
        leads: dict[bytes, bytes],
        memo: bytes = b"",
        place: Place = EVERYTHING,
        contacts_max: int = CONTACTS_MAX,
        publication: int = 0,
        *,
        publishes: bool = True,
    ) -> None:
        self.leads, self._publishes = leads, publishes
        self._place, self._contacts_max = place, contacts_max
        self._timers = Timers(_coolings(leads))
        self._sweep: Sweep | None = None
        self._compile(Rulebook(model, _decode_memo(memo) if memo else Numbering(), publication))

    def _compile(self, book: Rulebook) -> None:
        self.book = book
        self.scorer = LeadScorer(book, decides_by_events=self._place is EVERYTHING)
        publishes = self._publishes
        self._people = Resolution(self.leads, self.scorer, self._place, publishes=publishes)
        self._accounts = AccountScorer(book.model, book.numbering.generation, self._contacts_max, publishes=publishes)
        self._unadopted: list[bytes] | None = None  # in descending order, once the pass has begun

    def use(self, model: ScoringModel, publication: int = 0) -> Outcome:
        """Go on with another model, between two chunks: leads follow with their next events, or by :meth:`adopt`.

        Where an earlier model's pass was not over, ``outcome.adoption`` says how far it had come. :attr:`memo` is
        another one afterwards.
        """
        outcome, before = Outcome(), self.book.numbering
        self._compile(Rulebook(model, before, publication))
        superseded = before.adoption
        is_another = self.book.numbering.generation != before.generation
        if is_another and superseded is not None and not superseded.is_finished:
            superseded.partition = self._place.partition
            outcome.adoption = superseded
        return outcome

    @property
    def publication(self) -> int:
        """The number of the model among those that were published; 0: not known."""
        return self.book.numbering.publication

    @property
    def memo(self) -> bytes:
        """What the next opening on the same states has to be given."""
        return _encode_memo(self.book.numbering)

    def take(self, records: Sequence[Record], topic: str = "", group: Grouping | None = None) -> Outcome:
        """Score a chunk of ``topic`` in order and return what it caused; ``leads`` holds the new states afterwards.

        A record that cannot be scored becomes a :class:`Refusal`. Where scoring itself fails (our fault), the
        chunk's work is thrown away and redone record by record, so that only the culprit is refused. Who has read the
        records already gives ``group``, which tells them apart by lead.
        """
        return finish(self.steps(records, topic, group))

    def take_updates(self, records: Sequence[Record], topic: str = "") -> Outcome:
        """Take a chunk of what was told of companies; all else is as in :meth:`take`."""
        return finish(self.steps_of_updates(records, topic))

    def take_follow_ups(self, records: Sequence[Record]) -> Outcome:
        """Take a chunk of what sales did about leads; all else is as in :meth:`take`."""
        return finish(self.steps_of_follow_ups(records))

    def take_routed(self, records: Sequence[Record]) -> Outcome:
        """Take a chunk of what other shards have passed on or told of people; all else is as in :meth:`take`."""
        return finish(self.steps_of_routed(records))

    def take_told(self, messages: Sequence[Told]) -> Outcome:
        """Take what the shard has told itself, where there is no other; all else is as in :meth:`take_routed`."""
        return finish(self._take(messages, lambda some, first_index: self._resolve(some, first_index, _MESSAGE)))

    def steps(self, records: Sequence[Record], topic: str, group: Grouping | None = None) -> Steps:
        """Do what :meth:`take` does, with pauses. Until the end nothing is changed, and nothing else may be begun."""
        return self._take(records, lambda some, first_index: self._score(some, first_index, topic, group))

    def steps_of_updates(self, records: Sequence[Record], topic: str) -> Steps:
        """Do what :meth:`take_updates` does, with pauses."""
        return self._take(records, lambda some, first_index: self._update(some, first_index, topic))

    def steps_of_follow_ups(self, records: Sequence[Record]) -> Steps:
        """Do what :meth:`take_follow_ups` does, with pauses."""
        return self._take(records, self._follow_up)

    def steps_of_routed(self, records: Sequence[Record]) -> Steps:
        """Do what :meth:`take_routed` does, with pauses."""
        return self._take(records, lambda some, first_index: self._resolve(some, first_index, _decode_told))

    def _take(self, records: Sequence[_R], work: Callable[[Sequence[_R], int], Steps]) -> Steps:
        try:
            outcome = yield from work(records, 0)
        except Exception:  # noqa: BLE001 - whatever it was, it comes again for the culprit alone, and is kept
            return self._take_singly(records, work)  # without a pause, since it changes leads one by one
        self._apply(outcome)
        return outcome

    @property
    def due_ms(self) -> int:
        """When the next lead may cool (ms): time for a tick; ``NEVER`` while none is above cold."""
        return self._timers.next_ms

    def tick(self, clock_ms: int, leads_max: int | None = None) -> Outcome:
        """Apply every cooling that is due at or before ``clock_ms`` and return what that caused.

        With ``leads_max``, only the first so many are applied, and those due in the same ms; ``outcome.clock_ms`` says
        how far this got. Alerts come out in the order of their times, then by lead.
        """
        due = self._take_due(clock_ms, leads_max)
        outcome = Outcome(clock_ms=clock_ms if leads_max is None or len(due) < leads_max else due[-1][0])
        for _, key in due:
            lead = key.decode()
            try:
                if is_account(key):
                    self._cool_account(key, outcome)
                    continue
                state = decode_state(self.leads[key])
                was = self.scorer.standing(state)
                outcome.alerts += self.scorer.cool(state, lead, outcome.clock_ms, outcome.adopted)
                self._people.keep(key, lead, state, outcome, was)
            except Exception as error:  # noqa: BLE001 - one lead must not hold up the time of all others
                outcome.failures.append((lead, error))
        outcome.alerts.sort(key=lambda alert: (alert.time_ms, alert.lead))
        self._apply(outcome)
        return outcome

    def _take_due(self, clock_ms: int, leads_max: int | None) -> list[tuple[int, bytes]]:
        """Remove and return the timers that are due, by time and key: the first ``leads_max``, or a few more.

        What a timer says is a time to look: the state knows the exact one.
        """
        due: list[tuple[int, bytes]] = []
        until = clock_ms
        while (key := self._timers.take_due(until)) is not None:
            cools_at = _cools_at(key, self.leads[key]) if key in self.leads else NEVER
            if cools_at <= clock_ms:
                due.append((cools_at, key))
            elif cools_at != NEVER:
                self._timers.put(key, cools_at)
            if leads_max is not None and len(due) >= leads_max and until == clock_ms:
                due.sort()
                until = due[-1][0]  # nobody who is still in the heap is due before; those of the same ms go along
        due.sort()
        if leads_max is not None and len(due) > leads_max:
            last = due[leads_max - 1][0]
            for cools_at, key in due[leads_max:]:
                if cools_at > last:
                    self._timers.put(key, cools_at)
            due = [timer for timer in due if timer[0] <= last]
        return due

    @property
    def is_adopting(self) -> bool:
        """Whether there are leads that the pass of a new model has not been over."""
        adoption = self.book.numbering.adoption
        return adoption is not None and not adoption.is_finished

    @property
    def adopted_to(self) -> str:
        """The last lead that the pass of a new model has been over, in the order of ids."""
        adoption = self.book.numbering.adoption
        return "" if adoption is None else adoption.adopted_to

    def adopt(self, leads_max: int, to: str | None = None) -> Outcome:
        """Bring the next ``leads_max`` leads that another model left under this one; with ``to``, up to that id.

        Scores and bands that are different now are in the outcome; nobody is alerted. When the last lead is done,
        ``outcome.adoption`` says what the model changed. :attr:`memo` is another one afterwards.
        """
        outcome, adoption = Outcome(), self.book.numbering.adoption
        if adoption is None or adoption.is_finished:
            return outcome
        if self._unadopted is None:
            left = (key for key in self.leads if key > adoption.adopted_to.encode() and not is_pointer(self.leads[key]))
            self._unadopted = sorted(left, reverse=True)
        last = None if to is None else to.encode()
        for _ in range(min(leads_max, len(self._unadopted))):
            if last is not None and self._unadopted[-1] > last:
                break
            key = self._unadopted.pop()
            lead = key.decode()
            adoption.adopted_to = lead
            try:
                if is_pointer(self.leads[key]):
                    continue  # since the pass has begun
                if is_account(key):
                    self._evaluate(lead, outcome)
                    continue
                state = decode_state(self.leads[key])
                if state.generation != self.book.numbering.generation:
                    was = self.scorer.standing(state)
                    self.scorer.adopt(state, lead, outcome.adopted)
                    self._people.keep(key, lead, state, outcome, was)
            except Exception as error:  # noqa: BLE001 - its next event tries again
                outcome.failures.append((lead, error))
        self._apply(outcome)
        if not self._unadopted:
            adoption.is_finished, adoption.partition = True, self._place.partition
            outcome.adoption = adoption
        return outcome

    def silent(self, clock_ms: int, silence_ms: int, keys_max: int) -> tuple[list[bytes], bool]:
        """Look at the next ``keys_max`` keys; return which are to be :meth:`forget`, and whether all have been seen.

        Those are visitors and pointers that have been silent for ``silence_ms`` at ``clock_ms``.
        """
        if self._sweep is None:
            self._sweep = Sweep(self.leads, silence_ms)
        return self._sweep.find(clock_ms, keys_max), self._sweep.is_over

    def forget(self, keys: list[bytes]) -> Outcome:
        """Forget what is kept under ``keys``."""
        outcome = forget(self.leads, keys)
        self._apply(outcome)
        return outcome

    def _apply(self, outcome: Outcome) -> None:
        self.leads.update(outcome.states)
        for key in outcome.forgotten:
            self.leads.pop(key, None)
        if self._publishes:
            for cools_at, key in _coolings(outcome.states):
                self._timers.put(key, cools_at)
        adoption = self.book.numbering.adoption
        if adoption is not None and not adoption.is_finished:
            adoption.leads += len(outcome.adopted)
            for lead, before, after in outcome.adopted:
                if before != after:
                    adoption.note(lead, before, after)

    def _take_singly(self, records: Sequence[_R], work: Callable[[Sequence[_R], int], Steps]) -> Outcome:
        outcome = Outcome()
        for index, record in enumerate(records):
            try:
                single = finish(work((record,), index))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - a dead letter keeps the record and names the error
                reason = EventError("failed", "", f"scoring failed: {type(error).__name__}: {error}")
                outcome.extend(Outcome(events=1, refusals=[Refusal(index, reason)]))
                continue
            self._apply(single)
            outcome.extend(single)
        return outcome

    def _score(self, records: Sequence[Record], first_index: int, topic: str, group: Grouping | None) -> Steps:
        """Score records lead by lead: a state is decoded once, sees all its events, and is encoded while still at hand.

        Alerts come out in the order of the records all the same.
        """

        def origin(index: int) -> Forward:
            return self._origin(records[index - first_index], topic)

        try:
            return (yield from self._score_grouped(group or group_by_key, records, first_index, origin))
        except ForeignKeyError:
            return (yield from self._score_grouped(group_by_identity, records, first_index, origin))

    def _score_grouped(self, group: Grouping, records: Sequence[Record], first_index: int, origin: Origin) -> Steps:
        outcome = Outcome(events=len(records))
        raised: Raised = []
        for lead, events, shown in group(records, first_index, outcome.refusals, self._people.knows):
            self._score_lead(lead, events, shown, outcome, raised, origin)
            yield
        return _in_order(outcome, raised)

    def _score_lead(
        self, lead: str, events: LeadEvents, shown: list[Event], outcome: Outcome, raised: Raised, origin: Origin
    ) -> None:
        key = lead.encode()
        state = self._people.find(key, lead, outcome)
        if isinstance(state, str):
            self._people.forward(state, key, events, outcome, origin)
            return
        was = self.scorer.standing(state)
        self._take_events(state, lead, events, shown, outcome, raised)
        self._people.keep(key, lead, state, outcome, was)

    def _take_events(
        self, state: LeadState, lead: str, events: LeadEvents, shown: list[Event], outcome: Outcome, raised: Raised
    ) -> None:
        alerts, duplicates = self.scorer.take(state, lead, events, outcome.adopted)
        raised += alerts
        outcome.duplicates += duplicates
        self._people.tell_links(state, lead, shown, outcome)

    def _update(self, records: Sequence[Record], first_index: int, topic: str) -> Steps:
        """Take what was told of companies, in order, and work out their accounts."""
        outcome = Outcome(events=len(records))
        companies = self._companies(outcome)
        for index, record in enumerate(records, first_index):
            origin = self._origin(record, topic)
            try:
                companies.update(decode_account_update(origin.value, record.timestamp), origin)
            except EventError as error:
                outcome.refusals.append(Refusal(index, error))
            yield
        companies.settle(records[-1].timestamp if records else 0)
        return outcome

    def _follow_up(self, records: Sequence[Record], first_index: int) -> Steps:
        """Take what sales did about leads, lead by lead: each is told, here or wherever it lies."""
        outcome = Outcome(events=len(records))
        raised: Raised = []
        works: dict[str, _Work] = {}
        for index, record in enumerate(records, first_index):
            value = record.value or b""
            try:
                lead = decode_follow_up(value, record.timestamp).lead
            except EventError as error:
                outcome.refusals.append(Refusal(index, error))
                continue
            message = FollowedUp(lead, 0, record.timestamp, value)
            works.setdefault(lead, _Work()).told.append((index, message, record.timestamp))
        for lead, work in works.items():
            self._take_of_lead(lead, work, outcome, raised)
            yield
        return _in_order(outcome, raised)

    def _companies(self, outcome: Outcome) -> Companies:
        return Companies(self.leads, self._accounts, self._people.place, outcome)

    def _evaluate(self, account: str, outcome: Outcome) -> None:
        """Work an account out by a new model, unless it has been."""
        companies = self._companies(outcome)
        state = companies.open(account)
        if state is not None and not self._accounts.is_current(state):
            companies.settle(state.last)

    def _cool_account(self, key: bytes, outcome: Outcome) -> None:
        companies = self._companies(outcome)
        state = companies.open(key.decode())
        if state is not None:
            self._accounts.cool(state, state.cools_at)
            companies.settle(state.last)

    def _origin(self, record: Record, topic: str) -> Forward:
        place = self._people.place.partition
        return Forward("", 0, record.timestamp, record.value or b"", topic, place, record.offset, record.key)

    def _resolve(self, records: Sequence[_R], first_index: int, read: Callable[[_R], Message]) -> Steps:
        """Take what shards tell each other, in order, and then the events that were passed on, lead by lead."""
        outcome = Outcome(events=len(records))
        raised: Raised = []
        companies = self._companies(outcome)
        works: dict[str, _Work] = {}
        for index, record in enumerate(records, first_index):
            message: Message | None = None
            try:
                message = read(record)
                if is_account(message.to.encode()):
                    _take_of_account(companies, message)
                elif isinstance(message, Link | Check):
                    self._people.take(message, outcome)
                elif isinstance(message, Forward):
                    event = decode_event(message.value, message.received_ms)
                    works.setdefault(message.to, _Work()).add_event(index, event, message)
                elif not isinstance(message, Tell):
                    works.setdefault(message.to, _Work()).told.append((index, message, record.timestamp))
            except EventError as error:
                outcome.refusals.append(Refusal(index, error, message if isinstance(message, Forward) else None))
            yield
        for lead, work in works.items():
            self._take_of_lead(lead, work, outcome, raised)
            yield
        companies.settle(records[-1].timestamp if records else 0)
        return _in_order(outcome, raised)

    def _take_of_lead(self, lead: str, work: _Work, outcome: Outcome, raised: Raised) -> None:
        """Take all that a chunk tells a lead and the events that were passed on to it: its state is decoded once."""
        key = lead.encode()
        if not work.brings_anything and not self._people.holds_lead(key, outcome):
            return  # an answer to somebody who is forgotten
        state = self._people.find(key, lead, outcome)
        if isinstance(state, str):
            for index, message, _ in work.told:
                try:
                    pass_on(message, state, outcome)
                except EventError as error:
                    outcome.refusals.append(Refusal(index, error))
            self._people.forward(state, key, work.events, outcome, work.origins.__getitem__)
            return
        was, is_changed = self.scorer.standing(state), bool(work.events)
        for index, message, received_ms in work.told:
            changed, alerts = self._people.apply(message, state, received_ms, outcome)
            is_changed = is_changed or changed
            raised.append((index, alerts))
        if work.events:
            shown = [event for _, event, _ in work.events]
            self._take_events(state, lead, work.events, shown, outcome, raised)
        if is_changed:
            self._people.keep(key, lead, state, outcome, was, only_answered=work.only_answers)
        else:
            outcome.states[key] = encode_state(state)


def finish(steps: Steps) -> Outcome:
    """Do work without a pause, and return what it has caused."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            outcome: Outcome = done.value
            return outcome


@dataclass(slots=True)
class _Work:
    """What a chunk holds for one lead: what it is told, and its events, with what they were passed on as."""

    told: list[tuple[int, ToLead, int]] = field(default_factory=list)
    events: LeadEvents = field(default_factory=list)
    origins: dict[int, Forward] = field(default_factory=dict)

    def add_event(self, index: int, event: Event, origin: Forward) -> None:
        self.events.append((index, event, origin.received_ms))
        self.origins[index] = origin

    @property
    def only_answers(self) -> bool:
        """Whether there is nothing but what accounts tell of themselves."""
        return not self.events and all(isinstance(message, Reply) for _, message, _ in self.told)

    @property
    def brings_anything(self) -> bool:
        """Whether there is a lead because of it, if there was none."""
        return bool(self.events) or any(isinstance(message, Absorb | FollowedUp) for _, message, _ in self.told)


def _decode_told(record: Record) -> Message:
    try:
        message: Message = decode_message(record.value or b"")
        return message
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise EventError("malformed", "", f"not one of ours: {error}") from None


def _take_of_account(companies: Companies, message: Message) -> None:
    if isinstance(message, Forward):
        companies.update(decode_account_update(message.value, message.received_ms), message)
    elif not isinstance(message, Reply | FollowedUp):
        companies.take(message)


def _in_order(outcome: Outcome, raised: Raised) -> Outcome:
    """Bring what was found lead by lead back into the order of the records."""
    outcome.refusals.sort(key=attrgetter("index"))
    raised.sort(key=itemgetter(0))
    outcome.alerts = [alert for _, alerts in raised for alert in alerts]
    return outcome


def _coolings(states: Mapping[bytes, bytes]) -> Iterator[tuple[int, bytes]]:
    """Yield when (ms) which of the leads will cool, in silence."""
    for key, state in states.items():
        if not never_cools(state) and (cools_at := _cools_at(key, state)) != NEVER:
            yield cools_at, key


def _cools_at(key: bytes, value: bytes) -> int:
    if is_pointer(value):
        return NEVER
    return account_cools_at(value) if is_account(key) else cools_at_of(value)
