"""The accounts of a chunk: what is told under an id reaches the domain that the id turned out to be."""

from __future__ import annotations

import json

from scoring.model import parse_model
from scoring.replay import FileRecord, Replay
from tests.unit.builders import NOW

MODEL = """
version: v1
rules: {view: {on: page_viewed, points: 1, half_life_days: 14}}
bands: {warm: {enter: 30, leave: 20}}
accounts: {half_life_days: 30, company_events: {funding: 20}}
"""


def test_what_is_told_under_an_id_counts_for_the_domain_that_the_id_is() -> None:
    replay = Replay(parse_model(MODEL, "m.yaml"))
    updates = [
        {"id": "u-1", "type": "account_updated", "account_id": "42", "domain": "acme.com", "facts": {"name": "Acme"}},
        {"id": "u-2", "type": "funding", "account_id": "42"},
    ]
    for number, update in enumerate(updates):
        outcome = replay.take([FileRecord(number, NOW, json.dumps(update | {"time": NOW}).encode())])
        assert outcome.refusals == []
    assert [(account.account, account.name, account.score) for account in replay.accounts()] == [
        ("domain:acme.com", "Acme", 20.0)
    ]
