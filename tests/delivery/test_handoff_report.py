"""What the report on handoffs counts, alert by alert and line by line, and how it is printed."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import Callable

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from scoring.alerts import Alert
from scoring.errors import SettingsError
from scoring.follow_ups import FollowUp, encode_follow_up
from streams.cli.report import Form, handoff
from streams.clock import now_ms
from streams.delivery.handoff_report import Line, summarise, tell_stories, total
from streams.settings import Settings
from streams.topics import FOLLOW_UPS, HOT_LEADS, create_topics
from tests.delivery.builders import HOUR, MONDAY_9H, cooled, entered

NOW = MONDAY_9H
DAY = 24 * HOUR


def answer(action: str, time_ms: int, lead: str = "user:1", by: str = "ann", **changes: str) -> FollowUp:
    return FollowUp(id=f"{action} {time_ms} {lead}", lead=lead, action=action, time=time_ms, by=by, **changes)


def line(alerts: list[Alert], *answers: FollowUp, now_ms: int = NOW + 30 * DAY) -> Line:
    return total(tell_stories(alerts, answers), now_ms, 7 * DAY)


ONE = [entered("user:1")]


def test_waits_count_from_the_alert_to_the_first_acceptance_and_contact() -> None:
    found = line(ONE, answer("accepted", NOW + HOUR), answer("contacted", NOW + 2 * HOUR), answer("won", NOW + DAY))
    assert (found.handoff_s, found.contact_s, found.won) == (3_600, 7_200, 1)
    assert (found.accepted, found.rejected, found.acceptance, found.lost) == (1, 0, 1.0, 0)


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], {"lost": 1, "answered": 0, "acceptance": None}),
        ([answer("breached", NOW + HOUR, by="bob")], {"lost": 1, "breaches": 1}),
        ([answer("rejected", NOW, reason="not_ready")], {"early": 1, "rejected": 1, "acceptance": 0.0, "lost": 0}),
        ([answer("rejected", NOW, reason="bad_fit")], {"early": 0, "rejected": 1}),
        ([answer("contacted", NOW - 1)], {"late": 1, "answered": 0}),
        ([answer("opportunity", NOW - 90 * DAY)], {"late": 1}),
        ([answer("accepted", NOW - 1)], {"late": 0}),
        ([answer("contacted", NOW - 1, alert_id=ONE[0].id)], {"late": 0, "answered": 1, "contact_s": 0.0}),
        ([answer("adjusted", NOW + 1)], {"answered": 0}),
        ([answer("contacted", NOW + 1, lead="user:2")], {"answered": 0}),
        ([answer("accepted", NOW + 1), answer("accepted", NOW + 1)], {"answered": 1, "accepted": 1}),
    ],
)
def test_every_case_is_counted_as_it_is_meant(answers: list[FollowUp], expected: dict[str, object]) -> None:
    found = line(ONE, *answers)
    assert {name: getattr(found, name) for name in expected} == expected


def test_an_alert_is_lost_when_nobody_has_answered_for_so_long_and_not_before() -> None:
    assert [line(ONE, now_ms=NOW + 7 * DAY - 1).lost, line(ONE, now_ms=NOW + 7 * DAY).lost] == [0, 1]


def test_an_answer_belongs_to_the_latest_alert_before_it_and_a_cooling_is_no_alert() -> None:
    first, second = entered("user:1", 1, NOW), entered("user:1", 2, NOW + 10 * DAY)
    stories = tell_stories([second, first, cooled(first, NOW + DAY)], [answer("contacted", NOW + 10 * DAY + 5)])
    assert [(each.alert.id, len(each.answers), each.is_late) for each in stories] == [
        (first.id, 0, False),
        (second.id, 1, False),
    ]


def test_there_is_a_line_per_band_and_owner() -> None:
    alerts = [entered("user:1"), entered("user:2", contact={"owner": "eve"}), entered("user:3", band="warm")]
    lines = summarise(tell_stories(alerts, [answer("accepted", NOW + 1)]), NOW, DAY)
    assert [(each.band, each.owner, each.alerts) for each in lines] == [
        ("hot", "ann", 1),
        ("hot", "eve", 1),
        ("warm", "", 1),
    ]


async def fill(settings: Settings, now: int) -> None:
    await create_topics(settings)
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers)
    await producer.start()
    for number, days in ((1, 1), (2, 40)):
        alert = entered(f"user:{number}", number, now - days * DAY)
        topic = HOT_LEADS.full_name(settings.prefix)
        await producer.send_and_wait(topic, msgspec.json.encode(alert), key=alert.lead.encode())
    taken = answer("contacted", now - DAY + HOUR, by="=HYPERLINK(1)")
    await producer.send_and_wait(FOLLOW_UPS.full_name(settings.prefix), encode_follow_up(taken), key=b"user:1")
    await producer.send_and_wait(FOLLOW_UPS.full_name(settings.prefix), b"{", key=b"user:1")
    await producer.stop()


@pytest.mark.kafka
def test_the_report_reads_the_topics_and_prints_a_table_csv_and_json(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = settings(partitions=2)
    monkeypatch.setenv("LEADHEAT_BROKERS", ours.brokers)
    monkeypatch.setenv("LEADHEAT_PREFIX", ours.prefix)
    asyncio.run(fill(ours, now_ms()))
    handoff(form=Form.JSON)
    rows = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    assert [(row["band"], row["alerts"], row["contact_s"]) for row in rows] == [("hot", 1, 3600), ("all", 1, 3600)]
    handoff(since="60d", form=Form.CSV)
    first, *_, last = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert (first["owner"], last["alerts"], last["lost"]) == ("", "2", "1")
    handoff(since="60d", form=Form.CSV)
    assert "'=HYPERLINK(1)" in capsys.readouterr().out
    handoff(form=Form.TABLE)
    assert "1 h 00 min" in capsys.readouterr().out
    with pytest.raises(SettingsError, match="--since 'soon': expected 30d"):
        handoff(since="soon")
