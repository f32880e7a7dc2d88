"""Segment's routes: every name of each, and batches with bad items."""

from __future__ import annotations

import gzip
import json
import random

import pytest

from streams.dead_letters import original_value

NOW_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z, the gateway's clock

TYPES = {
    "track": "signed_up",
    "page": "page_viewed",
    "screen": "screen_viewed",
    "identify": "identified",
    "group": "grouped",
    "alias": "aliased",
}
MESSAGE = {"messageId": "m-1", "userId": "42", "event": "Signed Up", "groupId": "acme", "previousId": "a-1"}


@pytest.mark.parametrize("call", TYPES)
@pytest.mark.parametrize("path", ["/v1/{call}", "/v1/{initial}", "/{call}", "/{initial}"])
def test_every_call_has_its_full_short_and_bare_route(gateway, call, path):
    answer = gateway.post(path.format(call=call, initial=call[0]), MESSAGE)
    assert answer.status_code == 200
    assert [event.type for event in gateway.events] == [TYPES[call]]


@pytest.mark.parametrize("path", ["/v1/batch", "/v1/b", "/v1/import", "/batch", "/b", "/import"])
def test_a_batch_may_hold_every_call_and_keeps_their_order(gateway, path):
    batch = [{**MESSAGE, "type": call, "messageId": call} for call in TYPES]
    answer = gateway.post(path, {"batch": batch})
    assert answer.status_code == 200
    assert answer.json() == {"success": True, "accepted": 6, "refused": []}
    assert [(event.id, event.type) for event in gateway.events] == list(TYPES.items())


def test_one_bad_item_becomes_a_dead_letter_and_the_rest_is_taken(gateway):
    good = {**MESSAGE, "type": "track"}
    bad = b'{"type":"track","event":"Signed Up","messageId":"m-2"}'
    body = b'{"batch":[' + json.dumps(good).encode() + b"," + bad + b"," + json.dumps(good).encode() + b"]}"

    answer = gateway.post("/v1/batch", body)

    message = "one of userId, anonymousId and traits.email is required"
    assert answer.status_code == 200
    assert answer.json() == {
        "success": True,
        "accepted": 2,
        "refused": [{"index": 1, "field": "userId", "reason": "missing_field", "message": message}],
    }
    assert len(gateway.events) == 2
    (letter,) = gateway.letters
    assert original_value(letter) == bad
    assert (letter.reason, letter.field, letter.message) == ("missing_field", "userId", message)
    assert (letter.topic, letter.partition, letter.offset, letter.at) == ("http:/v1/batch", -1, -1, NOW_MS)


@pytest.mark.parametrize(
    ("item", "field", "reason"),
    [
        (b"7", "", "wrong_type"),
        (b"null", "", "wrong_type"),
        (b'{"userId":"42"}', "type", "missing_field"),
        (b'{"userId":"42","type":"teleport"}', "type", "unknown_type"),
        (b'{"userId":"42","type":"track","event":1}', "event", "wrong_type"),
        (b'{"userId":"42","type":"page","properties":{"x":1e999}}', "properties[...]", "wrong_type"),
        (b'{"userId":"4\xff2","type":"page"}', "", "malformed"),
        (b'{"userId":"42","type":"page","properties":{"x":"' + b"x" * 33_000 + b'"}}', "", "too_large"),
        (b'{"userId":"42","type":"page","properties":{"x":' + b"[" * 150 + b"]" * 150 + b"}}", "", "too_large"),
    ],
)
def test_whatever_is_wrong_with_an_item_it_spoils_no_other(gateway, item, field, reason):
    answer = gateway.post("/v1/batch", b'{"batch":[{"type":"page","userId":"1"},' + item + b"]}")
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    (fault,) = answer.json()["refused"]
    assert (fault["index"], fault["field"], fault["reason"]) == (1, field, reason)
    assert [original_value(letter) for letter in gateway.letters] == [item]


def test_a_retried_bad_item_has_the_same_dead_letter_id(gateway):
    body = {"batch": [{"type": "teleport"}, {"type": "track"}]}
    gateway.post("/v1/batch", body)
    gateway.post("/v1/batch", body)
    first, second, first_again, second_again = (letter.id for letter in gateway.letters)
    assert (first, second) == (first_again, second_again)
    assert first != second


def test_a_batchs_time_of_sending_corrects_its_items(gateway):
    item = {**MESSAGE, "type": "track", "timestamp": "2026-01-02T12:00:00Z"}
    gateway.post("/v1/batch", {"batch": [item], "sentAt": "2026-01-02T12:00:07Z"})
    gateway.post("/v1/batch", {"batch": [{**item, "sentAt": "2026-01-02T12:00:08Z"}]})
    assert [event.time for event in gateway.events] == [NOW_MS - 7_000, NOW_MS - 8_000]


def test_an_unreadable_time_of_sending_corrects_nothing(gateway):
    item = {**MESSAGE, "type": "track", "timestamp": "2026-01-01T11:59:59Z"}
    for sent_at in ("yesterday", {}, None, 1.5):
        assert gateway.post("/v1/batch", {"batch": [item], "sentAt": sent_at}).status_code == 200
    assert {event.time for event in gateway.events} == {NOW_MS - 1000}


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b"", "", "malformed"),
        (b"not json", "", "malformed"),
        (b'{"batch":[', "", "malformed"),
        (b'{"batch":[{"a":NaN}]}', "", "malformed"),
        (b'{"batch":[' + b"[" * 50_000 + b"]" * 50_000 + b"]}", "", "malformed"),
        (b"[]", "batch", "wrong_type"),
        (b"{}", "batch", "missing_field"),
        (b'{"batch":null}', "batch", "wrong_type"),
        (b'{"batch":{}}', "batch", "wrong_type"),
    ],
)
def test_a_body_that_is_no_batch_is_refused_as_a_whole(gateway, body, field, reason):
    answer = gateway.post("/v1/batch", body)
    assert answer.status_code == 400
    assert (answer.json()["error"]["field"], answer.json()["error"]["reason"]) == (field, reason)
    assert gateway.events == []
    assert gateway.letters == []


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b"7", b'{"event":NaN}', b'"\xff"', b"[" * 30_000, b'{"a":' * 3000])
def test_a_single_call_that_is_no_object_is_a_400(gateway, body):
    answer = gateway.post("/v1/track", body)
    assert answer.status_code == 400
    assert answer.json()["error"]["reason"] in ("malformed", "wrong_type")


def test_an_empty_batch_is_fine(gateway):
    assert gateway.post("/v1/batch", {"batch": []}).json() == {"success": True, "accepted": 0, "refused": []}


def test_unknown_fields_are_ignored_everywhere(gateway):
    item = {**MESSAGE, "type": "track", "integrations": {"All": True}, "_metadata": {"x": 1}}
    assert gateway.post("/v1/batch", {"batch": [item], "integrations": {}, "x": 1}).json()["accepted"] == 1


def test_the_content_type_does_not_matter_since_browsers_send_text(gateway):
    for content_type in ("text/plain", "application/json; charset=utf-8", "image/png"):
        assert gateway.post("/v1/track", MESSAGE, Content_Type=content_type).status_code == 200
    assert len(gateway.events) == 3


def test_nothing_that_was_accepted_is_lost_and_nothing_else_is_written(gateway):
    dice = random.Random(7)
    accepted, refused = [], 0
    for number in range(60):
        size = dice.randrange(40)
        batch = [{"type": "page", "userId": "7", "messageId": f"{number}-{place}"} for place in range(size)]
        for item in batch:
            if dice.random() < 0.1:
                item["type"] = "teleport"
        gateway.producer.why = "the broker is away" if dice.random() < 0.3 else None
        body = gzip.compress(json.dumps({"batch": batch}).encode())
        answer = gateway.post("/v1/batch", body, Content_Encoding="gzip")
        if answer.status_code == 200:
            accepted += [item["messageId"] for item in batch if item["type"] == "page"]
            refused += len(answer.json()["refused"])
        else:
            assert answer.status_code == 503
    assert [event.id for event in gateway.events] == accepted
    assert len(gateway.letters) == refused > 0
