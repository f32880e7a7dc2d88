"""One customer at a time: what a worker makes of an account that is a customer, by the model's section `customers`."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import xxhash

from scoring.customer_records import CustomerValue, ManualRating, ManualSegment, SegmentSince
from scoring.customer_segments import Placed, care_of, override_placed, place_one
from scoring.customer_state import CustomerState, SegmentChange, customer_facts, note_segment
from scoring.customer_value import CustomerWorth, Fact, ValueBook
from scoring.model_customers import CHURNED, EXIT, Customers

OURS = ("revenue", "profit")
"""Facts that mean what a customer brings us: as facts of a company they mean its own, and are no answer here."""

_encode = msgspec.json.Encoder().encode
_digest = xxhash.xxh3_64_digest


class CustomerBook:
    """A model's section `customers`, for customers that come one by one; ``version`` is the model's."""

    def __init__(self, section: Customers, version: str) -> None:
        self._section, self._version = section, version
        self._book = ValueBook(section, section.split.quantiles if section.split is not None else {})
        self._asked = {*section.facts, *OURS}

    def evaluate(
        self, state: CustomerState, known: Mapping[str, Fact], account: str, now_ms: int
    ) -> tuple[CustomerValue, bool]:
        """Rate and place a customer at ``now_ms``; its history is noted in ``state``, in place.

        ``known`` are the account's facts, its fit among them. Also returns whether the record says anything else than
        the one before.
        """
        facts: dict[str, Fact] = {name: fact for name, fact in known.items() if name not in OURS}
        facts.update(customer_facts(state, now_ms))
        worth = self._book.rate(facts, state.said, now_ms)
        placed = self._place(state, worth, now_ms)
        note_segment(state, SegmentChange(now_ms, placed.segment, worth.value))
        record = self._record(state, facts, worth, placed, account)
        digest = _digest(_encode(record))
        is_news, state.published = digest != state.published, digest
        record.at_ms = now_ms
        return record, is_news

    def _place(self, state: CustomerState, worth: CustomerWorth, now_ms: int) -> Placed:
        if state.has_churned:
            return Placed(CHURNED, CHURNED, "is no customer any more")
        placed = place_one(self._section, worth, None, now_ms)
        by_hand = state.override
        if by_hand is None or not by_hand.segment:
            return placed
        if by_hand.segment not in (*self._section.segments, EXIT):
            # It may have been one of an earlier model, or misspelt: not to be lost without a word.
            why = f"by hand: {by_hand.segment!r} is not a segment of the model"
            return Placed(placed.segment, placed.automatic, why)
        return override_placed(placed, by_hand, now_ms)

    def _record(
        self, state: CustomerState, facts: Mapping[str, Fact], worth: CustomerWorth, placed: Placed, account: str
    ) -> CustomerValue:
        action, service = care_of(self._section, placed.segment)
        by_hand = state.override
        return CustomerValue(
            account=account,
            at_ms=0,
            segment=placed.segment,
            automatic=placed.automatic,
            value=worth.value,
            value_max=self._section.value_max,
            coverage=worth.coverage,
            model=self._version,
            action=action,
            service=service,
            why=placed.why,
            name=_text(facts.get("name")),
            owner=_text(facts.get("owner")),
            since_ms=state.won_at or None,
            churned_at_ms=state.churned_at if state.has_churned else None,
            ratings=worth.ratings,
            aspects=worth.aspects,
            by_hand=[
                ManualRating(criterion, said.answer, said.by, said.time_ms)
                for criterion, said in sorted(state.said.items())
                if said.answer is not None
            ],
            manual=None
            if by_hand is None or not by_hand.segment
            else ManualSegment(by_hand.segment, by_hand.reason, by_hand.until_ms, by_hand.by, by_hand.time_ms),
            history=[SegmentSince(change.segment, change.at_ms, change.value) for change in state.history],
            facts={name: fact for name, fact in sorted(facts.items()) if name in self._asked},
        )


def _text(value: Fact | None) -> str:
    return "" if value is None or isinstance(value, list) else str(value)
