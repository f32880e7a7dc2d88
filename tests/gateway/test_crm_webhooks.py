"""What HubSpot and Salesforce tell of a lead's stage is a follow-up; what is not theirs, or says nothing, is none."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from scoring.errors import SettingsError
from streams.gateway.crm import hubspot as hubspot_module
from streams.gateway.crm.hubspot import Contact, contacts_of
from tests.gateway.conftest import NOW_MS, Gateway

SECRET, TOKEN = "client-secret-1", "pat-eu1-secret"
URL = "https://leads.example.com"
PATH = "/v1/crm/hubspot"


def change(number: int = 7, value: str = "IN_PROGRESS", **fields: Any) -> dict[str, Any]:
    """Return a change as HubSpot's documentation shows one."""
    return {
        "eventId": 100,
        "subscriptionId": 138,
        "portalId": 33,
        "appId": 1160452,
        "occurredAt": NOW_MS - 5_000,
        "subscriptionType": "contact.propertyChange",
        "attemptNumber": 0,
        "objectId": number,
        "propertyName": "hs_lead_status",
        "propertyValue": value,
        "changeSource": "CRM_UI",
    } | fields


def sign(body: bytes, secret: str = SECRET, at_ms: int = NOW_MS, url: str = URL + PATH) -> dict[str, str]:
    digest = hmac.new(secret.encode(), f"POST{url}{body.decode()}{at_ms}".encode(), hashlib.sha256).digest()
    return {
        "X-HubSpot-Signature-v3": base64.b64encode(digest).decode(),
        "X-HubSpot-Request-Timestamp": str(at_ms),
        "Content-Type": "application/json",
    }


@pytest.fixture
def portal(make_gateway: Callable[..., Gateway]) -> Gateway:
    """Return a gateway that HubSpot calls by its public address, with two contacts there."""
    gateway = make_gateway("192.0.2.1", hubspot_secret=f"old,{SECRET}", hubspot_token=TOKEN, public_url=URL)
    gateway.contacts = {"7": Contact("Ann@Example.com", "00501"), "8": Contact("", "")}
    return gateway


def tell(gateway: Gateway, *changes: dict[str, Any], **signing: Any) -> httpx.Response:
    body = json.dumps(changes).encode()
    return gateway.request("POST", PATH, body, sign(body, **signing))


def test_a_contact_whose_lead_status_changes_is_followed_up_by_its_owner(portal: Gateway) -> None:
    answer = tell(portal, change())
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "ignored": 0, "refused": []})
    (noted,) = portal.follow_ups
    assert (noted.lead, noted.action, noted.time, noted.by, noted.source, noted.note) == (
        "email:ann@example.com",
        "accepted",
        NOW_MS - 5_000,
        "00501",
        "hubspot",
        "hs_lead_status: IN_PROGRESS",
    )


def test_what_hubspot_tells_twice_is_one_follow_up_and_two_changes_are_two(portal: Gateway) -> None:
    tell(portal, change(), change(value="BAD_TIMING"))
    tell(portal, change(eventId=101, attemptNumber=1))
    assert len({each.id for each in portal.follow_ups}) == 2
    assert [(each.action, each.reason) for each in portal.follow_ups[1:2]] == [("rejected", "not_ready")]


@pytest.mark.parametrize(
    "nothing",
    [
        change(value="NEW"),
        change(propertyName="firstname", propertyValue="connected"),
        change(subscriptionType="company.propertyChange"),
        change(subscriptionType="object.propertyChange", objectTypeId="0-2"),
        change(number=8),
        change(number=404),
        {},
    ],
)
def test_what_says_nothing_of_a_known_lead_s_stage_is_ignored(portal: Gateway, nothing: dict[str, Any]) -> None:
    answer = tell(portal, nothing, change(propertyName="lifecyclestage", propertyValue="customer"))
    assert answer.json() == {"accepted": 1, "ignored": 1, "refused": []}
    assert [each.action for each in portal.follow_ups] == ["won"]


def test_what_cannot_be_read_becomes_a_dead_letter_and_the_rest_is_taken(portal: Gateway) -> None:
    answer = tell(portal, change(occurredAt="soon"), change(), change(occurredAt=NOW_MS + 3_600_000))
    assert [(each["index"], each["reason"]) for each in answer.json()["refused"]] == [
        (0, "bad_time"),
        (2, "future_time"),
    ]
    assert [each.topic for each in portal.letters] == ["http:/v1/crm/hubspot"] * 2
    assert len(portal.follow_ups) == 1


@pytest.mark.parametrize(
    "signing",
    [
        {"secret": "another"},
        {"url": "https://evil.example/v1/crm/hubspot"},
        {"at_ms": NOW_MS - 301_000},
        {"at_ms": NOW_MS + 301_000},
    ],
)
def test_what_hubspot_has_not_signed_lately_for_this_address_is_refused(
    portal: Gateway, signing: dict[str, Any]
) -> None:
    assert tell(portal, change(), **signing).status_code == 401
    assert portal.follow_ups == []


def test_a_changed_body_and_missing_or_odd_headers_are_refused(portal: Gateway) -> None:
    body = json.dumps([change()]).encode()
    tampered = body.replace(b"IN_PROGRESS", b"UNQUALIFIED")
    assert portal.request("POST", PATH, tampered, sign(body)).status_code == 401
    assert portal.request("POST", PATH, body).status_code == 401
    for odd in ("", "soon", "12", "9" * 30):
        answer = portal.request("POST", PATH, body, sign(body) | {"X-HubSpot-Request-Timestamp": odd})
        assert answer.status_code == 401
    assert portal.follow_ups == []


def test_a_proxy_s_own_address_does_not_matter_and_without_a_public_one_the_host_does(
    make_gateway: Callable[..., Gateway],
) -> None:
    gateway = make_gateway("192.0.2.1", hubspot_secret=SECRET, hubspot_token=TOKEN)
    gateway.contacts = {"7": Contact("ann@example.com", "")}
    assert tell(gateway, change(), url=f"http://gateway{PATH}").status_code == 200
    refused = tell(gateway, change(), url=URL + PATH)
    assert refused.status_code == 401
    assert "LEADHEAT_PUBLIC_URL" in refused.text
    assert SECRET not in refused.text


def test_hubspot_tries_again_while_it_or_kafka_cannot_be_asked(portal: Gateway) -> None:
    portal.hubspot_is_away = True
    answer = tell(portal, change())
    assert (answer.status_code, "Retry-After" in answer.headers) == (503, True)
    portal.hubspot_is_away, portal.producer.why = False, "away"
    assert tell(portal, change()).status_code == 503
    assert portal.follow_ups == []


def test_contacts_are_asked_for_as_hubspot_documents_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[httpx.Request] = []
    status = 200

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        known = [{"id": "7", "properties": {"email": "ann@example.com", "hubspot_owner_id": "00501"}}]
        return httpx.Response(status, json={"status": "COMPLETE", "results": known})

    real = httpx.AsyncClient
    monkeypatch.setattr(
        hubspot_module.httpx, "AsyncClient", lambda **given: real(transport=httpx.MockTransport(answer), **given)
    )
    assert asyncio.run(contacts_of(TOKEN)(["7", "9"])) == {"7": Contact("ann@example.com", "00501")}
    (request,) = seen
    assert (request.method, str(request.url)) == ("POST", "https://api.hubapi.com/crm/v3/objects/contacts/batch/read")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert json.loads(request.content)["inputs"] == [{"id": "7"}, {"id": "9"}]
    status = 401
    with pytest.raises(OSError, match="answered 401"):
        asyncio.run(contacts_of(TOKEN)(["7"]))


# ── Salesforce ───────────────────────────────────────────────────────────────────────────────────────────────

KEY, ORGANISATION = "a-key-of-some-length", "00D24000000ABcDEAW"


def message(*leads: str, organisation: str = ORGANISATION) -> bytes:
    """Return an outbound message as its WSDL says, with a notification for each lead's fields."""
    notifications = "".join(
        f"<Notification><Id>04l08000{number:07}</Id>"
        f'<sObject xsi:type="sf:Lead" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">{fields}</sObject>'
        "</Notification>"
        for number, fields in enumerate(leads)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" '
        'xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        '<soapenv:Body><notifications xmlns="http://soap.sforce.com/2005/09/outbound">'
        f"<OrganizationId>{organisation}</OrganizationId><ActionId>04k0800000001</ActionId>"
        '<SessionId xsi:nil="true"/><EnterpriseUrl>https://acme.my.salesforce.com/x</EnterpriseUrl>'
        f"<PartnerUrl>https://acme.my.salesforce.com/y</PartnerUrl>{notifications}"
        "</notifications></soapenv:Body></soapenv:Envelope>"
    ).encode()


def fields(status: str, email: str = "Ann@Example.com", more: str = "") -> str:
    address = f"<sf:Email>{email}</sf:Email>" if email else ""
    return f"<sf:Id>00Q08000001</sf:Id>{address}<sf:Status>{status}</sf:Status>{more}"


@pytest.fixture
def organisation(make_gateway: Callable[..., Gateway]) -> Gateway:
    """Return a gateway that takes one organisation's messages."""
    return make_gateway("192.0.2.1", salesforce_key=KEY, salesforce_organisation=ORGANISATION[:15])


def send(gateway: Gateway, body: bytes, key: str = KEY) -> httpx.Response:
    return gateway.request("POST", f"/v1/crm/salesforce/{key}", body, {"Content-Type": "text/xml"})


def test_a_lead_whose_status_changes_is_followed_up_and_the_message_acknowledged(organisation: Gateway) -> None:
    more = "<sf:OwnerId>00501</sf:OwnerId><sf:LastModifiedDate>2026-01-01T11:59:00.000Z</sf:LastModifiedDate>"
    answer = send(organisation, message(fields("Working - Contacted", more=more)))
    assert answer.status_code == 200
    assert "<Ack>true</Ack>" in answer.text
    assert answer.headers["content-type"].startswith("text/xml")
    (noted,) = organisation.follow_ups
    assert (noted.lead, noted.action, noted.time, noted.by, noted.source) == (
        "email:ann@example.com",
        "contacted",
        NOW_MS - 60_000,
        "00501",
        "salesforce",
    )


def test_salesforce_may_say_the_same_twice_and_a_converted_lead_is_an_opportunity(organisation: Gateway) -> None:
    leads = (fields("Closed - Not Converted"), fields("Anything", more="<sf:IsConverted>true</sf:IsConverted>"))
    for _ in range(2):
        send(organisation, message(*leads))
    assert [each.action for each in organisation.follow_ups[:2]] == ["rejected", "opportunity"]
    assert len({each.id for each in organisation.follow_ups}) == 2


def test_what_says_nothing_is_acknowledged_and_a_lead_without_an_address_is_a_dead_letter(
    organisation: Gateway,
) -> None:
    answer = send(
        organisation, message(fields("Open - Not Contacted"), fields("Working", email=""), "", fields("Working"))
    )
    assert "<Ack>true</Ack>" in answer.text
    assert [each.action for each in organisation.follow_ups] == ["accepted"]
    (letter,) = organisation.letters
    assert (letter.topic, letter.field) == ("http:/v1/crm/salesforce", "Email")


@pytest.mark.parametrize(
    ("body", "key", "status"),
    [
        (message(fields("Working")), "another-key-of-length", 401),
        (message(fields("Working"), organisation="00D999999999999"), KEY, 401),
        (b"<x/>", KEY, 400),
        (b"<x", KEY, 400),
        (b"\xff\xfe", KEY, 400),
        (b'<?xml version="1.0" encoding="nonsense"?><x/>', KEY, 400),
        (b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>' + message(fields("&b;"))[38:], KEY, 400),
        (message(*[fields("Working")] * 101), KEY, 400),
        (b"<a>" * 100_000, KEY, 400),
    ],
)
def test_what_is_no_message_of_ours_is_refused(organisation: Gateway, body: bytes, key: str, status: int) -> None:
    answer = send(organisation, body, key)
    assert answer.status_code == status
    assert KEY not in answer.text
    assert organisation.follow_ups == []


def test_salesforce_tries_again_while_kafka_is_away(organisation: Gateway) -> None:
    organisation.producer.why = "away"
    assert send(organisation, message(fields("Working"))).status_code == 503


# ── settings ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_company_s_own_stages_add_to_the_usual_ones(make_gateway: Callable[..., Gateway]) -> None:
    stages = "Gone cold=rejected:not_ready, WORKING="
    gateway = make_gateway(salesforce_key=KEY, salesforce_organisation=ORGANISATION, crm_stages=stages)
    send(gateway, message(fields("gone cold"), fields("Working"), fields("Contacted")))
    assert [each.action for each in gateway.follow_ups] == ["rejected", "contacted"]


def test_a_crm_that_is_not_set_up_says_what_to_set(gateway: Gateway) -> None:
    assert "LEADHEAT_HUBSPOT_SECRET" in tell(gateway, change()).text
    assert "LEADHEAT_SALESFORCE_KEY" in send(gateway, message()).text


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"hubspot_secret": "s"}, "LEADHEAT_HUBSPOT_TOKEN: is needed"),
        ({"salesforce_key": "short", "salesforce_organisation": "00D"}, "LEADHEAT_SALESFORCE_KEY: at least 16"),
        ({"salesforce_key": KEY}, "LEADHEAT_SALESFORCE_ORGANISATION: is needed"),
        ({"crm_stages": "Working"}, "'Working': expected stage=action"),
        ({"crm_stages": "Working=acepted"}, "Working='acepted': expected one of accepted"),
        ({"crm_stages": "Working=breached"}, "Working='breached': expected one of"),
        ({"crm_stages": "Working=rejected"}, "expected rejected:not_ready|bad_fit"),
        ({"crm_stages": "Working=accepted:not_ready"}, "only rejected has a reason"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_the_start(
    make_gateway: Callable[..., Gateway], settings: dict[str, str], says: str
) -> None:
    with pytest.raises(SettingsError, match=r".*") as raised:
        make_gateway(**settings)
    assert says in str(raised.value)
