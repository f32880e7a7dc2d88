"""What ``/docs`` shows of the routes that read raw bytes: schemas, examples and answers, written by hand.

Bodies are decoded with msgspec, past FastAPI, which therefore knows nothing of them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from scoring.account_updates import ACCOUNT_UPDATED, FACT_NAME_MAX, FACT_TEXTS_MAX, FACTS_MAX, AccountUpdate
from scoring.company_events import NEGATIVE_EVENTS, POSITIVE_EVENTS
from scoring.events import EMAIL_TYPES, WEB_TYPES, Event
from scoring.follow_ups import ACTIONS, REJECTIONS, SUPPRESSIONS, FollowUp
from streams.gateway.ingest.segment_messages import Call, Message

TITLE: Final = "leadheat gateway"
DESCRIPTION: Final = """
The way in for events, what people do on your pages, in your product and with your e-mails, and for what is known of
companies.

* **You use a Segment SDK?** Point its host at this address; nothing else changes.
* **RudderStack, PostHog, CloudEvents?** Likewise: `/v1/batch`, `/batch/`, `/v1/cloudevents`.
* **Your mail provider tells you of opens and clicks?** Name it `/v1/webhooks/<provider>`.
* **You write your own sender?** Post to `/v1/events`, and what you know of companies to `/v1/accounts`.

`200` means that Kafka has acknowledged every event. On `503`, send the same bytes again after `Retry-After`
seconds: events carry ids, and one that arrives twice counts once.

Send your write key as the user name of HTTP Basic (no password), or as a Bearer token. While the gateway has no
write keys (`LEADHEAT_WRITE_KEYS`), it takes events from its own machine only, without a key.

Limits: 500 KB a body, also once unpacked; 32 KB an event; `Content-Encoding: gzip` is welcome.
"""

SECURITY_SCHEMES: Final = {
    "Write key": {"type": "http", "scheme": "basic", "description": "The write key as user name, no password."},
    "Write key as token": {"type": "http", "scheme": "bearer"},
}


def _schema(struct: type[msgspec.Struct]) -> dict[str, Any]:
    """Describe a flat struct as JSON Schema, without the docstring that is meant for us."""
    _, components = msgspec.json.schema_components([struct], ref_template="#/components/schemas/{name}")
    return {name: part for name, part in components[struct.__name__].items() if name != "description"}


def _fault(field: str, reason: str, message: str, **index: int) -> dict[str, Any]:
    return {**index, "field": field, "reason": reason, "message": message}


def _answer(description: str, example: object) -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"example": example}}}


def _route(
    *,
    summary: str,
    description: str,
    schema: dict[str, Any],
    examples: dict[str, dict[str, Any]],
    answers: dict[int | str, dict[str, Any]],
) -> dict[str, Any]:
    """Return the keyword arguments that document a route to FastAPI."""
    return {
        "summary": summary,
        "description": description,
        "responses": {**answers, **_COMMON_ANSWERS},
        "openapi_extra": {
            "security": [{name: []} for name in SECURITY_SCHEMES] + [{}],
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": schema, "examples": examples}},
            },
        },
    }


_COMMON_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    401: _answer(
        "The write key is missing or wrong.",
        {"error": _fault("Authorization", "unauthorized", "the write key is not one of LEADHEAT_WRITE_KEYS")},
    ),
    413: _answer(
        "Too large a body or event.",
        {"error": _fault("", "too_large", "the event has 33000 bytes; at most 32768 are taken")},
    ),
    429: _answer(
        "This write key sends too much. Send the same bytes again after `Retry-After` seconds.",
        {
            "error": _fault(
                "", "too_many", "this write key sends more than LEADHEAT_EVENTS_PER_S; send it again after 2 s"
            )
        },
    ),
    503: _answer(
        "Kafka does not take events just now. Send the same bytes again after `Retry-After` seconds.",
        {"error": _fault("", "unavailable", "Kafka at 127.0.0.1:9092 does not answer; try again")},
    ),
}

_EXAMPLE_EVENT: Final = {
    "id": "e-1",
    "type": "page_viewed",
    "time": "2026-01-01T12:00:00Z",
    "email": "ann@example.com",
    "properties": {"path": "/pricing", "seconds": 12},
}

EVENTS: Final = _route(
    summary="Send events in our own form",
    description=(
        'One event, an array of events, or `{"events": [...]}`. All are taken or none: a single fault refuses the '
        "whole body, and the answer lists every fault. `time` is RFC 3339 with an offset, or milliseconds since 1970. "
        "At least one of `email`, `user_id` and `anonymous_id` is needed.\n\n"
        f"Types: {', '.join(sorted(WEB_TYPES))}; {', '.join(sorted(EMAIL_TYPES))}."
    ),
    schema=_schema(Event),
    examples={
        "one event": {"value": _EXAMPLE_EVENT},
        "several": {
            "value": {
                "events": [
                    _EXAMPLE_EVENT,
                    {"id": "e-2", "type": "email_clicked", "time": 1767268800000, "user_id": "42"},
                ]
            }
        },
    },
    answers={
        200: _answer("Kafka has every event.", {"accepted": 2}),
        400: _answer(
            "Nothing was taken; every fault is listed.",
            {
                "errors": [
                    _fault("emial", "unknown_field", "is not a field of an event; did you mean 'email'?", index=0)
                ]
            },
        ),
    },
)

_EXAMPLE_UPDATE: Final = {
    "id": "u-1",
    "type": ACCOUNT_UPDATED,
    "time": "2026-01-01T12:00:00Z",
    "domain": "acme.com",
    "facts": {"industry": "Software", "employees": 120, "technologies": ["Kafka", "Redis"], "owner": "Jo Marsh"},
}

ACCOUNTS: Final = _route(
    summary="Send what is known of companies",
    description=(
        'One account update, an array of them, or `{"batch": [...]}`. All are taken or none: a single fault refuses '
        "the whole body, and the answer lists every fault. `time` is RFC 3339 with an offset, or milliseconds since "
        "1970. At least one of `account_id` and `domain` is needed; both together tell that the id is that domain's "
        "account.\n\n"
        f"`{ACCOUNT_UPDATED}` tells `facts`: the newest of each name counts, and null takes it back. A fact is a text, "
        f"a number, true or false, or a list of at most {FACT_TEXTS_MAX} texts; an update has at most {FACTS_MAX} of "
        f"them, with names of 1 to {FACT_NAME_MAX} characters.\n\n"
        f"Other types: {', '.join(sorted(POSITIVE_EVENTS))}; {', '.join(sorted(NEGATIVE_EVENTS))}.\n\n"
        "What is known of a company as a customer has types and `properties` of its own: `won` (`amount`), `invoice` "
        "(`amount`, `profit`, `days_late`), `churn` (`reason`); by hand, `by` whom: `rating` (`ratings`, by criterion "
        "the answer) and `override` (`segment`, `reason`, `until`). Null takes a rating or a segment back."
    ),
    schema=_schema(AccountUpdate),
    examples={
        "facts": {"value": _EXAMPLE_UPDATE},
        "several": {
            "value": {
                "batch": [
                    _EXAMPLE_UPDATE,
                    {"id": "u-2", "type": "funding", "time": 1767268800000, "account_id": "42"},
                    {
                        "id": "u-3",
                        "type": "invoice",
                        "time": "2026-01-01T12:00:00Z",
                        "domain": "acme.com",
                        "properties": {"amount": 1200.5, "profit": 300, "days_late": 3},
                    },
                    {
                        "id": "u-4",
                        "type": "rating",
                        "time": "2026-01-01T12:00:00Z",
                        "domain": "acme.com",
                        "properties": {"by": "olga", "ratings": {"offer_meets_need": "yes"}},
                    },
                ]
            }
        },
    },
    answers={
        200: _answer("Kafka has every update.", {"accepted": 2}),
        400: _answer(
            "Nothing was taken; every fault is listed.",
            {
                "errors": [
                    _fault("facts.offices", "wrong_type", "is a list of other things than texts", index=0),
                    _fault("type", "unknown_type", "'fundign' is not in the vocabulary: …", index=1),
                ]
            },
        ),
    },
)

_EXAMPLE_CUSTOMERS: Final = {
    "by": "customer",
    "customers": [
        {
            "customer": "acme.com",
            "facts": {"fits_profile": "yes", "offer_meets_need": True, "low_service_effort": 1, "revenue": 1200.5},
            "ratings": {"revenue_potential": "yes"},
        },
        {
            "customer": "bolt.example",
            "facts": {"fits_profile": "yes", "offer_meets_need": "no", "low_service_effort": "no", "revenue": 300},
            "override": {"segment": "A", "reason": "a reference", "until": "2027-01-01T00:00:00Z"},
        },
    ],
}

CUSTOMERS: Final = _route(
    summary="Rate customers and part them into segments",
    description=(
        "A table of customers, rated by the section `customers` of the model that the gateway was started with, and "
        "parted; nothing is kept. Each is known by `customer`, and has `facts` by the names that the model asks for, "
        "`ratings` by hand by criterion, a `group` for `by: group`, and an `override` with a reason and an end. "
        "`revenue` and `profit` among the facts are for the Pareto report. What is missing or null is unknown. A fault "
        "refuses the whole table, and the answer lists every fault. At most 2,000 customers; `leadheat customers "
        "segment` takes larger tables."
    ),
    schema={
        "type": "object",
        "required": ["customers"],
        "properties": {
            "by": {"enum": ["customer", "group"]},
            "customers": {"type": "array", "items": {"type": "object", "required": ["customer"]}},
        },
    },
    examples={"two customers": {"value": _EXAMPLE_CUSTOMERS}},
    answers={
        200: _answer(
            "All customers, the most valuable first, with the sums of the segments and the Pareto reports.",
            {"customers": [{"customer": "acme.com", "segment": "B", "action": "keep", "value": 4.0}]},
        ),
        400: _answer(
            "Nothing was rated; every fault is listed.",
            {
                "errors": [
                    _fault("fits_profile", "wrong_type", "'perhaps' is neither yes nor no", index=0),
                    _fault("override.segment", "wrong_type", "'D' is not a segment; there are A, B, C, exit", index=1),
                ]
            },
        ),
    },
)

_EXAMPLE_FOLLOW_UP: Final = {"lead": "email:ann@example.com", "action": "contacted", "by": "bob"}

FOLLOW_UPS: Final = _route(
    summary="Say what became of leads",
    description=(
        "One follow-up or an array of them; all are taken or none. The lead is its id as alerts give it, or an "
        "`email`, as CRMs know people. `id` and `time` may be left out: the same follow-up "
        "without them is another one a moment later, so give an `id` where you may send it again. The key is one of "
        "`LEADHEAT_FOLLOW_UP_KEYS`, not a write key.\n\n"
        f"Actions: {'; '.join(f'`{name}`: {what}' for name, what in ACTIONS.items())}.\n\n"
        f"`rejected` has one of the reasons {', '.join(REJECTIONS)}; `suppressed` one of {', '.join(SUPPRESSIONS)}; "
        "`adjusted` has `points`, a `reason` in words and a time `until`."
    ),
    schema=_schema(FollowUp) | {"required": ["action"]},
    examples={
        "contacted": {"value": _EXAMPLE_FOLLOW_UP},
        "several": {
            "value": [
                _EXAMPLE_FOLLOW_UP | {"id": "f-1"},
                {"id": "f-2", "lead": "user:42", "action": "rejected", "reason": "not_ready"},
            ]
        },
    },
    answers={
        200: _answer("Kafka has every follow-up.", {"accepted": 1, "ids": ["f-1"]}),
        400: _answer(
            "Nothing was taken; every fault is listed.",
            {"errors": [_fault("reason", "missing_field", "nothing is no reason here; expected one of …", index=0)]},
        ),
    },
)

_MESSAGES: Final[dict[Call, dict[str, Any]]] = {
    "track": {"userId": "42", "event": "Demo Requested", "properties": {"seats": 20}},
    "page": {"anonymousId": "a-1", "name": "Pricing", "properties": {"url": "https://example.com/pricing"}},
    "screen": {"userId": "42", "name": "Invoices"},
    "identify": {"anonymousId": "a-1", "userId": "42", "traits": {"email": "ann@example.com", "title": "CTO"}},
    "group": {"userId": "42", "groupId": "acme", "traits": {"name": "Acme", "employees": 250}},
    "alias": {"previousId": "a-1", "userId": "42"},
}

_BECOMES: Final[dict[Call, str]] = {
    "track": "the event of that name (`Email Opened` → `email_opened`), or `tracked` with its name",
    "page": "`page_viewed`, its path taken from `path`, `url` or `context.page`",
    "screen": "`screen_viewed`",
    "identify": "`identified`, the person's traits with it",
    "group": "`grouped`: the person belongs to the account `groupId`, which `properties` describe",
    "alias": "`aliased`: `previousId` and `userId` are one person",
}

SEGMENT_CALLS: Final = {
    call: _route(
        summary=f"Segment's {call}",
        description=f"Becomes {becomes}. Fields that we do not know are ignored.",
        schema=_schema(Message),
        examples={call: {"value": _MESSAGES[call]}},
        answers={
            200: _answer("Kafka has the event.", {"success": True}),
            400: _answer("It was not taken.", {"error": _fault("event", "missing_field", "is required")}),
        },
    )
    for call, becomes in _BECOMES.items()
}

SEGMENT_BATCH: Final = _route(
    summary="Segment's batch",
    description=(
        "Many calls at once, each with its `type`. A bad item is kept as a dead letter and listed in the answer; "
        "the others are taken. Times are corrected by `sentAt`: received − (sentAt − timestamp)."
    ),
    schema={
        "type": "object",
        "required": ["batch"],
        "properties": {
            "batch": {"type": "array", "items": _schema(Message)},
            "sentAt": {"type": "string", "format": "date-time"},
            "writeKey": {"type": "string"},
        },
    },
    examples={
        "two calls": {
            "value": {
                "batch": [{"type": call, **_MESSAGES[call], "messageId": f"m-{call}"} for call in ("identify", "page")]
            }
        }
    },
    answers={
        200: _answer(
            "Kafka has the good items as events and the bad ones as dead letters.",
            {
                "success": True,
                "accepted": 1,
                "refused": [_fault("userId", "missing_field", "one of userId, anonymousId …", index=1)],
            },
        ),
        400: _answer(
            "It cannot be read as a batch.",
            {"error": _fault("", "malformed", "the body is not JSON: Input data was truncated")},
        ),
    },
)

POSTHOG_BATCH: Final = _route(
    summary="PostHog's batch",
    description=(
        "Events as PostHog's SDKs capture them, with `api_key` or `token`: `$pageview`, `$screen`, `$identify`, `$set`,"
        " "
        "`$create_alias`, `$groupidentify` (of companies), and any other under its name. A bad item is kept as a dead "
        "letter and listed in the answer; the others are taken."
    ),
    schema={
        "type": "object",
        "properties": {
            "api_key": {"type": "string"},
            "batch": {"type": "array", "items": {"type": "object", "required": ["event"]}},
            "sent_at": {"type": "string", "format": "date-time"},
        },
    },
    examples={
        "a page": {
            "value": {
                "api_key": "your-write-key",
                "batch": [
                    {
                        "event": "$pageview",
                        "distinct_id": "42",
                        "uuid": "0a1b2c3d-0000-4000-8000-000000000001",
                        "timestamp": "2026-01-01T12:00:00Z",
                        "properties": {"$current_url": "https://example.com/pricing"},
                    }
                ],
            }
        }
    },
    answers={
        200: _answer("Kafka has the good items, and the bad ones as dead letters.", {"status": "Ok", "accepted": 1}),
        400: _answer("It cannot be read.", {"error": _fault("", "malformed", "JSON is malformed")}),
    },
)

CLOUDEVENTS: Final = _route(
    summary="Send CloudEvents",
    description=(
        "One event in structured mode (`application/cloudevents+json`) or in binary mode (`ce-…` headers), or several "
        "(`application/cloudevents-batch+json`); all are taken or none. `type` ends with one of our types, or the "
        "event is `tracked` under its name; `subject` says whom it is about, unless `data` does."
    ),
    schema={
        "type": "object",
        "required": ["specversion", "id", "source", "type"],
        "properties": {
            **{name: {"type": "string"} for name in ("specversion", "id", "source", "type", "subject", "time")},
            "data": {"type": "object"},
        },
    },
    examples={
        "structured": {
            "value": {
                "specversion": "1.0",
                "id": "e-1",
                "source": "/shop",
                "type": "com.example.page_viewed",
                "subject": "ann@example.com",
                "time": "2026-01-01T12:00:00Z",
                "data": {"path": "/pricing"},
            }
        }
    },
    answers={
        200: _answer("Kafka has every event.", {"accepted": 1}),
        400: _answer("Nothing was taken.", {"error": _fault("source", "missing_field", "is required")}),
        415: _answer("Not a content type of CloudEvents.", {"error": _fault("Content-Type", "unsupported_type", "…")}),
    },
)
_events_body = CLOUDEVENTS["openapi_extra"]["requestBody"]["content"]
_events_body["application/cloudevents+json"] = _events_body.pop("application/json")

_SIGNED_BY: Final = {
    "sendgrid": ("SendGrid", "the public key of its signed event webhook", "LEADHEAT_SENDGRID_KEY"),
    "mailgun": ("Mailgun", "its HTTP webhook signing key", "LEADHEAT_MAILGUN_KEY"),
    "postmark": ("Postmark", "a login of yours in the webhook's address", "LEADHEAT_POSTMARK_LOGIN"),
    "ses": ("Amazon SES through SNS", "SNS's certificates; the topics that you name", "LEADHEAT_SES_TOPICS"),
    "resend": ("Resend, or any other by Standard Webhooks", "the signing secret", "LEADHEAT_RESEND_SECRET"),
}

WEBHOOKS: Final[dict[str, dict[str, Any]]] = {
    name: {
        "summary": f"{title} tells what became of messages",
        "description": (
            f"Verified by {proof} ({setting}). Opens and clicks carry a verdict (human, suspect, machine). What is not "
            "about a person, or has no word here, is ignored; what cannot be read is kept as a dead letter."
        ),
        "responses": {
            200: _answer("Kafka has it.", {"accepted": 2, "ignored": 1, "refused": []}),
            400: _answer(
                "It cannot be read.", {"error": _fault("", "malformed", "the body is not an array of events")}
            ),
            401: _answer("It is not the provider's, or stale.", {"error": _fault("", "unauthorized", "does not fit")}),
            403: _answer("It is not set up.", {"error": _fault("", "forbidden", f"set {setting}")}),
            413: _COMMON_ANSWERS[413],
            503: _COMMON_ANSWERS[503],
        },
        "openapi_extra": {
            "requestBody": {"required": True, "content": {"application/json": {"schema": {}}}},
        },
    }
    for name, (title, proof, setting) in _SIGNED_BY.items()
}


def _crm(title: str, proof: str, setting: str, media_type: str, taken: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": f"{title} tells what became of leads",
        "description": (
            f"Verified by {proof} ({setting}). A stage that means something (`LEADHEAT_CRM_STAGES` adds to the usual "
            "ones) becomes a follow-up; all else is ignored, and what cannot be read is kept as a dead letter."
        ),
        "responses": {
            200: taken,
            400: _answer("It cannot be read.", {"error": _fault("", "malformed", "the body is not an array")}),
            401: _answer("It is not the CRM's, or stale.", {"error": _fault("", "unauthorized", "does not fit")}),
            403: _answer("It is not set up.", {"error": _fault("", "forbidden", f"set {setting}")}),
            413: _COMMON_ANSWERS[413],
            503: _COMMON_ANSWERS[503],
        },
        "openapi_extra": {"requestBody": {"required": True, "content": {media_type: {"schema": {}}}}},
    }


CRM_HUBSPOT: Final = _crm(
    "HubSpot",
    "its signature v3",
    "LEADHEAT_HUBSPOT_SECRET",
    "application/json",
    _answer("Kafka has it.", {"accepted": 2, "ignored": 1, "refused": []}),
)
CRM_SALESFORCE: Final = _crm(
    "Salesforce (outbound messages)",
    "the key in the address, and the organisation",
    "LEADHEAT_SALESFORCE_KEY",
    "text/xml",
    {"description": "Kafka has it, and it is acknowledged.", "content": {"text/xml": {}}},
)
