"""Machines that look like people: each sign alone, at its boundary, and beside what only looks like it."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scoring.bots import CLICK_SOON_MS, UNSUBSCRIBE_SOON_MS, Signs, judge, signs_of, tag, trace
from scoring.events import EVENT_TYPES, Event
from scoring.microsoft_networks import is_microsoft

CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36"
)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
APPLE = "Mozilla/5.0"
MICROSOFT = "40.94.31.7"


def verdict(type_="email_clicked", user_agent=CHROME, **signs):
    judgement = judge(Signs(type=type_, user_agent=user_agent, **signs))
    return (judgement.verdict, judgement.reasons)


HUMAN = ("human", [])


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        # 1. HEAD on a tracked link.
        (verdict(method="HEAD"), ("machine", ["head_request"])),
        (verdict(method="head"), ("machine", ["head_request"])),
        (verdict(method="GET"), HUMAN),
        # 2. The user agent is empty, or known.
        (verdict(user_agent=""), ("machine", ["no_user_agent"])),
        (verdict("page_viewed", user_agent=""), ("machine", ["no_user_agent"])),
        (verdict(user_agent="curl/8.5.0"), ("machine", ["known_bot"])),
        (verdict("page_viewed", user_agent="Mozilla/5.0 (compatible; bingbot/2.0)"), ("machine", ["known_bot"])),
        (verdict(user_agent="Mimecast/1.0"), ("machine", ["known_bot"])),
        # 4. Speed after sending is a vote.
        (verdict(since_sent_ms=CLICK_SOON_MS), ("human", ["clicked_soon"])),
        (verdict(since_sent_ms=CLICK_SOON_MS + 1), HUMAN),
        (verdict(since_sent_ms=-1), HUMAN),
        (verdict(since_sent_ms=0, is_flagged=True), ("suspect", ["clicked_soon", "flagged_by_provider"])),
        # 5. A link that no person sees.
        (verdict(link="https://example.com/?leadheat-honeypot"), ("machine", ["honeypot"])),
        (verdict(link="https://example.com/honeypot"), HUMAN),
        # 7. Apple's privacy protection and what providers flag: of opens only.
        (verdict("email_opened", APPLE), ("machine", ["apple_privacy"])),
        (verdict("email_opened", APPLE + " "), HUMAN),
        (verdict("email_clicked", APPLE), HUMAN),
        (verdict("page_viewed", APPLE), HUMAN),
        (verdict("email_opened", is_flagged=True), ("machine", ["flagged_by_provider"])),
        (verdict("email_clicked", is_flagged=True), ("human", ["flagged_by_provider"])),
        # 8. Gmail's proxy is a person's mail program.
        (verdict("email_opened", GMAIL), ("human", ["gmail_proxy"])),
        (verdict("email_clicked", GMAIL), ("machine", ["known_bot"])),
        # 9. Microsoft's networks void clicks, and nothing else.
        (verdict(address=MICROSOFT), ("machine", ["microsoft_network"])),
        (verdict("email_opened", address=MICROSOFT), HUMAN),
        (verdict("page_viewed", address=MICROSOFT), HUMAN),
        (verdict(address="192.0.2.1"), HUMAN),
        # 10. Unsubscribing by a GET at once.
        (
            verdict("email_unsubscribed", since_sent_ms=UNSUBSCRIBE_SOON_MS),
            ("suspect", ["unsubscribed_soon"]),
        ),
        (verdict("email_unsubscribed", since_sent_ms=UNSUBSCRIBE_SOON_MS + 1), HUMAN),
        (verdict("email_unsubscribed", since_sent_ms=0, method="POST"), HUMAN),
        (verdict("email_unsubscribed"), HUMAN),
    ],
)
def test_each_sign_says_what_it_says_and_no_more(found, expected):
    assert found == expected


def test_all_reasons_are_named():
    found = verdict(user_agent="curl/8", method="HEAD", address=MICROSOFT, link="leadheat-honeypot")
    assert found == ("machine", ["head_request", "known_bot", "honeypot", "microsoft_network"])


def test_without_any_sign_there_is_no_verdict():
    assert judge(Signs(type="page_viewed")) is None


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("13.64.0.0", True),
        ("13.63.255.255", False),
        ("13.95.255.255", True),
        ("13.96.0.0", False),
        ("20.0.0.0", True),
        ("0.0.0.0", False),
        ("255.255.255.255", False),
        ("::ffff:40.94.31.7", True),
        ("2603:1000::1", True),
        ("2001:db8::1", False),
        ("", False),
        ("40.94.31.7, 192.0.2.1", False),
    ],
)
def test_microsofts_networks_begin_and_end_where_they_do(address, expected):
    assert is_microsoft(address) is expected


@pytest.mark.parametrize(
    "network",
    ["40.92.0.0/15", "40.107.0.0/16", "52.100.0.0/14", "104.47.0.0/17", "2a01:111:f400::/48", "2a01:111:f403::/48"],
)
def test_all_networks_of_exchange_online_protection_are_microsofts(network):
    """As endpoints.office.com lists them (Exchange Online, id 10)."""
    whole = ip_network(network)
    assert all(is_microsoft(str(whole[place])) for place in (0, 1, -1))


def signs_from(address, agent=CHROME, message="m-1"):
    return Signs(type="email_clicked", user_agent=agent, address=address, message=message)


def test_a_trace_tells_networks_and_systems_of_one_message_apart_and_nothing_else():
    here = trace(signs_from("192.0.2.1"))
    assert here == trace(signs_from("192.0.2.254"))
    assert here != trace(signs_from("192.0.3.1"))
    assert here != trace(signs_from("192.0.2.1", "… iPhone …"))
    assert here != trace(signs_from("192.0.2.1", message="m-2"))
    assert trace(signs_from("2001:db8:1::1")) == trace(signs_from("2001:db8:1:ffff::1"))
    assert trace(signs_from("no address")) == ""


@given(
    type_=st.sampled_from(sorted(EVENT_TYPES)),
    agent=st.none() | st.text() | st.sampled_from([CHROME, GMAIL, APPLE, ""]),
    address=st.none() | st.text() | st.ip_addresses().map(str),
    context=st.none() | st.dictionaries(st.sampled_from(["ip", "userAgent", "user_agent", "page"]), st.text()),
)
def test_no_address_and_no_user_agent_is_left_whatever_the_verdict(type_, agent, address, context):
    event = Event(id="e", type=type_, time=0, email="ann@example.com", context=context)
    tag(event, signs_of(event, user_agent=agent, address=address))
    assert event.context is None or set(event.context) <= {"page"}
    assert event.verdict in (None, "human", "suspect", "machine")
    assert (event.verdict == "human") or not event.properties.get("human")
