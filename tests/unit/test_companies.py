"""What companies are told, by whatever key and in whatever order, reaches the one account, and is answered."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from scoring.account_state import AccountState, decode_account, is_account
from scoring.alerts import Cause
from scoring.contacts import Contact
from scoring.lead_state import decode_state
from scoring.model import load_model
from scoring.models import DEFAULT_MODEL
from scoring.publishing import encode_score
from scoring.replay import FileRecord, Replay
from scoring.routed import Absorb, Forward, Link, Message, Reply, Tell, Told, decode_message, encode_message
from scoring.score_records import LeadScore
from scoring.shard import Outcome, Shard
from tests.benchmarks.realistic import company_updates, realistic_records
from tests.unit.builders import NOW, event, model_of, to_record

ANN, BOB, ACME = "email:ann@acme.com", "email:bob@acme.com", "domain:acme.com"
MODEL = model_of(
    {"view": {"on": "page_viewed", "points": 10, "half_life_days": 30}},
    accounts={"company_events": {"funding": 20}},
    signals={"group": {"kind": "distinct_contacts", "people": 2, "within_days": 14}},
)
CAUSE = Cause(id="u-1", type="account_updated", time_ms=NOW)


def update(update_id: str, update_type: str = "account_updated", **fields: Any) -> dict[str, Any]:
    return {"id": update_id, "type": update_type, "time": NOW, **fields}


def take(replay: Replay, *happened: dict[str, Any]) -> Outcome:
    outcome = Outcome()
    for each in happened:
        outcome.extend(replay.take([to_record(each)]))
    return outcome


def tell(shard: Shard, *messages: Message) -> Outcome:
    """Let a shard take messages as one chunk."""
    return shard.take_routed([FileRecord(number, NOW, encode_message(each)) for number, each in enumerate(messages)])


def told(lead: str, version: int, account: str, score: float = 10.0, **more: Any) -> Tell:
    return Tell(account, 0, Contact(lead, version, account, score, NOW), **more)


def people(outcome: Outcome, account: str = ACME) -> tuple[int, float]:
    record = json.loads(outcome.account_scores[account.encode()])
    return record.get("people", 0), record["score"]


def answers(outcome: Outcome) -> list[tuple[str, str]]:
    return [(each.to, each.account) for each in outcome.messages if isinstance(each, Reply)]


def test_news_by_an_id_reach_the_account_of_its_domain() -> None:
    replay = Replay(MODEL)
    done = take(
        replay,
        update("u-1", account_id="42", domain="acme.com", facts={"name": "Acme"}),
        update("u-2", account_id="42", facts={"employees": 7}),
        update("u-3", "funding", account_id="42"),
    )
    assert done.refusals == []
    (account,) = replay.accounts()
    assert (account.account, account.facts, account.score) == (ACME, {"name": "Acme", "employees": 7}, 20)


def test_news_that_come_with_the_link_in_one_chunk_are_not_lost() -> None:
    funding = json.dumps(update("u-2", "funding", account_id="42")).encode()
    done = tell(
        Shard(MODEL, {}), Forward("account:42", 1, NOW, funding, "updates", 0, 0), Link("account:42", 0, ACME, CAUSE)
    )
    (absorb,) = done.messages
    assert isinstance(absorb, Absorb)
    assert people(tell(Shard(MODEL, {}), absorb)) == (0, 20)


def test_what_is_told_under_two_keys_of_one_account_may_come_in_any_order() -> None:
    """Bob, who is not listed any more, moves from one id of the company to another; the old one's leave is late."""
    shard = Shard(MODEL, {}, contacts_max=1)
    before = (5.0, NOW)
    for account in ("account:1", "account:2"):
        tell(shard, Link(account, 0, ACME, CAUSE))
    tell(shard, told(ANN, 1, ACME), Tell(ACME, 0, Contact(BOB, 1, "account:1", 5.0, NOW)))
    moved = tell(shard, Tell(ACME, 0, Contact(BOB, 3, "account:2", 12.0, NOW)))
    assert people(moved)[0] >= 2
    left = tell(shard, Tell(ACME, 0, Contact(BOB, 2, "account:1"), is_gone=True, before=before))
    assert people(left) == (2, 22)


def test_a_lead_listed_under_two_keys_is_one_person_until_it_has_left_one() -> None:
    shard = Shard(MODEL, {})
    tell(shard, Tell(ACME, 0, Contact(BOB, 1, "account:1", 5.0, NOW)))
    moved = tell(shard, Tell(ACME, 0, Contact(BOB, 3, "account:2", 12.0, NOW)))
    assert people(moved) == (1, 12)
    assert moved.signals == []
    left = tell(shard, Tell(ACME, 0, Contact(BOB, 2, "account:1"), is_gone=True, before=(5.0, NOW)))
    assert people(left) == (1, 12)


def test_a_lead_is_answered_under_the_key_that_it_knows_last() -> None:
    moved = Tell(ACME, 0, Contact(BOB, 3, "account:2", 12.0, NOW))
    left = Tell(ACME, 0, Contact(BOB, 2, "account:1"), is_gone=True, before=(5.0, NOW))
    assert answers(tell(Shard(MODEL, {}), moved, left)) == [(BOB, "account:2")]
    late = Tell(ACME, 0, Contact(BOB, 1, "account:1", 5.0, NOW))
    assert answers(tell(Shard(MODEL, {}), moved, late)) == [(BOB, "account:2")]


def test_somebody_who_is_just_being_merged_is_not_a_second_person_for_signals() -> None:
    replay = Replay(MODEL)
    first = event("e-1", user_id="7", account_id="42")
    assert take(replay, first, event("e-2", user_id="7", account_id="42", email="ann@acme.com")).signals == []
    (given,) = take(replay, event("e-3", email="bob@acme.com", account_id="42")).signals
    assert {person.lead for person in given.people} == {ANN, BOB}
    assert given.summary == "2 people active within 14 days"


def test_the_same_event_of_a_company_counts_once_however_long_after() -> None:
    replay = Replay(MODEL)
    take(replay, update("u-1", "funding", domain="acme.com"))
    take(replay, *(update(f"v-{number}", domain="acme.com", facts={}) for number in range(70)))
    take(replay, update("u-1", "funding", domain="acme.com"))
    (account,) = replay.accounts()
    assert account.score == 20


def test_messages_survive_their_encoding() -> None:
    message = Tell(ACME, 1, Contact(ANN, 2, ACME, 10.0, NOW, same=b"12345678"), before=(1.0, NOW), facts=7)
    assert decode_message(encode_message(message)) == message


def known_of(shard: Shard, key: bytes) -> LeadScore | AccountState:
    """Return what is known under a key, but for what accounts repeat of their people only to be read."""
    value = shard.leads[key]
    if not is_account(key):
        return msgspec.json.decode(encode_score(shard.scorer.settle(decode_state(value), key.decode())), type=LeadScore)
    account = decode_account(value)
    account.contacts = [msgspec.structs.replace(contact, phase="", stage="") for contact in account.contacts]
    return account


def test_what_a_shard_tells_itself_need_not_be_encoded_and_what_nobody_reads_need_not_be_made() -> None:
    """What is known, alerts and messages are the same as where both are done."""
    model, events = load_model(DEFAULT_MODEL), list(realistic_records(2_000, 300))
    updates = [FileRecord(number, NOW, value) for number, (_, value) in enumerate(company_updates())]
    usual, brief = Shard(model, {}), Shard(model, {}, publishes=False)
    outcomes = []
    for shard in (usual, brief):
        outcome = shard.take_updates(updates)
        outcome.extend(shard.take(events))
        while outcome.messages:
            messages, outcome.messages = outcome.messages, []
            if shard is brief:
                outcome.extend(shard.take_told([Told(message, NOW) for message in messages]))
            else:
                outcome.extend(tell(shard, *messages))
        outcomes.append(outcome)
    expected, found = outcomes
    assert usual.leads.keys() == brief.leads.keys()
    assert all(known_of(usual, key) == known_of(brief, key) for key in usual.leads)
    assert (found.alerts, found.signals, found.merged) == (expected.alerts, expected.signals, expected.merged)
    assert all([expected.alerts, expected.scores, expected.snapshots, expected.account_scores])
    assert not any([found.scores, found.snapshots, found.account_scores, found.customer_values])
