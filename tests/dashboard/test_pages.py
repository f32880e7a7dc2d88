"""Every page shows what there is, also of people with hostile names, and what is done there carries who did it."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from scoring.account_records import AccountContact, AccountLine
from scoring.account_updates import check_account_update
from scoring.customer_records import CustomerValue, ManualSegment, SegmentSince
from scoring.customer_value import CriterionRating
from scoring.errors import EventError
from scoring.fit import ComponentFit, ProfileFit
from scoring.follow_ups import FollowUp
from scoring.signal_records import BuyingSignal, SignalPerson
from streams.dead_letters import make_dead_letter
from tests.dashboard.conftest import NOW_MS, Site
from tests.topic_records import account_score, alert, lead_score

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'`{{7*7}}"
HOSTILE_URL = "javascript:alert(document.domain)"
ANN = "email:ann@acme.example"


def fill(site: Site, name: str = "Ann Lee") -> None:
    """Put a lead with all that one can have, and its account."""
    lead = lead_score(
        5,
        NOW_MS,
        lead=ANN,
        account="acme.example",
        company=name,
        band="hot",
        cools_at_ms=NOW_MS + 9 * 86_400_000,
        contact={"name": name, "title": name, "owner": "Jo", "crm_url": HOSTILE_URL, "phone": "+31 20 1"},
        held_back=name,
    )
    account = account_score(
        1,
        NOW_MS,
        account="domain:acme.example",
        name=name,
        owner="Jo",
        profiles=[
            ProfileFit(name, 7.5, 0.8, [ComponentFit("industry", 8.0, 10.0, name), ComponentFit("size", None, 7.0)])
        ],
        ledger=[AccountLine("person", ANN, 80.0, NOW_MS), AccountLine("event", "funding", 10.0, NOW_MS)],
        people=1,
        contacts=[AccountContact(ANN, 80.0, NOW_MS, "hot", name)],
        facts={"industry": name, "employees": 12, "technologies": ["Kafka", name]},
        signals={"surge": NOW_MS},
        customer=CustomerValue(
            account="domain:acme.example",
            at_ms=NOW_MS,
            segment="B",
            automatic="C",
            value=2.5,
            value_max=4.0,
            coverage=0.75,
            model="1",
            action="grow",
            why=name,
            ratings=[
                CriterionRating("fits_profile", 1.0, 1.0, "manual", name, NOW_MS),
                CriterionRating("revenue_potential"),
            ],
            manual=ManualSegment("B", name, NOW_MS + 86_400_000, name, NOW_MS),
            history=[SegmentSince("C", NOW_MS - 86_400_000, 2.0), SegmentSince("B", NOW_MS, 2.5)],
            facts={"revenue": 1200.5, "invoices": 3},
        ),
    )
    signal = BuyingSignal(
        id="s",
        account="domain:acme.example",
        signal="surge",
        kind="surge",
        polarity="positive",
        time_ms=NOW_MS,
        summary=name,
        model="1",
        name=name,
        people=[SignalPerson(lead=ANN, name=name)],
    )
    letter = make_dead_letter(
        EventError("unknown_type", name, name), at_ms=NOW_MS, topic="leadheat.web-events.v1", value=b"{}", offset=3
    )
    done = FollowUp(id="f", lead=ANN, action="rejected", time=NOW_MS, reason="not_ready", note=name, by=name)
    site.put(account, lead, alert(ANN, NOW_MS - 7_200_000, held_until_ms=NOW_MS), signal, letter, done)
    site.put(alert(ANN, NOW_MS + 1, contact={"name": name}))


PAGES = ("/", "/leads", "/leads/ann@acme.example", "/accounts", "/accounts/acme.example", "/model", "/health")


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_whole_and_keeps_foreign_code_out(site: Site, path: str) -> None:
    fill(site, HOSTILE)
    for headers in ({}, {"hx-request": "true"}):
        page = site.get(path, headers=headers)
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "<script>alert" not in page.text
        assert "<img" not in page.text
        assert "49" not in re.findall(r"\{\{(.*?)\}\}", page.text)
        assert not re.search(r'href="\s*javascript:', page.text)
        assert " style=" not in page.text
        assert not re.search(r"\son\w+=", re.sub(r"&lt;.*?&gt;", "", page.text))
        assert not re.findall(r'(?:src|href)="(?:https?:)?//', page.text)
        if not headers:
            assert "</html>" in page.text


@pytest.mark.parametrize("path", PAGES)
def test_every_page_is_there_before_anything_has_happened(site: Site, path: str) -> None:
    assert site.get(path).status_code == (404 if "acme" in path else 200)


def test_whoever_waits_too_long_comes_first_and_leaves_once_contacted(site: Site) -> None:
    late, asked, other = (f"email:{name}@x.example" for name in ("late", "asked", "other"))
    site.put(*(lead_score(number, NOW_MS, lead=name) for number, name in enumerate((late, asked, other))))
    site.put(alert(late, NOW_MS - 2 * 3_600_000), alert(asked, NOW_MS - 60_000, held_until_ms=NOW_MS + 1))
    deck = site.json("/api/now")
    shown = {name: [call["row"]["lead"] for call in deck[name]] for name in ("overdue", "raised_hands", "next")}
    assert shown == {"overdue": [late], "raised_hands": [asked], "next": [other]}
    site.put(FollowUp(id="f", lead=late, action="contacted", time=NOW_MS, by="jo"))
    deck = site.json("/api/now")
    assert deck["overdue"] == []
    assert late in [call["row"]["lead"] for call in deck["next"]]


def test_mine_are_those_that_i_own_by_myself_or_by_their_account(site: Site) -> None:
    site.put(account_score(1, NOW_MS, owner="Jo Marsh"))
    site.put(lead_score(1, NOW_MS, contact={"name": "Ann"}), lead_score(2, NOW_MS, contact={"owner": "Bo"}))
    mine = site.json("/api/now?owner=Jo+Marsh")["next"]
    assert [call["row"]["lead"] for call in mine] == [lead_score(1, NOW_MS).lead]


@pytest.mark.parametrize("action", ["accepted", "rejected", "contacted"])
def test_a_button_writes_a_follow_up_with_its_person(site: Site, action: str) -> None:
    fill(site)
    form = {"action": action, "reason": "not_ready"}
    answer = site.post("/leads/ann@acme.example/follow-ups", data=form, headers={"hx-request": "true"})
    assert answer.status_code == 200
    (done,) = site.broker.follow_ups
    assert (done.lead, done.action, done.by, done.source) == (ANN, action, "local", "dashboard")


def test_without_scripts_a_button_leads_back(site: Site) -> None:
    fill(site)
    answer = site.post("/leads/ann@acme.example/follow-ups", data={"action": "accepted"}, headers={"referer": "/x"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/x")


def test_a_rejection_without_a_known_reason_is_refused(site: Site) -> None:
    fill(site)
    answer = site.post("/leads/ann@acme.example/follow-ups", data={"action": "rejected", "reason": "bored"})
    assert answer.status_code == 400
    assert "bad_fit" in answer.text
    assert site.broker.follow_ups == []


def test_a_dead_letter_is_given_to_its_topic_again_and_then_gone(site: Site) -> None:
    topic = f"{site.settings.prefix}.web-events.v1"
    letter = make_dead_letter(EventError("failed", "", "x"), at_ms=NOW_MS, topic=topic, value=b"{}", key=b"k", offset=3)
    site.put(letter)
    assert "Replay" in site.get("/health").text
    assert site.post(f"/health/dead-letters/{letter.id}/replay").status_code == 303
    original, settled = site.broker.records
    assert (original.topic, original.key, original.value) == (topic, b"k", b"{}")
    last: Any = msgspec.json.decode(settled.value)
    assert (last["id"], last["settled"], last["by"]) == (letter.id, "replayed", "local")
    site.put(msgspec.structs.replace(letter, settled="replayed"))
    assert "Replay" not in site.get("/health").text


def test_what_the_gateway_refused_is_not_offered_for_replay(site: Site) -> None:
    site.put(make_dead_letter(EventError("malformed", "", "x"), at_ms=NOW_MS, topic="http:/v1/batch", value=b"{"))
    page = site.get("/health").text
    assert "Replay" not in page
    assert "Drop" in page


def test_an_account_page_tells_what_the_customer_is_worth_and_who_said_so(site: Site) -> None:
    fill(site)
    page = re.sub(r"\s+", " ", site.get("/accounts/acme.example").text)
    for words in (
        "Customer value",
        "<b>2.50</b> of 4",
        "75 % known",
        "C by itself",
        "by Ann Lee",
        "1,200.50",
        "unknown",
    ):
        assert words in page, words


def test_a_customer_is_rated_by_hand_with_who_said_so(site: Site) -> None:
    fill(site)
    form = {"criterion": "fits_profile", "answer": "yes"}
    answer = site.post("/accounts/acme.example/ratings", data=form, headers={"hx-request": "true"})
    assert (answer.status_code, "rated by" in answer.text) == (200, True)
    site.post("/accounts/acme.example/ratings", data={"criterion": "fits_profile", "answer": " "})
    told = site.post("/api/accounts/acme.example/ratings", json={"ratings": {"revenue_potential": True}})
    assert told.status_code == 202
    rated = [(each.type, each.domain, each.properties["ratings"]) for each in site.broker.updates]
    assert rated == [
        ("rating", "acme.example", {"fits_profile": "yes"}),
        ("rating", "acme.example", {"fits_profile": None}),
        ("rating", "acme.example", {"revenue_potential": True}),
    ]
    assert all(each.properties["by"] for each in site.broker.updates)
    for each in site.broker.updates:
        check_account_update(each, site.now_ms)


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ({"fit_profile": "yes"}, "ratings.fit_profile: is not a criterion of the model; did you mean"),
        ({"fits_profile": "perhaps"}, "ratings.fits_profile: 'perhaps' is neither yes nor no"),
        ({}, "properties.ratings: is required"),
    ],
)
def test_a_rating_that_the_model_does_not_ask_for_is_refused_by_its_name(
    site: Site, ratings: dict[str, Any], message: str
) -> None:
    fill(site)
    answer = site.post("/api/accounts/acme.example/ratings", json={"ratings": ratings})
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"].replace('"', "'")
    assert not site.broker.updates
