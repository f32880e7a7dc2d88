"""``POST /v1/customers/segment`` rates a table of customers, keeps nothing, and names every fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.gateway.conftest import Gateway

ROUTE = "/v1/customers/segment"
QUESTIONS = ("fits_profile", "offer_meets_need", "low_service_effort", "revenue_potential")


def customer(name: str, words: str, **more: Any) -> dict[str, Any]:
    answers = {question: word == "y" for question, word in zip(QUESTIONS, words, strict=True) if word != "-"}
    return {"customer": name, "facts": {**answers, **more.pop("facts", {})}, **more}


def test_a_table_comes_back_in_segments_with_the_pareto_report_and_nothing_is_written(gateway: Gateway) -> None:
    table = [
        customer("acme.com", "yyy-", ratings={"revenue_potential": "yes"}, facts={"revenue": 800, "profit": None}),
        customer("bolt.example", "yyyn", facts={"revenue": "150.5"}),
        customer("cork.example", "yynn", facts={"revenue": 49.5}),
        customer("dust.example", "nnnn", override={"segment": "a", "reason": "a reference", "until": (4e12).__int__()}),
    ]
    answer = gateway.post(ROUTE, {"customers": table})
    assert answer.status_code == 200
    found = answer.json()
    assert [(each["customer"], each["segment"], each["value"]) for each in found["customers"]] == [
        ("acme.com", "A", 4.0),
        ("bolt.example", "B", 3.0),
        ("cork.example", "C", 2.0),
        ("dust.example", "A", 0.0),
    ]
    assert found["customers"][3]["automatic"] == "exit"
    assert [(each["segment"], each["customers"]) for each in found["segments"]] == [
        ("A", 2),
        ("B", 1),
        ("C", 1),
        ("exit", 0),
        ("unknown", 0),
    ]
    assert (found["pareto"][0]["needed"], found["pareto"][0]["known"]) == (1, 3)
    assert (gateway.events, gateway.updates, gateway.letters) == ([], [], [])


def test_every_fault_is_named_with_the_customer_that_has_it(gateway: Gateway) -> None:
    table = [
        customer("acme.com", "yyyy", facts={"fits_profile": "perhaps"}, ratings={"revenue_potental": 1}),
        customer("ACME.com", "yyyy"),
        customer("bolt.example", "yyyy", override={"segment": "D", "reason": "x", "until": "2027-01-01T00:00:00Z"}),
        customer("cork.example", "yyyy", override={"segment": "A", "reason": "x", "until": "soon"}),
        {"customer": 7},
        {"customer": "dust.example", "fact": {}},
        customer("elm.example", "yyyy", ratings={"fits_profile": 2}),
    ]
    answer = gateway.post(ROUTE, {"customers": table})
    assert answer.status_code == 400
    assert [(fault["index"], fault["field"]) for fault in answer.json()["errors"]] == [
        (0, "ratings.revenue_potental"),
        (0, "fits_profile"),
        (1, "customer"),
        (2, "override.segment"),
        (3, "override.until"),
        (4, "customer"),
        (5, ""),
        (6, "ratings.fits_profile"),
    ]
    assert answer.json()["errors"][0]["message"] == (
        "'revenue_potental' is not a criterion; did you mean 'revenue_potential'?"
    )


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"{", 400, "malformed"),
        ([], 400, "wrong_type"),
        ({"customers": []}, 400, "missing_field"),
        ({"customers": [{}] * 2_001}, 413, "too_large"),
        ({"customers": [{}], "by": "size"}, 400, "wrong_type"),
        ({"customers": [], "model": {}}, 400, "wrong_type"),
    ],
)
def test_what_is_no_table_is_refused(gateway: Gateway, body: object, status: int, reason: str) -> None:
    answer = gateway.post(ROUTE, body)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (status, reason)


def test_only_who_may_send_may_ask(make_gateway: Callable[..., Gateway]) -> None:
    assert make_gateway("192.0.2.1").post(ROUTE, {"customers": []}).status_code == 403
    assert make_gateway(write_keys="site=abc123").post(ROUTE, {"customers": []}).status_code == 401
