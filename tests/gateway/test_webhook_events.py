"""What each provider's events become: one vocabulary, with verdicts, and without addresses and user agents."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from streams.gateway.webhooks.mail import to_event
from streams.gateway.webhooks.mailgun import Mailgun
from streams.gateway.webhooks.postmark import Postmark
from streams.gateway.webhooks.sendgrid import SendGrid
from streams.gateway.webhooks.ses import AmazonSes
from streams.gateway.webhooks.standard_webhooks import StandardWebhooks
from streams.gateway.webhooks.tokens import LocalTokens
from tests.gateway.providers import PERSON, TOPIC, sendgrid_key, sendgrid_signs

NOW_S = 1_767_268_800
AT = "2026-01-01T11:59:00Z"
APPLE = "Mozilla/5.0"
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"

SENDGRID = SendGrid([sendgrid_key()[1]], 300)
MAILGUN = Mailgun(["key"], 300, LocalTokens())
POSTMARK = Postmark(["a:b"])
SES = AmazonSes([TOPIC], 300, lambda address: None)
RESEND = StandardWebhooks(["whsec_c2VjcmV0"], 300)


def events(provider, item):
    found = [to_event(mail, provider.name, NOW_S * 1000) for mail in provider.mails(item)]
    for event in found:
        assert "192.0.2" not in repr(event)
        assert "203.0.113" not in repr(event)
        assert "Windows NT" not in repr(event)
    return found


def sendgrid(event, **fields):
    return events(SENDGRID, {"email": "ann@example.com", "timestamp": NOW_S - 60, "event": event, **fields})


def mailgun(event, **fields):
    told = {"event": event, "timestamp": NOW_S - 60.25, "recipient": "ann@example.com", "id": "e1", **fields}
    return events(MAILGUN, {"event-data": told})


def postmark(record, **fields):
    return events(POSTMARK, {"RecordType": record, "MessageID": "m1", **fields})


def ses(event, destination=("ann@example.com",), tags=None, **told):
    mail = {"timestamp": AT, "messageId": "m1", "destination": list(destination), "tags": tags or {}}
    return events(SES, {"eventType": event, "mail": mail, event.lower(): told})


def resend(event, to=("ann@example.com",), **data):
    return events(RESEND, {"type": event, "created_at": AT, "data": {"to": list(to), "email_id": "m1", **data}})


def only(found):
    (event,) = found
    return event


# ── the vocabulary ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("found", "type_"),
    [
        (sendgrid("processed"), "email_sent"),
        (sendgrid("delivered"), "email_delivered"),
        (sendgrid("open"), "email_opened"),
        (sendgrid("click"), "email_clicked"),
        (sendgrid("bounce"), "email_bounced"),
        (sendgrid("spamreport"), "email_complained"),
        (sendgrid("unsubscribe"), "email_unsubscribed"),
        (sendgrid("group_unsubscribe"), "email_unsubscribed"),
        (mailgun("accepted"), "email_sent"),
        (mailgun("delivered"), "email_delivered"),
        (mailgun("opened"), "email_opened"),
        (mailgun("clicked"), "email_clicked"),
        (mailgun("failed"), "email_bounced"),
        (mailgun("complained"), "email_complained"),
        (mailgun("unsubscribed"), "email_unsubscribed"),
        (postmark("Delivery", Recipient="ann@example.com", DeliveredAt=AT), "email_delivered"),
        (postmark("Open", Recipient="ann@example.com", ReceivedAt=AT), "email_opened"),
        (postmark("Click", Recipient="ann@example.com", ReceivedAt=AT), "email_clicked"),
        (postmark("Bounce", Email="ann@example.com", BouncedAt=AT, Type="HardBounce"), "email_bounced"),
        (postmark("SpamComplaint", Email="ann@example.com", BouncedAt=AT), "email_complained"),
        (
            postmark("SubscriptionChange", Recipient="ann@example.com", ChangedAt=AT, SuppressSending=True),
            "email_unsubscribed",
        ),
        (
            events(POSTMARK, {"FromFull": {"Email": "ann@example.com"}, "Date": "Thu, 1 Jan 2026 12:59:00 +0100"}),
            "email_replied",
        ),
        (ses("Send"), "email_sent"),
        (ses("Delivery", recipients=["ann@example.com"]), "email_delivered"),
        (ses("Open"), "email_opened"),
        (ses("Click"), "email_clicked"),
        (ses("Bounce", bouncedRecipients=[{"emailAddress": "ann@example.com"}]), "email_bounced"),
        (ses("Complaint", complainedRecipients=[{"emailAddress": "ann@example.com"}]), "email_complained"),
        (ses("Subscription", newTopicPreferences={"unsubscribeAll": True}), "email_unsubscribed"),
        (resend("email.sent"), "email_sent"),
        (resend("email.delivered"), "email_delivered"),
        (resend("email.opened"), "email_opened"),
        (resend("email.clicked"), "email_clicked"),
        (resend("email.bounced"), "email_bounced"),
        (resend("email.complained"), "email_complained"),
        (resend("email.received", **{"from": "Ann <ann@example.com>"}), "email_replied"),
    ],
)
def test_all_providers_share_one_vocabulary(found, type_):
    event = only(found)
    assert (event.type, event.email) == (type_, "ann@example.com")
    assert event.time // 1000 in (NOW_S - 60, NOW_S - 61)


@pytest.mark.parametrize(
    "found",
    [
        sendgrid("deferred"),
        sendgrid("dropped"),
        sendgrid("group_resubscribe"),
        mailgun("stored"),
        postmark("Unheard"),
        postmark("SubscriptionChange", Recipient="a@b.co", ChangedAt=AT, SuppressSending=False),
        postmark(
            "SubscriptionChange",
            Recipient="a@b.co",
            ChangedAt=AT,
            SuppressSending=True,
            SuppressionReason="HardBounce",
        ),
        ses("Rendering Failure"),
        ses("Subscription", newTopicPreferences={"unsubscribeAll": False}),
        resend("contact.created"),
        resend("email.delivery_delayed"),
    ],
)
def test_what_says_nothing_of_a_person_is_ignored(found):
    assert found == []


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (sendgrid("bounce", type="bounce"), "hard"),
        (sendgrid("bounce", type="blocked"), "soft"),
        (mailgun("failed", severity="permanent"), "hard"),
        (mailgun("failed", severity="temporary"), "soft"),
        (postmark("Bounce", Email="a@b.co", BouncedAt=AT, Type="HardBounce"), "hard"),
        (postmark("Bounce", Email="a@b.co", BouncedAt=AT, Type="SoftBounce"), "soft"),
        (ses("Bounce", bounceType="Permanent", bouncedRecipients=[{"emailAddress": "a@b.co"}]), "hard"),
        (ses("Bounce", bounceType="Transient", bouncedRecipients=[{"emailAddress": "a@b.co"}]), "soft"),
        (resend("email.bounced", bounce={"type": "Permanent"}), "hard"),
        (resend("email.bounced", bounce={"type": "Transient"}), "soft"),
    ],
)
def test_bounces_are_hard_or_soft(found, kind):
    assert only(found).properties["kind"] == kind


LINK = "https://example.com/pricing"


@pytest.mark.parametrize(
    "found",
    [
        sendgrid("click", url=LINK, sg_message_id="m1.recvd-abc", useragent=PERSON, ip="192.0.2.7"),
        mailgun(
            "clicked",
            url=LINK,
            ip="192.0.2.7",
            message={"headers": {"message-id": "m1"}},
            **{"client-info": {"user-agent": PERSON}},
        ),
        postmark(
            "Click",
            Recipient="a@b.co",
            ReceivedAt=AT,
            OriginalLink=LINK,
            UserAgent=PERSON,
            Geo={"IP": "192.0.2.7"},
        ),
        ses("Click", link=LINK, ipAddress="192.0.2.7", userAgent=PERSON),
        resend("email.clicked", click={"link": LINK, "ipAddress": "192.0.2.7", "userAgent": PERSON}),
    ],
)
def test_a_click_tells_message_and_link_and_was_a_persons(found):
    event = only(found)
    assert (event.properties["message"], event.properties["link"]) == ("m1", LINK)
    assert (event.verdict, event.seen_from) == ("human", "28ef-windows")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (sendgrid("open", useragent=APPLE), "apple_privacy"),
        (sendgrid("open", useragent=PERSON, sg_machine_open=True), "flagged_by_provider"),
        (mailgun("opened", **{"client-info": {"user-agent": PERSON, "bot": "apple"}}), "flagged_by_provider"),
        (postmark("Open", Recipient="a@b.co", ReceivedAt=AT, UserAgent=APPLE), "apple_privacy"),
        (ses("Open", userAgent=APPLE), "apple_privacy"),
        (sendgrid("click", useragent="Barracuda Sentinel (EE)"), "known_bot"),
        (sendgrid("click", useragent=PERSON, ip="40.94.31.7"), "microsoft_network"),
        (sendgrid("click", useragent=PERSON, url="https://example.com/?leadheat-honeypot"), "honeypot"),
        (sendgrid("click", useragent=""), "no_user_agent"),
    ],
)
def test_what_a_machine_did_says_so(found, reason):
    event = only(found)
    assert (event.verdict, event.reasons) == ("machine", [reason])
    assert event.properties.get("human", False) is False


@pytest.mark.parametrize(
    "found",
    [
        sendgrid("open", useragent=PERSON, consent="true"),
        mailgun("opened", **{"client-info": {"user-agent": PERSON}, "user-variables": {"consent": "yes"}}),
        postmark("Open", Recipient="a@b.co", ReceivedAt=AT, UserAgent=PERSON, Metadata={"consent": "1"}),
        ses("Open", userAgent=PERSON, tags={"consent": ["true"]}),
        sendgrid("open", useragent=GMAIL, consent=True),
    ],
)
def test_an_open_of_a_person_who_agreed_says_both(found):
    properties = only(found).properties
    assert (properties["consent"], properties["human"]) == (True, True)


def test_microsofts_networks_void_no_opens():
    assert only(sendgrid("open", useragent=PERSON, ip="40.94.31.7")).verdict == "human"


def test_what_reached_several_people_is_told_of_each_but_a_click_of_nobody():
    both = ("ann@example.com", "bob@example.com")
    assert [event.email for event in resend("email.delivered", both)] == list(both)
    assert [event.email for event in ses("Send", both)] == list(both)
    assert len({event.id for event in ses("Send", both)}) == 2
    for found in (lambda: resend("email.clicked", both), lambda: ses("Open", both)):
        with pytest.raises(Exception, match="nobody knows who it was"):
            found()


# ── through the gateway ──────────────────────────────────────────────────────────────────────────────────────


def test_bad_items_are_dead_letters_and_the_good_ones_are_taken(make_gateway):
    key, public = sendgrid_key()
    gateway = make_gateway(sendgrid_key=public)
    good = {"email": "ann@example.com", "timestamp": NOW_S - 60, "event": "open", "sg_event_id": "s1"}
    items = [
        good,
        7,
        {**good, "email": None},
        {**good, "email": "nobody"},
        {**good, "timestamp": "soon"},
        {**good, "timestamp": 1e300},
        {**good, "timestamp": NOW_S + 999},
        {**good, "event": "deferred"},
        {**good, "sg_event_id": 7},
        {**good, "sg_event_id": "s2", "url": "x" * 5000},
    ]
    request = sendgrid_signs(key, items, NOW_S)
    answer = gateway.request("POST", "/v1/webhooks/sendgrid", request.body, request.headers)
    assert answer.status_code == 200
    told = answer.json()
    assert (told["accepted"], told["ignored"], len(told["refused"])) == (2, 1, 7)
    assert [fault["index"] for fault in told["refused"]] == [1, 2, 3, 4, 5, 6, 8]
    assert [event.id for event in gateway.events] == ["sendgrid-s1", "sendgrid-s2"]
    assert len(gateway.letters) == 7
    assert {letter.topic for letter in gateway.letters} == {"http:/v1/webhooks/sendgrid"}


def test_a_batch_of_768_kb_is_taken(make_gateway):
    key, public = sendgrid_key()
    gateway = make_gateway(sendgrid_key=public)
    event = {"email": "ann@example.com", "timestamp": NOW_S - 60, "event": "open", "useragent": PERSON}
    items = [{**event, "sg_event_id": f"s{number}"} for number in range(4000)]
    request = sendgrid_signs(key, items, NOW_S)
    assert 768_000 < len(request.body) < 1_048_576
    answer = gateway.request("POST", "/v1/webhooks/sendgrid", request.body, request.headers)
    assert answer.json()["accepted"] == 4000


def test_while_kafka_is_away_a_provider_is_asked_to_try_again(make_gateway):
    key, public = sendgrid_key()
    gateway = make_gateway(sendgrid_key=public)
    gateway.producer.why = "Kafka is away"
    request = sendgrid_signs(key, [], NOW_S)
    assert gateway.request("POST", "/v1/webhooks/sendgrid", request.body, request.headers).status_code == 200
    event = {"email": "ann@example.com", "timestamp": NOW_S - 60, "event": "open"}
    request = sendgrid_signs(key, [event], NOW_S)
    answer = gateway.request("POST", "/v1/webhooks/sendgrid", request.body, request.headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_metrics_name_the_provider_and_no_person(make_gateway):
    key, public = sendgrid_key()
    gateway = make_gateway(sendgrid_key=public)
    event = {"email": "ann@example.com", "timestamp": NOW_S - 60, "event": "open"}
    request = sendgrid_signs(key, [event], NOW_S)
    gateway.request("POST", "/v1/webhooks/sendgrid", request.body, request.headers)
    text = gateway.get("/metrics").text
    assert 'outcome="accepted",route="/v1/webhooks/sendgrid",source="sendgrid"' in text
    assert "ann@" not in text


@pytest.mark.parametrize("body", [b"", b"{}", b"[", b"null", b"\xff", json.dumps([[]]).encode()])
def test_a_signed_body_that_is_no_array_of_events_is_answered(make_gateway, body):
    key, public = sendgrid_key()
    gateway = make_gateway(sendgrid_key=public)
    signed = sendgrid_signs(key, [], NOW_S)
    signature = key.sign(str(NOW_S).encode() + body, ec.ECDSA(hashes.SHA256()))
    headers = signed.headers | {"X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode()}
    answer = gateway.request("POST", "/v1/webhooks/sendgrid", body, headers)
    assert answer.status_code in (200, 400)
    assert gateway.events == []
