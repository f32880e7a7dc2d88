"""What each of Segment's calls becomes."""

from __future__ import annotations

import pytest

NOW_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z, the gateway's clock


def sent(gateway, call, **message):
    """Send one message, hold it to be accepted, and return the event that came of it."""
    answer = gateway.post(f"/v1/{call}", {"messageId": "m-1", "userId": "42", **message})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"success": True}
    (event,) = gateway.events
    gateway.events.clear()
    return event


def refused(gateway, call, **message):
    answer = gateway.post(f"/v1/{call}", {"messageId": "m-1", "userId": "42", **message})
    assert answer.status_code == 400, answer.text
    assert gateway.events == []
    assert gateway.letters == []
    return answer.json()["error"]


def test_a_track_of_a_known_name_becomes_the_event_of_that_type(gateway):
    event = sent(gateway, "track", event="File Downloaded", properties={"file": "guide.pdf"})
    assert event.type == "file_downloaded"
    assert event.properties == {"file": "guide.pdf"}
    assert (event.id, event.user_id, event.source, event.time) == ("m-1", "42", "local", NOW_MS)


@pytest.mark.parametrize(
    ("name", "type_"),
    [
        ("Email Opened", "email_opened"),
        ("Email Delivered", "email_delivered"),
        ("Email Bounced", "email_bounced"),
        ("Email Link Clicked", "email_clicked"),
        ("email_link_clicked", "email_clicked"),
        ("Email Marked as Spam", "email_complained"),
        ("Unsubscribed", "email_unsubscribed"),
        ("Form Submitted", "form_submitted"),
        ("formSubmitted", "form_submitted"),
        ("Signed Up", "signed_up"),
        ("Webinar Attended", "webinar_attended"),
        ("Video Playback Completed", "video_watched"),
        ("Page Viewed", "page_viewed"),
    ],
)
def test_names_of_segments_specs_are_understood(gateway, name, type_):
    assert sent(gateway, "track", event=name).type == type_


@pytest.mark.parametrize("name", ["Trial Started", "Identified", "grouped", "Aliased", "tracked", "Démo demandée", "!"])
def test_any_other_name_is_tracked_under_its_own_name(gateway, name):
    event = sent(gateway, "track", event=name, properties={"seats": 3, "name": "of something else"})
    assert event.type == "tracked"
    assert event.properties == {"seats": 3, "name": name}


def test_a_requested_demo_is_the_demo_form_unless_it_says_which_form_it_was(gateway):
    assert sent(gateway, "track", event="Demo Requested").properties == {"form": "demo"}
    assert sent(gateway, "track", event="Demo Requested", properties={"form": "eu"}).properties == {"form": "eu"}


@pytest.mark.parametrize(
    ("properties", "page", "path"),
    [
        ({"path": "/a", "url": "https://example.com/b"}, {"path": "/c"}, "/a"),
        ({"url": "https://example.com/b?x=1#y"}, {"path": "/c"}, "/b"),
        ({"url": "https://example.com"}, {}, "/"),
        ({}, {"path": "/c", "url": "https://example.com/d"}, "/c"),
        ({}, {"url": "https://example.com/d"}, "/d"),
        ({"path": 7, "url": "http://[::1"}, {"path": "/c"}, "/c"),
        ({"url": "http://[::1"}, {}, None),
        ({}, {}, None),
    ],
)
def test_a_pages_path_is_taken_from_where_sdks_put_it(gateway, properties, page, path):
    event = sent(gateway, "page", properties=properties, context={"page": page})
    assert event.type == "page_viewed"
    assert event.properties.get("path") == path


def test_a_page_brings_its_name_title_referrer_and_url(gateway):
    page = {"title": "Prices", "referrer": "https://search.example", "url": "https://example.com/pricing"}
    event = sent(gateway, "page", name="Pricing", category="Docs", context={"page": page})
    assert event.properties == {"name": "Pricing", "category": "Docs", "path": "/pricing", **page}


def test_what_a_page_says_of_itself_wins_over_its_context(gateway):
    page = {"title": "of the context", "referrer": "r"}
    event = sent(gateway, "page", name="n", properties={"title": "own", "name": "own"}, context={"page": page})
    assert event.properties == {"name": "own", "title": "own", "referrer": "r"}


def test_a_screen_is_a_screen_view(gateway):
    event = sent(gateway, "screen", name="Invoices")
    assert (event.type, event.properties) == ("screen_viewed", {"name": "Invoices"})


def test_an_identify_carries_traits_and_both_identities(gateway):
    event = sent(gateway, "identify", anonymousId="a-1", traits={"email": "Ann@Example.com", "title": "CTO"})
    assert event.type == "identified"
    assert event.traits == {"email": "Ann@Example.com", "title": "CTO"}
    assert (event.email, event.user_id, event.anonymous_id) == ("Ann@Example.com", "42", "a-1")
    assert event.lead_id == "email:ann@example.com"


def test_a_group_names_the_account_and_describes_the_company_not_the_person(gateway):
    event = sent(gateway, "group", groupId="acme", traits={"name": "Acme", "email": "office@acme.example"})
    assert (event.type, event.account_id) == ("grouped", "acme")
    assert event.properties == {"name": "Acme", "email": "office@acme.example"}
    assert event.traits == {}
    assert event.email is None


def test_an_alias_binds_the_previous_id_to_the_user(gateway):
    event = sent(gateway, "alias", previousId="a-1", anonymousId="a-9")
    assert (event.type, event.anonymous_id, event.user_id) == ("aliased", "a-1", "42")


def test_the_context_keeps_where_a_visit_came_from_and_no_personal_data(gateway):
    context = {
        "ip": "192.0.2.1",
        "userAgent": "Mozilla/5.0",
        "device": {"id": "d"},
        "traits": {"email": "ann@example.com"},
        "campaign": {"source": "ads"},
        "referrer": {"type": "search"},
        "page": {"path": "/a"},
        "groupId": "acme",
    }
    event = sent(gateway, "track", event="Signed Up", context=context)
    assert event.context == {name: context[name] for name in ("campaign", "referrer", "page", "groupId")}
    assert event.account_id == "acme"
    assert event.email == "ann@example.com"


@pytest.mark.parametrize(
    ("message", "lead_id"),
    [
        ({"userId": "42"}, "user:42"),
        ({"userId": 42}, "user:42"),
        ({"userId": None, "anonymousId": "a-1"}, "anon:a-1"),
        ({"userId": "", "anonymousId": "a-1"}, "anon:a-1"),
        ({"userId": "Ann@Example.com"}, "email:ann@example.com"),
        ({"userId": "ann@work"}, "user:ann@work"),
        ({"traits": {"email": ""}}, "user:42"),
        ({"traits": {"email": None}, "context": {"traits": {"email": "b@example.com"}}}, "email:b@example.com"),
        (
            {"traits": {"email": "a@example.com"}, "context": {"traits": {"email": "b@example.com"}}},
            "email:a@example.com",
        ),
        ({"userId": None, "anonymousId": None, "traits": {"email": "a@example.com"}}, "email:a@example.com"),
        ({"context": {"traits": "not an object"}}, "user:42"),
    ],
)
def test_the_strongest_identity_decides_whose_event_it_is(gateway, message, lead_id):
    assert sent(gateway, "identify", **message).lead_id == lead_id


def test_a_user_id_that_is_an_address_stays_the_user_id_too(gateway):
    event = sent(gateway, "track", event="Signed Up", userId="ann@example.com")
    assert (event.email, event.user_id) == ("ann@example.com", "ann@example.com")


@pytest.mark.parametrize(
    ("times", "expected_ms"),
    [
        ({}, NOW_MS),
        ({"timestamp": "2026-01-01T11:00:00Z"}, NOW_MS - 3_600_000),
        ({"timestamp": "2026-01-01T12:00:00+01:00"}, NOW_MS - 3_600_000),
        ({"timestamp": NOW_MS - 5}, NOW_MS - 5),
        ({"timestamp": None, "originalTimestamp": "2026-01-01T11:59:00Z"}, NOW_MS - 60_000),
        # A sender whose clock is a day ahead: it happened 7 s before it was sent.
        ({"timestamp": "2026-01-02T12:00:00Z", "sentAt": "2026-01-02T12:00:07Z"}, NOW_MS - 7_000),
        ({"originalTimestamp": "2026-01-02T12:00:00Z", "sentAt": "2026-01-02T12:00:07Z"}, NOW_MS - 7_000),
        # Said to have happened after it was sent: not after it was received, in any case.
        ({"timestamp": "2026-01-01T12:00:09Z", "sentAt": "2026-01-01T12:00:00Z"}, NOW_MS),
        # Passed on by Segment, which has corrected the time already.
        (
            {
                "timestamp": "2026-01-01T11:00:00Z",
                "originalTimestamp": "2026-01-02T11:00:00Z",
                "sentAt": "2026-01-02T11:00:01Z",
            },
            NOW_MS - 3_600_000,
        ),
        ({"timestamp": "2026-01-01T11:00:00Z", "sentAt": "yesterday"}, NOW_MS - 3_600_000),
        ({"sentAt": "2026-01-02T12:00:07Z"}, NOW_MS),
    ],
)
def test_times_are_corrected_for_the_senders_clock(gateway, times, expected_ms):
    assert sent(gateway, "track", event="Signed Up", **times).time == expected_ms


def test_without_a_message_id_the_same_bytes_have_the_same_id(gateway):
    first, again, other = b'{"userId":"42","event":"A"}', b'{"userId":"42","event":"A"}', b'{"userId":"42","event":"B"}'
    for body in (first, again, other):
        assert gateway.post("/v1/track", body).status_code == 200
    ids = [event.id for event in gateway.events]
    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("call", "message", "field", "reason"),
    [
        ("track", {}, "event", "missing_field"),
        ("track", {"event": ""}, "event", "missing_field"),
        ("track", {"event": 7}, "event", "wrong_type"),
        ("track", {"event": "A", "properties": "text"}, "properties", "wrong_type"),
        ("track", {"event": "A", "userId": None}, "userId", "missing_field"),
        ("track", {"event": "A", "userId": ["42"]}, "userId", "wrong_type"),
        ("track", {"event": "A", "userId": "4" * 300}, "userId", "bad_identity"),
        ("track", {"event": "A", "messageId": "m" * 300}, "messageId", "wrong_type"),
        ("track", {"event": "A", "timestamp": "yesterday"}, "timestamp", "bad_time"),
        ("track", {"event": "A", "timestamp": "2026-01-01T12:00:00"}, "timestamp", "bad_time"),
        ("track", {"event": "A", "timestamp": NOW_MS // 1000}, "timestamp", "bad_time"),
        ("track", {"event": "A", "timestamp": NOW_MS + 300_001}, "timestamp", "future_time"),
        ("track", {"event": "A", "timestamp": int("9" * 400)}, "timestamp", "future_time"),
        ("track", {"event": "A", "originalTimestamp": "?"}, "originalTimestamp", "bad_time"),
        ("identify", {"traits": {"email": "nobody"}}, "traits.email", "bad_identity"),
        ("identify", {"traits": {"email": 7}}, "traits.email", "wrong_type"),
        ("identify", {"traits": []}, "traits", "wrong_type"),
        ("group", {}, "groupId", "missing_field"),
        ("alias", {}, "previousId", "missing_field"),
        ("alias", {"previousId": "a-1", "userId": None}, "userId", "missing_field"),
    ],
)
def test_a_bad_message_is_refused_with_the_field_at_fault(gateway, call, message, field, reason):
    error = refused(gateway, call, **message)
    assert (error["field"], error["reason"]) == (field, reason)
    assert len(error["message"]) < 300
