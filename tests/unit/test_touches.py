"""First and last touch: where somebody came from, and to which page."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.agreement import agreed
from tests.unit.builders import NOW, event, live, model_of

TYPES = ["page_viewed", "email_clicked", "email_opened"]
MODEL = model_of(
    {
        "all": {"on": TYPES, "points": 30, "half_life_days": 36_500},
        "last": {"on": "form_submitted", "points": 100, "half_life_days": 1},
    },
    {"warm": {"enter": 30, "leave": 20}, "hot": {"enter": 100, "leave": 90, "cooldown_h": 0}},
)
SPRING = {"source": "google", "medium": "cpc", "name": "spring"}
Texts = tuple[str, str, str, str]


def touches(*events: dict[str, Any]) -> tuple[tuple[int, Texts] | None, tuple[int, Texts] | None]:
    """Return ms since the start, and texts, of the first and the last touch in the alert that a form then causes."""
    # A form with neither source nor page has no touch of its own.
    form = event("form", max(each["time"] for each in events), "form_submitted")
    alert = agreed(MODEL, [(each, NOW + 1_000) for each in (*events, form)]).outcome.alerts[-1]
    first, last = (
        None if each is None else (each.time_ms - NOW, (each.source, each.medium, each.campaign, each.page))
        for each in (alert.first_touch, alert.last_touch)
    )
    return first, last


def touch(
    properties: dict[str, Any] | None = None, context: Any = None, event_type: str = "page_viewed"
) -> Texts | None:
    """Return the texts of one event's touch."""
    first, last = touches(event("a", NOW, event_type, properties=properties or {}, context=context))
    assert last == (first if first is not None and (first[1][0] or first[1][2]) else None)
    return None if first is None else first[1]


# ── one event ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("context", "properties", "source"),
    [
        ({"campaign": SPRING}, {}, ("google", "cpc", "spring")),
        ({}, {"utm_source": "li", "utm_medium": "social", "utm_campaign": "c"}, ("li", "social", "c")),
        ({"campaign": SPRING}, {"utm_source": "li", "utm_medium": "social"}, ("google", "cpc", "spring")),
        ({"campaign": {"source": "google"}}, {}, ("google", "", "")),
        ({"campaign": {"name": "spring"}}, {}, ("", "", "spring")),
        ({"campaign": SPRING, "page": {"referrer": "https://a.example/"}}, {}, ("google", "cpc", "spring")),
        ({"page": {"referrer": "https://A.example:81/b?c"}}, {}, ("a.example", "referral", "")),
        ({}, {"referrer": "https://a.example/b"}, ("a.example", "referral", "")),
        ({"referrer": {"url": "https://a.example/b"}}, {}, ("a.example", "referral", "")),
        ({"page": {"referrer": "https://a.example"}}, {"referrer": "https://b.example"}, ("a.example", "referral", "")),
    ],
)
def test_a_source_is_a_campaign_or_else_a_referrer(
    context: Any, properties: dict[str, Any], source: tuple[str, ...]
) -> None:
    assert touch(properties, context) == (*source, "")


@pytest.mark.parametrize(
    ("context", "properties"),
    [
        ({}, {}),
        (None, {"path": ""}),
        ({"campaign": "spring"}, {"utm_source": 7}),
        ({"campaign": {"source": None, "name": ["a"]}}, {"utm_medium": "cpc"}),
        ({"page": {"referrer": "not a url"}}, {"path": 5}),
        ({"page": "https://a.example"}, {"url": "https://a.example"}),
        ({"page": {"referrer": "http://[broken"}}, {"url": "http://[broken"}),
    ],
)
def test_without_source_campaign_and_page_there_is_no_touch(context: Any, properties: dict[str, Any]) -> None:
    assert touch(properties, context) is None


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, ("email", "email", "", "")),
        ({"campaign": "news"}, ("email", "email", "news", "")),
        ({"campaign": 7, "url": "https://us.example/a"}, ("email", "email", "", "/a")),
        ({"utm_source": "x", "campaign": "news"}, ("x", "", "", "")),
    ],
)
def test_an_email_click_without_a_source_comes_from_email(properties: dict[str, Any], expected: Texts) -> None:
    assert touch(properties, event_type="email_clicked") == expected


def test_only_a_click_comes_from_email() -> None:
    assert touch({"campaign": "news"}, event_type="email_opened") is None


@pytest.mark.parametrize(
    ("properties", "context", "page"),
    [
        ({"path": "/a", "url": "https://us.example/b"}, {"page": {"path": "/c"}}, "/a"),
        ({"url": "https://us.example/b?q=1#x"}, {"page": {"path": "/c"}}, "/b"),
        ({}, {"page": {"path": "/c", "url": "https://us.example/d"}}, "/c"),
        ({}, {"page": {"url": "https://us.example/d"}}, "/d"),
    ],
)
def test_the_page_is_a_path_or_that_of_an_address(properties: dict[str, Any], context: Any, page: str) -> None:
    assert touch(properties, context) == ("", "", "", page)


def test_texts_are_kept_to_100_characters() -> None:
    long = {"utm_source": "s" * 101, "utm_medium": "m" * 200, "utm_campaign": "c" * 100, "path": "/" + "p" * 100}
    assert touch(long) == ("s" * 100, "m" * 100, "c" * 100, "/" + "p" * 99)


# ── first and last ───────────────────────────────────────────────────────────────────────────────────────────


def from_source(event_id: str, after_ms: int, source: str = "", path: str = "") -> dict[str, Any]:
    return event(event_id, NOW + after_ms, properties={"utm_source": source, "path": path})


def test_the_first_touch_may_be_a_page_alone_and_the_last_may_not() -> None:
    first, last = touches(from_source("a", 0, path="/"), from_source("b", 1, "x"), from_source("c", 2, path="/z"))
    assert first == (0, ("", "", "", "/"))
    assert last == (1, ("x", "", "", ""))


def test_pages_alone_make_no_last_touch() -> None:
    assert touches(from_source("a", 0, path="/"))[1] is None


def test_a_late_event_becomes_the_first_touch_and_not_the_last() -> None:
    first, last = touches(from_source("a", 5, "now"), from_source("b", 0, "before"))
    assert (first, last) == ((0, ("before", "", "", "")), (5, ("now", "", "", "")))


def test_of_equal_times_the_smaller_is_first_and_the_larger_last() -> None:
    for order in ("abc", "cba", "bca"):
        first, last = touches(*(from_source(name, 0, name) for name in order))
        assert (first, last) == ((0, ("a", "", "", "")), (0, ("c", "", "", "")))


def test_a_repeated_event_is_no_touch() -> None:
    first, last = touches(from_source("a", 1, "x"), from_source("a", 0, "y"), from_source("a", 2, "z"))
    assert first == last == (1, ("x", "", "", ""))


def test_an_event_that_no_rule_counts_is_a_touch_too() -> None:
    seen = event("v", NOW, "video_watched", properties={"utm_source": "tube"})
    first, _ = touches(seen, from_source("a", 1, "x"))
    assert first == (0, ("tube", "", "", ""))


def test_an_alert_knows_the_touch_of_its_own_cause() -> None:
    cause = event("a", NOW, "form_submitted", properties={"path": "/demo"}, context={"campaign": SPRING})
    (alert,) = agreed(MODEL, live([cause])).outcome.alerts
    assert alert.last_touch == alert.first_touch
    assert alert.last_touch is not None
    assert (alert.last_touch.source, alert.last_touch.page) == ("google", "/demo")


# ── evidence ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("properties", "subject"),
    [
        ({"path": "/a", "form": "f", "url": "u"}, "f"),
        ({"path": 5, "form": "", "asset": "guide"}, "guide"),
        ({"name": "n", "path": "/p", "url": "u"}, "/p"),
        ({"name": "n", "link": "l", "webinar": "w"}, "w"),
        ({"campaign": "c", "url": "https://x"}, "https://x"),
        ({"other": "o"}, ""),
        ({"path": "/" + "p" * 100}, "/" + "p" * 79),
    ],
)
def test_a_line_says_what_its_latest_match_was_about(properties: dict[str, Any], subject: str) -> None:
    (alert,) = agreed(MODEL, live([event("a", NOW, "form_submitted", properties=properties)])).outcome.alerts
    assert [line.subject for line in alert.ledger] == [subject]


def lines_after(*events: dict[str, Any]) -> list[Any]:
    done = agreed(MODEL, [(each, NOW + 1_000) for each in (*events, event("form", NOW + 100, "form_submitted"))])
    return [line for line in done.outcome.alerts[-1].ledger if line.rule == "all"]


def test_a_late_match_does_not_say_what_the_latest_was_about() -> None:
    (line,) = lines_after(
        event("a", NOW + 1, properties={"path": "/new"}), event("b", NOW, properties={"path": "/old"})
    )
    assert (line.subject, line.last_ms, [each.time_ms - NOW for each in line.events]) == ("/new", NOW + 1, [1, 0])


def test_a_line_names_the_latest_ten_events_by_time_then_by_arrival() -> None:
    times = [5, 1, 1, 7, 3, 2, 9, 4, 8, 6, 0, 10]
    events = [event(f"e-{n}", NOW + time) for n, time in enumerate(times)]
    slow = model_of(
        {"all": {"on": "page_viewed", "points": 10, "half_life_days": 36_500}},
        {"hot": {"enter": 119, "leave": 90, "cooldown_h": 0}},
    )
    (alert,) = agreed(slow, [(each, NOW + 10) for each in events]).outcome.alerts
    (line,) = alert.ledger
    assert [each.time_ms - NOW for each in line.events] == [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]
    assert len({each.hash for each in line.events}) == 10
    assert all(len(each.hash) == 16 for each in line.events)
