"""The way back from sales: links that only a button makes count, and an API with keys of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode

import pytest

from streams.signed_links import Invitation, LinkSigner
from tests.gateway.conftest import NOW_MS, Gateway

SECRET = "a secret of some length"
FORM = {"content_type": "application/x-www-form-urlencoded"}


def link(lead: str = "email:ann@example.com", expires_ms: int = NOW_MS + 1, secret: str = SECRET) -> str:
    return LinkSigner(secret).url(Invitation(lead, "a1", "bob", expires_ms))


@pytest.fixture
def linked(make_gateway: Callable[..., Gateway]) -> Gateway:
    """Return a gateway that takes links, asked by somebody far away."""
    return make_gateway("192.0.2.1", secret=SECRET, write_keys="site=abc123")


class Links(HTMLParser):
    """Collects all that a scanner would fetch of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("href", "src", "action", "formaction") and value]


def test_a_mail_scanner_that_fetches_every_link_changes_nothing(linked: Gateway) -> None:
    for action in ("accepted", "contacted", "rejected", "won", "nonsense"):
        for method in ("GET", "HEAD", "OPTIONS"):
            answer = linked.request(method, f"{link()}?do={action}")
            links = Links()
            links.feed(answer.text)
            for each in links.found:
                linked.get(each)
    assert linked.follow_ups == []


def test_the_page_says_that_nothing_has_happened_and_its_button_posts(linked: Gateway) -> None:
    page = linked.get(f"{link()}?do=contacted")
    assert page.status_code == 200
    assert "Nothing has happened yet" in page.text
    assert re.search(r'value="contacted"\s+class="first"', page.text)
    answer = linked.post(link(), urlencode({"action": "contacted", "note": "by phone"}).encode(), **FORM)
    assert answer.status_code == 200
    (noted,) = linked.follow_ups
    assert (noted.lead, noted.action, noted.alert_id, noted.by, noted.note, noted.source, noted.time) == (
        "email:ann@example.com",
        "contacted",
        "a1",
        "bob",
        "by phone",
        "link",
        NOW_MS,
    )


def test_two_clicks_are_one_follow_up(linked: Gateway) -> None:
    for _ in range(2):
        linked.post(link(), b"action=accepted", **FORM)
    assert len({each.id for each in linked.follow_ups}) == 1


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"action=suppressed&reason=other", "&#39;suppressed&#39; is not one of accepted"),
        (b"action=adjusted&points=100", "is not one of"),
        (b"action=rejected", "reason: nothing is no reason here"),
        (b"\xff", "not a form"),
        (b"", "is not one of"),
        (b"&".join(b"a%d=1" % number for number in range(20)), "not a form"),
    ],
)
def test_a_form_that_says_nothing_we_take_is_answered_with_why(linked: Gateway, body: bytes, says: str) -> None:
    answer = linked.post(link(), body, **FORM)
    assert answer.status_code == 422
    assert says in answer.text
    assert linked.follow_ups == []


@pytest.mark.parametrize(
    "url",
    [
        link(secret="another secret of the kind"),
        link(expires_ms=NOW_MS - 1),
        link()[:-1],
        link()[:-6] + "AAAAAA",
        "/follow-up/" + "a" * 3000,
        "/follow-up/%00",
    ],
)
def test_a_link_that_is_forged_cut_or_expired_does_not_work(linked: Gateway, url: str) -> None:
    assert linked.get(url).status_code == 404
    assert linked.post(url, b"action=won", **FORM).status_code == 404
    assert linked.follow_ups == []


def test_a_gateway_without_a_secret_takes_no_links(gateway: Gateway) -> None:
    assert "LEADHEAT_SECRET" in gateway.get(link()).text


def test_the_page_shows_a_lead_s_id_as_text_and_lets_nothing_run(linked: Gateway) -> None:
    page = linked.get(link("user:<script>alert(1)</script>"))
    assert "<script>" not in page.text
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "no-referrer"


def test_while_kafka_is_away_the_page_says_that_nothing_is_noted(linked: Gateway) -> None:
    linked.producer.why = "away"
    answer = linked.post(link(), b"action=accepted", **FORM)
    assert answer.status_code == 503
    assert "Not noted yet" in answer.text


# ── the API ──────────────────────────────────────────────────────────────────────────────────────────────────

GOOD: dict[str, Any] = {"id": "f-1", "lead": "email:Ann@Example.com", "action": "accepted"}


def test_the_api_takes_one_or_several_and_fills_in_what_is_left_out(gateway: Gateway) -> None:
    assert gateway.post("/v1/follow-ups", GOOD).json() == {"accepted": 1, "ids": ["f-1"]}
    answer = gateway.post(
        "/v1/follow-ups", [{"lead": "user:7", "action": "won"}, {"email": "A@b.com", "action": "won"}]
    )
    assert answer.json()["accepted"] == 2
    first, second, third = gateway.follow_ups
    assert third.lead == "email:a@b.com"
    assert (first.lead, first.time, first.source) == ("email:ann@example.com", NOW_MS, "local")
    assert len(second.id) == 32


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        (b"{", "", "malformed"),
        ([], "", "too_large"),
        ([GOOD, GOOD | {"actoin": 1}], "actoin", "unknown_field"),
        ([{"action": "won"}], "lead", "missing_field"),
        ([{"action": "won", "lead": "user:7", "email": "a@b.com"}], "lead", "missing_field"),
        ([{"action": "won", "email": "nobody"}], "lead", "bad_identity"),
        ([GOOD | {"lead": 7}], "lead", "wrong_type"),
        ([GOOD | {"action": "breached"}], "action", "unknown_type"),
        ([GOOD | {"action": "rejected"}], "reason", "missing_field"),
        ([GOOD | {"time": NOW_MS + 600_000}], "time", "future_time"),
    ],
)
def test_the_api_refuses_all_for_a_single_fault_and_names_it(
    gateway: Gateway, body: Any, field: str, reason: str
) -> None:
    answer = gateway.post("/v1/follow-ups", body)
    assert answer.status_code == 400
    error = answer.json().get("error") or answer.json()["errors"][-1]
    assert (error["field"], error["reason"]) == (field, reason)
    assert gateway.follow_ups == []


def test_a_write_key_which_any_visitor_can_read_is_not_enough(make_gateway: Callable[..., Gateway]) -> None:
    gateway = make_gateway("192.0.2.1", write_keys="site=abc123", follow_up_keys="crm=k-secret-1")
    assert gateway.post("/v1/follow-ups", GOOD, authorization="Bearer abc123").status_code == 401
    assert "LEADHEAT_FOLLOW_UP_KEYS" in gateway.post("/v1/follow-ups", GOOD, authorization="Bearer abc123").text
    assert gateway.post("/v1/follow-ups", GOOD, authorization="Bearer k-secret-1").status_code == 200
    assert gateway.follow_ups[0].source == "crm"
    closed = make_gateway("192.0.2.1", write_keys="site=abc123")
    assert closed.post("/v1/follow-ups", GOOD, authorization="Bearer abc123").status_code == 403
