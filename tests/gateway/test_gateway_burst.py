"""A mail gateway follows every link of a message: as SendGrid tells it, to the lead that goes hot and is taken back."""

from __future__ import annotations

import pytest

from scoring.events import encode_event
from scoring.model import parse_model
from scoring.replay import FileRecord
from scoring.shard import Shard
from tests.gateway.conftest import NOW_MS
from tests.gateway.providers import PERSON, sendgrid_key, sendgrid_signs

NOW_S = NOW_MS // 1000
MODEL = parse_model(
    """
version: "1"
rules:
  click: {on: email_clicked, points: 60, half_life_days: 30, once_per: link}
bands:
  hot: {enter: 100, leave: 80, cooldown_h: 24}
""",
    "m.yaml",
)


def clicked(number: int, link: str, at_s: int) -> dict[str, object]:
    """Return a click as SendGrid records it: seconds are all that it tells of the time."""
    return {
        "email": "ann@acme.com",
        "event": "click",
        "sg_event_id": f"s{number}",
        "sg_message_id": "m1.filter-1",
        "timestamp": at_s,
        "url": f"https://example.com/{link}",
        "useragent": PERSON,
        "ip": "192.0.2.7",
    }


@pytest.mark.parametrize("spread_s", [0, 1])
def test_a_burst_is_taken_back_with_the_alert_that_rested_on_it(make_gateway, spread_s):
    key, public = sendgrid_key()
    gateway = make_gateway(sendgrid_key=public)
    first = [clicked(1, "a", NOW_S - 60), clicked(2, "b", NOW_S - 60)]
    second = [clicked(3, "c", NOW_S - 60 + spread_s), clicked(4, "d", NOW_S - 55), clicked(1, "a", NOW_S - 60)]
    for events in (first, second):
        request = sendgrid_signs(key, events, NOW_S)
        answer = gateway.request("POST", "/v1/webhooks/sendgrid", request.body, request.headers)
        assert answer.json()["accepted"] == len(events)
    assert {event.verdict for event in gateway.events} == {"human"}, "none of them shows by itself what it was"

    shard, alerts = Shard(MODEL, {}), []
    for offset, event in enumerate(gateway.events):
        outcome = shard.take([FileRecord(offset, NOW_MS, encode_event(event))])
        alerts += outcome.alerts
    assert [alert.kind for alert in alerts] == ["entered", "retracted"]
    assert alerts[1].alert_id == alerts[0].id
    assert (alerts[1].score, alerts[1].ledger, alerts[1].band) == (0, [], "cold")
