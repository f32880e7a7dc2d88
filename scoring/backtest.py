"""Backtests: what a model would have said of leads before they were won or lost, event by event in their own order.

Nothing after a lead's deal is read for it: the lead is judged by what had happened before that moment. Everybody else's
events need not stop there; which may go on is said by :mod:`scoring.rounds`. How well the model did is worked out from
these judgements, in :mod:`scoring.judgement`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import Final

import msgspec

from scoring.account_identity import account_key, account_of_domain
from scoring.account_state import is_account
from scoring.account_updates import decode_account_update
from scoring.deals import Deal
from scoring.decay import WEEK_MS
from scoring.errors import EventError, SettingsError
from scoring.events import Event, decode_event
from scoring.grouping import Group, Knows, Record
from scoring.identity import VISITOR_PREFIX
from scoring.judged import Judged, Judgements
from scoring.lead_state import LeadState, decode_state
from scoring.leads import LeadEvents
from scoring.model import ScoringModel
from scoring.outcomes import Outcome, Refusal
from scoring.pointers import HOPS_MAX, decode_pointer, is_pointer
from scoring.publishing import encode_score
from scoring.replay import FileRecord
from scoring.rounds import Rounds
from scoring.routed import Absorb, Check, Link, Message, Reply, Tell, Told
from scoring.score_records import LeadScore, score_later
from scoring.shard import Shard
from scoring.timers import NEVER

OWNER: Final = "owner"
"""The contact's trait that says whose lead it is."""

CHUNK_RECORDS: Final = 100_000
"""Records scored in one go: a lead's state is decoded once for many of its events."""

_decode = msgspec.json.Decoder(LeadScore).decode


def alerting_band(model: ScoringModel) -> str:
    """Return the highest band that alerts; raises :class:`SettingsError` where none does."""
    alerting = [name for name, band in model.bands.items() if band.cooldown_h is not None]
    if not alerting:
        raise SettingsError(
            f"model {model.version}: no band alerts, so there is nothing to judge; give one a cooldown_h, such as "
            "hot: {enter: 100, leave: 80, cooldown_h: 24}"
        )
    return alerting[-1]


def _of_leads(model: ScoringModel) -> ScoringModel:
    """Return what a model says of leads: signals change no lead, and looking for them takes long.

    What it says of accounts stays, and that it does.
    """
    return model.model_copy(update={"signals": {}, "accounts": model.accounts}) if model.signals else model


class _Read(msgspec.Struct, gc=False):
    """An event's record, read: with the lead that it shows."""

    offset: int
    timestamp: int
    value: bytes | None
    key: bytes | None
    event: Event
    lead: str


@dataclass(slots=True)
class _Round:
    """What is scored together, and which deals are judged after it; ``told_ms`` is when accounts were told of last."""

    events: list[_Read] = field(default_factory=list)
    updates: list[FileRecord] = field(default_factory=list)
    told_ms: dict[str, int] = field(default_factory=dict)
    others: list[FileRecord] = field(default_factory=list)
    deals: list[Deal] = field(default_factory=list)


class Backtest:
    """Takes records in the order of their timestamps, which are event times, and judges each deal at its moment.

    How many records it is given at a time changes nothing that it finds, but for what a fit owes to the account's
    people: who of them do something within one chunk is known at its end.

    >>> from scoring.model import load_model
    >>> from scoring.models import DEFAULT_MODEL
    >>> day, start = 86_400_000, 1_767_225_600_000
    >>> def event(number, day_of):
    ...     text = f'{{"id":"{number}","type":"form_submitted","time":{start + day_of * day},"email":"ann@acme.com",'
    ...     return FileRecord(number, start + day_of * day, (text + '"properties":{"form":"demo"}}').encode())
    >>> backtest = Backtest(load_model(DEFAULT_MODEL), [Deal("email:ann@acme.com", True, start + 5 * day)])
    >>> backtest.take([event(1, 0), event(2, 9)])
    >>> [(round(each.score, 1), each.days_ahead) for each in backtest.finish().judged]
    [(48.1, 5.0)]
    """

    def __init__(self, model: ScoringModel, deals: Iterable[Deal], *, rest_is_lost: bool = False) -> None:
        self._band = alerting_band(model)
        self._shard = Shard(_of_leads(model), {}, publishes=False)
        self._order = Rounds(follows_accounts=model.follows_accounts)
        self._deals = sorted(deals, key=lambda deal: (deal.time_ms, deal.lead))
        self._next = 0
        self._rest_is_lost = rest_is_lost
        self._first_hot: dict[str, int] = {}
        self._closed: set[str] = set()
        self._unseen: list[Deal] = []
        self._found = Judgements()
        # When (ms) accounts were told something last, and who has just asked theirs what it is.
        self._told_ms: dict[str, int] = {}
        self._asked_ms: dict[str, int] = {}

    def take(self, records: Sequence[FileRecord]) -> None:
        """Score records, and judge what was decided before the last of them."""
        if not records:
            return
        self._found.first_ms = self._found.first_ms or records[0].timestamp
        self._found.last_ms = records[-1].timestamp
        for each in self._put_in_order(records):
            self._score(each)

    def _put_in_order(self, records: Sequence[FileRecord]) -> Iterable[_Round]:
        """Return the rounds in which these are scored; deals between two records are judged in theirs."""
        order = self._order
        first, rounds = order.start(), defaultdict[int, _Round](_Round)
        due_ms = self._due_ms
        for record in records:
            while due_ms <= record.timestamp:
                number = order.close(self._deals[self._next].lead)
                # What was known before is judged before anything else: a round of its own, which may be empty.
                rounds[first - 1 if number is None or number < first else number].deals.append(self._deals[self._next])
                self._next += 1
                due_ms = self._due_ms
            value = record.value or b""
            try:
                event = decode_event(value, record.timestamp)
                number, lead = order.place(event)
            except EventError:
                self._put_other(record, rounds, first)
                continue
            read = _Read(record.offset, record.timestamp, value, record.key, event, lead)
            rounds[number].events.append(read)
        return [rounds[number] for number in sorted(rounds)]

    @property
    def _due_ms(self) -> int:
        """When the next deal is."""
        return self._deals[self._next].time_ms if self._next < len(self._deals) else NEVER

    def _put_other(self, record: FileRecord, rounds: dict[int, _Round], first: int) -> None:
        """Put a record into its round that is no event of a lead."""
        try:
            update = decode_account_update(record.value or b"", record.timestamp)
        except EventError:
            rounds[first].others.append(record)
            return
        its_round = rounds[self._order.place_update(update)]
        its_round.updates.append(record)
        for key in (account_key(update.account_id, None), account_of_domain(update.domain or "")):
            its_round.told_ms[key] = record.timestamp

    def finish(self) -> Judgements:
        """Judge what is left, and return all of it, by time and lead."""
        for deal in self._deals[self._next :]:
            self._judge(deal)
        self._next = len(self._deals)
        for deal in self._unseen:
            known = self._find(deal.lead)
            (self._found.unknown if known is None else self._found.too_early).append(deal)
            if known is not None:
                self._closed.add(known[0])  # decided before we heard of it: no more lost than won
        if self._rest_is_lost:
            self._judge_rest()
        self._found.alerts.sort()
        self._found.judged.sort(key=lambda each: (each.time_ms, each.lead))
        return self._found

    def _score(self, each: _Round) -> None:
        self._found.events += len(each.events) + len(each.updates) + len(each.others)
        if each.updates:
            self._told_ms.update(each.told_ms)
            self._settle(self._shard.take_updates(each.updates))
        if each.others:
            self._settle(self._shard.take(each.others))
        if each.events:
            self._settle(self._shard.take(each.events, group=self._group))
        for deal in each.deals:
            self._judge(deal)

    def _group(
        self, records: Sequence[Record], first_index: int, refusals: list[Refusal], knows: Knows
    ) -> Iterator[Group]:
        """Yield each lead with its events, as they have been read: whoever it is by now."""
        leads: dict[str, tuple[str, LeadEvents, list[Event]]] = {}
        of_shown: dict[str, tuple[str, LeadEvents, list[Event]]] = {}
        for index, record in enumerate(records, first_index):
            assert isinstance(record, _Read)
            group = of_shown.get(record.lead)
            if group is None:
                lead = self._resolve(record.lead)
                group = of_shown[record.lead] = leads.setdefault(lead, (lead, [], []))
            group[1].append((index, record.event, record.timestamp))
            group[2].append(record.event)
        return iter(leads.values())

    def _resolve(self, identity: str) -> str:
        """Return the lead that an identity is known to be by now."""
        leads = self._shard.leads
        for _ in range(HOPS_MAX):
            known = leads.get(identity.encode())
            if known is None or not is_pointer(known):
                break
            identity = decode_pointer(known).target
        return identity

    def _settle(self, outcome: Outcome) -> None:
        """Note what has come of records, and let leads and accounts hear what they tell each other, to the end."""
        self._found.refused += len(outcome.refusals)
        self._note(outcome)
        self._asked_ms.clear()
        while outcome.messages:
            told = [Told(message, self._time_of(message)) for message in outcome.messages]
            outcome = self._shard.take_told(told)
            self._found.refused += len(outcome.refusals)
            self._note(outcome)

    def _time_of(self, message: Message) -> int:
        """Return when (ms) a message would have been received: as soon as it was caused."""
        match message:
            case Tell(to=account, contact=contact):
                self._asked_ms[contact.lead] = contact.at_ms
                self._told_ms[account] = max(contact.at_ms, self._told_ms.get(account, 0))
                return contact.at_ms
            case Reply(to=lead, account=account):
                return self._asked_ms.get(lead) or self._told_ms.get(self._resolve(account), self._found.last_ms)
            case Link(cause=cause) | Absorb(cause=cause) | Check(cause=cause):
                return cause.time_ms
            case _:
                return self._found.last_ms

    def _note(self, outcome: Outcome) -> None:
        """Note who was alerted, unless that was after their deal; those who turn out to be others take it along."""
        for alert in outcome.alerts:
            if alert.kind == "entered" and alert.band == self._band and alert.lead not in self._closed:
                self._first_hot.setdefault(alert.lead, alert.time_ms)
                self._found.alerts.append((alert.time_ms, str(alert.contact.get(OWNER, ""))))
        for gone, into in outcome.merged:
            if gone in self._closed:
                self._closed.add(into)
            if (hot_ms := self._first_hot.pop(gone, None)) is not None:
                self._first_hot[into] = min(hot_ms, self._first_hot.get(into, hot_ms))

    def _find(self, identity: str) -> tuple[str, LeadState] | None:
        """Return the lead that an identity is known to be by now, and its state; None: nobody."""
        lead = self._resolve(identity)
        value = self._shard.leads.get(lead.encode())
        return None if value is None else (lead, decode_state(value))

    def _judge(self, deal: Deal) -> None:
        """Judge a lead by what was known the moment before its deal."""
        found = self._find(deal.lead)
        if found is None:
            self._unseen.append(deal)
        elif found[0] in self._closed:
            self._found.same.append(deal)
        else:
            lead, state = found
            self._shard.scorer.cool(state, lead, deal.time_ms - 1, [])
            self._close(lead, state, deal.is_won, deal.time_ms)

    def _close(self, lead: str, state: LeadState, is_won: bool, time_ms: int) -> None:
        """Judge a lead by its state, as it would have been published."""
        record = _decode(encode_score(self._shard.scorer.settle(state, lead)))
        self._closed.add(lead)
        score = score_later(record, time_ms)
        self._found.judged.append(Judged(lead, is_won, time_ms, score, self._first_hot.get(lead), record))

    def _judge_rest(self) -> None:
        """Count who was neither won nor lost as lost, at their last event: not when they had long cooled down."""
        for key, value in self._shard.leads.items():
            lead = key.decode()
            if is_account(key) or is_pointer(value) or lead.startswith(VISITOR_PREFIX) or lead in self._closed:
                continue
            state = decode_state(value)
            self._close(lead, state, False, state.last)


def run_backtest(
    models: Sequence[ScoringModel],
    chunks: Iterable[list[FileRecord]],
    deals: Sequence[Deal],
    *,
    rest_is_lost: bool = False,
) -> list[Judgements]:
    """Judge several models side by side by the same records, chunk by chunk, in the order of their timestamps."""
    backtests = [Backtest(model, deals, rest_is_lost=rest_is_lost) for model in models]
    for chunk in chunks:
        for backtest in backtests:
            backtest.take(chunk)
    return [backtest.finish() for backtest in backtests]


def in_chunks(records: Sequence[FileRecord], size: int = CHUNK_RECORDS) -> Iterator[list[FileRecord]]:
    """Yield records, in the order of their timestamps, ``size`` at a time at most, and those of a week at most."""
    start = 0
    while start < len(records):
        end = bisect_left(records, records[start].timestamp + WEEK_MS, start, key=attrgetter("timestamp"))
        yield list(records[start : (end := min(end, start + size))])
        start = end
