"""The invented world: the same for a seed, believable, scored without a fault, silent in history and hot in life."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice, pairwise
from random import Random

import pytest

from scoring.account_records import AccountScore
from scoring.account_updates import AccountUpdate, check_account_update
from scoring.events import EMAIL_TYPES, Event, check_event
from scoring.model import ScoringModel
from scoring.outcomes import Outcome
from scoring.score_records import LeadScore
from streams.demo.cast import PEOPLE, Habit, people
from streams.demo.companies import COMPANIES, COMPETITOR
from streams.demo.history import HOUR_MS
from streams.demo.life import Happening
from streams.demo.world import World
from streams.records import encode
from tests.demo.worlds import NOW, events_of, life_of, replayed_history, take

SEEDS = (1, 2, 3)


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def history(world: World) -> list[Event]:
    return world.history(NOW)


@dataclass(frozen=True)
class Lived:
    """A world whose history and the first seconds of whose life were scored."""

    history: Outcome
    accounts: list[AccountScore]
    """When its life began."""
    life: Outcome
    scores: list[LeadScore]


@pytest.fixture(scope="module")
def lived(model: ScoringModel) -> Callable[[int, float], Lived]:
    """Return what lives in the world of a seed for some seconds; what tests share is scored once."""

    @cache
    def live(seed: int, seconds: float) -> Lived:
        world = World(seed)
        replay, history = replayed_history(model, world)
        accounts = [*replay.accounts()]
        life = take(replay, life_of(world, seconds))
        return Lived(history, accounts, life, [*replay.scores()])

    return live


def encoded(happenings: list[Happening]) -> list[bytes]:
    return [encode(each) for each in happenings]


def somebody(event: Event) -> str:
    """Return the number of whoever an event is about: all their identities end in it."""
    if event.type in EMAIL_TYPES:
        return str(event.properties["message"]).rpartition("-")[2]
    return str(int((event.anonymous_id or event.user_id or "").rpartition("-")[2]))


def test_a_seed_gives_the_same_world_each_time(world: World, history: list[Event]) -> None:
    assert World().people == world.people
    assert encoded([*World().history(NOW)]) == encoded([*history])
    assert encoded([*World().companies(NOW)]) == encoded([*world.companies(NOW)])
    assert encoded(life_of(World(), 60)) == encoded(life_of(world, 60))


def test_another_seed_gives_another_world(world: World, history: list[Event]) -> None:
    assert World(2).people != world.people
    assert encoded([*World(2).history(NOW)]) != encoded([*history])


@pytest.mark.parametrize("seed", SEEDS)
def test_every_event_is_one_that_can_be_scored(seed: int) -> None:
    world = World(seed)
    history, life = world.history(NOW), life_of(world, 120)
    for event in history:
        check_event(event, NOW)
        assert event.lead_id
    for event in events_of(life):
        check_event(event, int(event.time))
        assert event.lead_id
    companies = world.companies(NOW)
    updates = [update for update in life if isinstance(update, AccountUpdate)]
    assert len(updates) >= 5
    for update in companies:
        check_account_update(update, NOW)
    for update in updates:
        check_account_update(update, int(update.time))
    ids = [each.id for each in [*history, *life, *companies]]
    assert len(set(ids)) == len(ids)


def test_nobody_and_no_company_exists(world: World) -> None:
    assert len({person.company for person in world.people}) == len(COMPANIES) == 25
    assert {person.company.domain.rpartition(".")[2] for person in world.people} == {"example"}


def test_no_two_people_share_an_address_not_even_newcomers() -> None:
    addresses = [person.email for person in islice(people(Random("1 people")), PEOPLE + 2000)]
    assert len(set(addresses)) == len(addresses)


def test_most_people_look_once_and_few_are_serious(world: World, history: list[Event]) -> None:
    shares = {habit: count / PEOPLE for habit, count in Counter(person.habit for person in world.people).items()}
    assert shares.keys() == set(Habit)
    assert shares[Habit.PASSER_BY] > 0.4
    assert shares[Habit.RESEARCHER] + shares[Habit.BUYER] < 0.2
    views = Counter(somebody(event) for event in history if event.type == "page_viewed")
    assert sum(1 for count in views.values() if count <= 2) > 0.4 * len(views)
    assert 0.2 < sum(1 for person in world.people if not person.known) / PEOPLE < 0.5


def test_sixty_days_of_a_few_thousand_events_in_order_and_none_of_the_last_day(history: list[Event]) -> None:
    times = [int(event.time) for event in history]
    assert 4_000 < len(history) < 7_000
    assert times == sorted(times)
    assert 55 * 24 * HOUR_MS < NOW - times[0] < 64 * 24 * HOUR_MS
    assert NOW - times[-1] >= 26 * HOUR_MS


def test_visits_keep_office_hours_and_avoid_weekends(history: list[Event]) -> None:
    views = [event for event in history if event.type == "page_viewed" and "campaign" in (event.context or {})]
    own = [event for event in views if (event.context or {})["campaign"]["source"] != "newsletter"]
    moments = [datetime.fromtimestamp(int(event.time) / 1000, UTC) for event in own]
    assert all(8 <= moment.hour < 20 for moment in moments)
    assert sum(1 for moment in moments if moment.weekday() >= 5) < 0.1 * len(moments)


def test_pages_of_a_visit_are_read_for_as_long_as_they_say(history: list[Event]) -> None:
    by_person = defaultdict(list)
    for event in history:
        if event.type == "page_viewed" and "seconds" in event.properties:
            by_person[somebody(event)].append(event)
    gaps = [
        (int(later.time) - int(earlier.time)) / 1000 >= earlier.properties["seconds"] - 0.002
        for events in by_person.values()
        for earlier, later in pairwise(events)
        if int(later.time) - int(earlier.time) < HOUR_MS and earlier.context is later.context
    ]
    assert len(gaps) > 100
    assert all(gaps)


def test_fewer_messages_are_opened_than_delivered_and_fewer_clicked_than_opened(history: list[Event]) -> None:
    counts = Counter(event.type for event in history)
    sent, delivered = counts["email_sent"], counts["email_delivered"]
    opened, clicked = counts["email_opened"], counts["email_clicked"]
    assert sent >= delivered > 0.95 * sent
    assert 0.2 * delivered < opened < 0.6 * delivered
    assert 0.05 * opened < clicked < 0.5 * opened


def test_who_unsubscribes_gets_no_further_newsletter(history: list[Event]) -> None:
    left = {event.lead_id: int(event.time) for event in history if event.type == "email_unsubscribed"}
    assert len(left) > 3
    for event in history:
        if event.type == "email_sent" and event.lead_id in left:
            assert int(event.time) < left[event.lead_id]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_third_of_all_events_come_by_a_weaker_identity_than_the_address(seed: int) -> None:
    world = World(seed)
    history, life = world.history(NOW), events_of(life_of(world, 60))
    for events in (history, life):
        assert sum(event.email is None for event in events) >= 0.3 * len(events)
    views = [event for event in [*history, *life] if event.type == "page_viewed"]
    assert sum(event.email is None and event.user_id is None for event in views) > 0.6 * len(views)


def test_a_newcomer_is_a_cookie_until_a_form_tells_who_it_is_and_our_own_id_from_then_on() -> None:
    visits = defaultdict(list)
    for event in events_of(life_of(World(), 400)):
        if int(somebody(event)) > PEOPLE:
            visits[somebody(event)].append(event)
    introduced = [events for events in visits.values() if any(event.type == "form_submitted" for event in events)]
    assert len(introduced) > 50
    for events in introduced:
        at = next(number for number, event in enumerate(events) if event.type == "identified")
        assert at > 0
        assert all(event.lead_id.startswith("anon:") for event in events[:at])
        identified, grouped, form = events[at : at + 3]
        assert (grouped.type, form.type) == ("grouped", "form_submitted")
        for event in (identified, grouped, form):
            assert event.email
            assert event.user_id
            assert event.anonymous_id
        assert all(event.user_id and event.anonymous_id for event in events[at + 3 :])


def test_a_click_in_an_email_shows_both_the_address_and_the_cookie(history: list[Event]) -> None:
    clicks = [event for event in history if event.type == "email_clicked"]
    assert len(clicks) > 50
    assert all(event.email and event.anonymous_id for event in clicks)


def test_companies_are_told_of_by_id_and_domain_and_of_some_little_is_known(world: World) -> None:
    told = {update.domain: update for update in world.companies(NOW) if update.type == "account_updated"}
    assert told.keys() == {company.domain for company in COMPANIES}
    assert all(update.account_id for update in told.values())
    assert sum(len(update.facts or {}) <= 3 for update in told.values()) == 4
    assert sum("owner" in (update.facts or {}) for update in told.values()) > 15


@pytest.mark.parametrize("seed", SEEDS)
def test_companies_differ_in_how_well_they_fit_and_how_engaged_they_are(
    lived: Callable[[int, float], Lived], seed: int
) -> None:
    accounts = {account.account: account for account in lived(seed, 60).accounts}
    assert accounts.keys() == {f"domain:{company.domain}" for company in COMPANIES}
    levels = Counter(account.level for account in accounts.values())
    assert min(levels[level] for level in ("strong", "moderate", "weak", "unknown")) >= 3
    assert levels["excluded"] == 1
    assert accounts[f"domain:{COMPETITOR.domain}"].reason == "is a competitor"
    assert {account.band for account in accounts.values()} == {"cold", "aware", "engaged"}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_minute_of_life_brings_signals_of_many_kinds_and_makes_people_of_visitors(
    lived: Callable[[int, float], Lived], seed: int
) -> None:
    history, life = lived(seed, 60).history, lived(seed, 60).life
    assert history.signals == []
    assert len(history.merged) > 100
    assert len(life.merged) >= 8
    assert len(life.signals) >= 15
    assert {"buying_group", "hand_raise", "evaluation", "company_news"} <= {each.signal for each in life.signals}
    assert sum(each.time_ms < NOW + 15_000 for each in life.signals) >= 4
    assert any(len(each.people) >= 3 for each in life.signals if each.signal == "buying_group")


def test_bad_news_of_companies_are_signals_too(lived: Callable[[int, float], Lived]) -> None:
    bad = [each for each in lived(1, 300).life.signals if each.polarity == "negative"]
    assert any(each.time_ms <= NOW + 180_000 for each in bad)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("hours", [0, 11.99, -12])
def test_the_history_makes_leads_hot_and_alerts_nobody(model: ScoringModel, seed: int, hours: float) -> None:
    now_ms = NOW + int(hours * HOUR_MS)
    replay, outcome = replayed_history(model, World(seed), now_ms)
    assert outcome.alerts == []
    bands = Counter(record.band for record in replay.scores())
    assert bands["hot"] >= 2
    assert bands["warm"] >= 20
    assert bands["cold"] > 0.6 * sum(bands.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_life_makes_leads_hot_every_few_seconds_by_points_and_by_requests(
    lived: Callable[[int, float], Lived], seed: int
) -> None:
    alerts = lived(seed, 60).life.alerts
    assert {alert.kind for alert in alerts} == {"entered"}
    assert any(alert.time_ms < NOW + 6_000 for alert in alerts), "nobody is hot within six seconds"
    assert sum(alert.time_ms < NOW + 30_000 for alert in alerts) >= 6
    gaps_ms = [later.time_ms - earlier.time_ms for earlier, later in pairwise(alerts)]
    assert max(gaps_ms) < 15_000
    by_points = [alert for alert in alerts if alert.score >= 100]
    by_request = [alert for alert in alerts if alert.held_until_ms is not None]
    assert len(by_points) >= 5
    assert len(by_request) >= 3
    for alert in alerts:
        assert sum(line.points for line in alert.ledger) == pytest.approx(alert.score, abs=1e-5)


@pytest.mark.parametrize("seconds", [300, pytest.param(600, marks=pytest.mark.thorough)])
def test_life_goes_on_with_newcomers(lived: Callable[[int, float], Lived], seconds: int) -> None:
    late_ms = NOW + (seconds - 60) * 1000
    late = [alert for alert in lived(1, seconds).life.alerts if alert.time_ms > late_ms]
    assert len(late) >= 10


def test_the_names_of_the_default_model_are_used(model: ScoringModel, lived: Callable[[int, float], Lived]) -> None:
    matched = {line.rule for record in lived(1, 300).scores for line in record.rules}
    quiet = {
        "email_open",
        "email_reply",
        "spam_complaint",
        "lost_opportunity",
        "form_error",
        "social_follow",
        "social_unfollow",
    }
    assert matched == model.rules.keys() - quiet
