"""What a provider has signed lately is taken; what is tampered with, stale, or somebody else's is a 401."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from scoring.errors import SettingsError
from streams.gateway.webhooks.mailgun import TRIES_S
from tests.gateway.providers import (
    CERTIFICATE,
    PERSON,
    TOPIC,
    Request,
    mailgun_signs,
    postmark_sends,
    resend_signs,
    sendgrid_key,
    sendgrid_signs,
    sns_certificate,
    sns_signs,
)

NOW_S = 1_767_268_800
SENDGRID, SENDGRID_PUBLIC = sendgrid_key()
MAILGUN = "3kh9umujora5"
POSTMARK = "postmark:pass:word"
RESEND = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SNS, SNS_CERTIFICATE = sns_certificate()


def iso(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def click(provider: str, at_s: int) -> Request:
    """Let a provider tell of one click, signed at a time."""
    match provider:
        case "sendgrid":
            event = {"email": "ann@example.com", "timestamp": NOW_S - 60, "event": "click", "sg_event_id": "x1"}
            return sendgrid_signs(SENDGRID, [event | {"useragent": PERSON, "url": "https://example.com"}], at_s)
        case "mailgun":
            event = {"event": "clicked", "timestamp": NOW_S - 60.5, "recipient": "ann@example.com", "id": "x1"}
            return mailgun_signs(MAILGUN, event, at_s)
        case "postmark":
            record = {"RecordType": "Click", "Recipient": "ann@example.com", "ReceivedAt": iso(NOW_S - 60)}
            return postmark_sends(POSTMARK, record)
        case "resend":
            data = {"to": ["ann@example.com"], "email_id": "m1", "click": {"link": "https://example.com"}}
            return resend_signs(RESEND, {"type": "email.clicked", "created_at": iso(NOW_S - 60), "data": data}, at_s)
        case _:
            mail = {"timestamp": iso(NOW_S - 600), "messageId": "m1", "destination": ["ann@example.com"]}
            told = {"eventType": "Click", "mail": mail, "click": {"timestamp": iso(NOW_S - 60), "link": "https://x.y"}}
            return sns_signs(SNS, told, iso(at_s))


@pytest.fixture
def signed(make_gateway):
    gateway = make_gateway(
        "192.0.2.1",
        write_keys="site=abc123",
        sendgrid_key=SENDGRID_PUBLIC,
        mailgun_key=f"an-older-key,{MAILGUN}",
        postmark_login=POSTMARK,
        resend_secret=RESEND,
        ses_topics=TOPIC,
    )
    gateway.pages[CERTIFICATE] = SNS_CERTIFICATE
    return gateway


def deliver(gateway, provider, request):
    return gateway.request("POST", f"/v1/webhooks/{provider}", request.body, request.headers)


PROVIDERS = ["sendgrid", "mailgun", "postmark", "ses", "resend"]
WITH_TIME = ["sendgrid", "mailgun", "ses", "resend"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_a_provider_has_signed_is_taken(signed, provider):
    answer = deliver(signed, provider, click(provider, NOW_S - 5))
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "ignored": 0, "refused": []})
    (event,) = signed.events
    assert (event.type, event.email, event.source) == ("email_clicked", "ann@example.com", provider)
    assert event.time // 1000 in (NOW_S - 60, NOW_S - 61)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_same_request_again_is_the_same_event_again(signed, provider):
    request = click(provider, NOW_S - 5)
    assert deliver(signed, provider, request).status_code == 200
    assert deliver(signed, provider, request).status_code == 200
    once, again = signed.events
    assert once == again
    assert once.id.startswith(f"{provider}-")


@pytest.mark.parametrize("provider", ["sendgrid", "resend"])
def test_a_changed_byte_of_the_body_is_a_401(signed, provider):
    request = click(provider, NOW_S - 5)
    for place in range(0, len(request.body), 7):
        changed = bytearray(request.body)
        changed[place] ^= 1
        answer = deliver(signed, provider, Request(bytes(changed), request.headers))
        assert answer.status_code == 401
    assert signed.events == []


def test_a_changed_field_of_an_envelope_of_sns_is_a_401(signed):
    envelope = json.loads(click("ses", NOW_S - 5).body)
    for name in ("Message", "MessageId", "Subject", "Timestamp", "Signature"):
        changed = {**envelope, name: envelope[name][:-3] + "xyz"}
        assert deliver(signed, "ses", Request(json.dumps(changed).encode())).status_code == 401
    assert signed.events == []


def test_a_token_of_mailgun_is_taken_for_one_body_only(signed):
    request = click("mailgun", NOW_S - 5)
    assert deliver(signed, "mailgun", request).status_code == 200
    answer = deliver(signed, "mailgun", Request(request.body.replace(b"ann@", b"eve@")))
    assert answer.status_code == 401
    assert answer.json()["error"]["field"] == "signature.token"
    assert [event.email for event in signed.events] == ["ann@example.com"]


def test_a_changed_signature_token_or_time_of_mailgun_is_a_401(signed):
    body = json.loads(click("mailgun", NOW_S - 5).body)
    for name in ("timestamp", "token", "signature"):
        changed = body["signature"] | {name: body["signature"][name][:-1] + "9"}
        if changed == body["signature"]:
            changed[name] = changed[name][:-1] + "8"
        request = Request(json.dumps(body | {"signature": changed}).encode())
        assert deliver(signed, "mailgun", request).status_code == 401
    assert signed.events == []


@pytest.mark.parametrize(
    "authorization", ["", "Basic", "Basic cG9zdG1hcms6d3Jvbmc=", "Basic %", "Bearer postmark:pass:word"]
)
def test_a_wrong_login_of_postmark_is_a_401(signed, authorization):
    request = click("postmark", NOW_S)
    assert deliver(signed, "postmark", Request(request.body, {"Authorization": authorization})).status_code == 401
    assert signed.events == []


@pytest.mark.parametrize(
    ("provider", "window_s"), [("sendgrid", 300), ("resend", 300), ("ses", 3600), ("mailgun", TRIES_S)]
)
def test_a_signature_is_taken_to_the_end_of_its_window_and_stale_after(signed, provider, window_s):
    assert deliver(signed, provider, click(provider, NOW_S - window_s)).status_code == 200
    answer = deliver(signed, provider, click(provider, NOW_S - window_s - 1))
    assert answer.status_code == 401
    assert "old" in answer.json()["error"]["message"]
    assert len(signed.events) == 1


@pytest.mark.parametrize("provider", WITH_TIME)
def test_a_signature_from_the_future_is_a_401(signed, provider):
    assert deliver(signed, provider, click(provider, NOW_S + 301)).status_code == 401
    assert deliver(signed, provider, click(provider, NOW_S + 299)).status_code == 200


@pytest.mark.parametrize("provider", PROVIDERS)
def test_without_a_signature_nothing_is_taken(signed, provider):
    body = click(provider, NOW_S).body
    if provider in ("mailgun", "ses"):
        body = json.dumps({k: v for k, v in json.loads(body).items() if k.lower() != "signature"}).encode()
    assert deliver(signed, provider, Request(body)).status_code in (400, 401)
    assert signed.events == []
    assert signed.letters == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_that_is_not_set_up_is_a_403_that_names_the_setting(make_gateway, provider):
    gateway = make_gateway()
    answer = deliver(gateway, provider, click(provider, NOW_S))
    assert answer.status_code == 403
    assert f"LEADHEAT_{provider.upper()}" in answer.json()["error"]["message"]


def test_the_key_of_another_account_is_a_401(make_gateway):
    other, other_public = sendgrid_key()
    del other
    gateway = make_gateway(
        sendgrid_key=other_public,
        mailgun_key="other-key",
        postmark_login="a:b",
        resend_secret="whsec_c2VjcmV0",
        ses_topics="arn:aws:sns:eu-west-1:123456789012:other",
    )
    gateway.pages[CERTIFICATE] = SNS_CERTIFICATE
    for provider in PROVIDERS:
        assert deliver(gateway, provider, click(provider, NOW_S)).status_code == 401
    assert gateway.events == []


def test_while_a_secret_changes_both_are_taken(make_gateway):
    old, old_public = sendgrid_key()
    gateway = make_gateway(sendgrid_key=f"{old_public}, {SENDGRID_PUBLIC}", resend_secret=f"whsec_b2xk,{RESEND}")
    event = {"email": "ann@example.com", "timestamp": NOW_S, "event": "delivered"}
    assert deliver(gateway, "sendgrid", sendgrid_signs(old, [event], NOW_S)).status_code == 200
    assert deliver(gateway, "sendgrid", sendgrid_signs(SENDGRID, [event], NOW_S)).status_code == 200
    assert deliver(gateway, "resend", click("resend", NOW_S)).status_code == 200


@pytest.mark.parametrize("family", ["svix", "webhook"])
def test_the_headers_of_svix_and_of_standard_webhooks_are_both_taken(signed, family):
    event = {"type": "email.delivered", "created_at": "2026-01-01 11:59:00.5+00", "data": {"to": "ann@example.com"}}
    assert deliver(signed, "resend", resend_signs(RESEND, event, NOW_S, family)).status_code == 200
    assert signed.events[0].time == (NOW_S - 60) * 1000 + 500


# ── SNS: certificates, topics, subscriptions ─────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", ["1", "2"])
def test_both_versions_of_snss_signatures_are_taken(signed, version):
    mail = {"timestamp": iso(NOW_S - 60), "messageId": "m1", "destination": ["ann@example.com"]}
    request = sns_signs(SNS, {"eventType": "Send", "mail": mail, "send": {}}, iso(NOW_S), version)
    assert deliver(signed, "ses", request).status_code == 200
    assert signed.events[0].type == "email_sent"


def test_a_certificate_is_fetched_once(signed):
    for _ in range(3):
        deliver(signed, "ses", click("ses", NOW_S))
    assert signed.fetched == [CERTIFICATE]


@pytest.mark.parametrize(
    "address",
    [
        "http://sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com.evil.example/x.pem",
        "https://evil.example/sns.eu-west-1.amazonaws.com/x.pem",
        "https://sns.eu-west-1.amazonaws.com@evil.example/x.pem",
        "https://sns.eu-west-1.amazonaws.com:8443/x.pem",
        "https://s3.amazonaws.com/evil/x.pem",
        "https://sns.eu-west-1.amazonaws.com/?x=SubscribeURL",
        "https://sns.eu-west-1.amazonaws.com/x.pem\n",
        "file:///etc/passwd.pem",
        "",
    ],
)
def test_a_certificate_from_elsewhere_is_never_fetched(signed, address):
    request = sns_signs(SNS, {"eventType": "Send", "mail": {}}, iso(NOW_S), SigningCertURL=address)
    assert deliver(signed, "ses", request).status_code == 401
    assert signed.fetched == []


def test_a_topic_that_is_not_ours_is_refused_before_anything_is_fetched(signed):
    request = sns_signs(SNS, {"eventType": "Send", "mail": {}}, iso(NOW_S), TopicArn=TOPIC + "2")
    assert deliver(signed, "ses", request).json()["error"]["field"] == "TopicArn"
    assert signed.fetched == []


def test_while_a_certificate_cannot_be_had_sns_is_asked_to_try_again(signed):
    signed.pages.clear()
    answer = deliver(signed, "ses", click("ses", NOW_S))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")
    signed.pages[CERTIFICATE] = SNS_CERTIFICATE
    assert deliver(signed, "ses", click("ses", NOW_S)).status_code == 200


def test_what_is_no_certificate_is_a_401(signed):
    signed.pages[CERTIFICATE] = b"<html>"
    assert deliver(signed, "ses", click("ses", NOW_S)).status_code == 401


SUBSCRIBE = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=2336412f37"


def test_a_subscription_of_our_topic_is_confirmed(signed):
    signed.pages[SUBSCRIBE] = b"<ConfirmSubscriptionResponse/>"
    asked = {"Type": "SubscriptionConfirmation", "SubscribeURL": SUBSCRIBE, "Token": "2336412f37"}
    answer = deliver(signed, "ses", sns_signs(SNS, "You have chosen to subscribe", iso(NOW_S), **asked))
    assert answer.json() == {"accepted": 0, "ignored": 0, "refused": []}
    assert signed.fetched == [CERTIFICATE, SUBSCRIBE]


def test_a_subscription_is_never_confirmed_elsewhere(signed):
    asked = {"Type": "SubscriptionConfirmation", "SubscribeURL": "https://evil.example/?x", "Token": "2336412f37"}
    assert deliver(signed, "ses", sns_signs(SNS, "You have chosen", iso(NOW_S), **asked)).status_code == 401
    assert signed.fetched == [CERTIFICATE]


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_secret_is_read_from_a_file_and_never_shown(make_gateway, tmp_path):
    (tmp_path / "key").write_text(f"{MAILGUN}\n")
    gateway = make_gateway(mailgun_key=f"file:{tmp_path / 'key'}")
    assert deliver(gateway, "mailgun", click("mailgun", NOW_S)).status_code == 200


def test_no_refusal_shows_what_would_have_been_right(signed):
    for provider in PROVIDERS:
        request = click(provider, NOW_S - 99_999)
        text = deliver(signed, provider, request).text
        for secret in (MAILGUN, POSTMARK, RESEND, SENDGRID_PUBLIC):
            assert secret not in text


@pytest.mark.parametrize(
    "setting",
    [{"sendgrid_key": "no-key"}, {"sendgrid_key": "bm8ga2V5"}, {"postmark_login": "nobody"}, {"resend_secret": "ü"}],
)
def test_a_secret_that_is_none_stops_the_gateway_with_the_settings_name_and_not_its_value(make_gateway, setting):
    ((name, value),) = setting.items()
    with pytest.raises(SettingsError, match=f"LEADHEAT_{name.upper()}") as caught:
        make_gateway(**setting)
    assert value not in str(caught.value)
