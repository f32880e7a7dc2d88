"""On the real Kafka: what is dead is retried by a person, and clocks fire on time although delivery is killed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from aiokafka import AIOKafkaProducer

from scoring.errors import SettingsError
from scoring.follow_ups import FollowUp, decode_follow_up, encode_follow_up
from streams.cli.deliveries import list_deliveries, retry
from streams.clock import now_ms
from streams.reading import open_topic
from streams.settings import Settings
from streams.topics import FOLLOW_UPS, create_topics
from tests.delivery.builders import entered, write_file
from tests.delivery.receiver import Receiver
from tests.delivery.test_certain import environment, send, wait_until_done
from tests.e2e.workers import Workers

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(120)]

WITHIN_S = 15.0
KILLED_BEFORE_S = 3.0  # it takes longer to be back on a busy machine
LATE_MAX_S = 5.0


async def gone_and_retried(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    await create_topics(settings)
    receiver = Receiver(fault_share=0, is_gone=lambda _: True)
    path = write_file(settings.data_dir / "delivery.yaml", await receiver.start())
    await send(settings, [entered(f"user:{number}", number, now_ms()) for number in range(3)])
    log = settings.data_dir / "delivery.log"
    async with Workers(settings, 1, log, command="streams.cli delivery", **environment(path)):
        await wait_until_done(settings, 3, 60)
        capsys.readouterr()
        await asyncio.to_thread(list_deliveries, as_json=True)
        listed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert {(each["state"], each["reason"]) for each in listed} == {("dead", "answered 410 Gone")}
        await asyncio.to_thread(list_deliveries, as_json=False)
        assert "3 dead" in capsys.readouterr().out
        with pytest.raises(SettingsError, match="which ones"):
            retry()
        receiver.is_gone = lambda _: False
        one = listed[0]["id"]
        await asyncio.to_thread(retry, [one], yes=True, by="ann")
        await until(lambda: receiver.taken == [one])
        await asyncio.to_thread(retry, sink="hook", yes=True)
        assert "2 to retry" in capsys.readouterr().out
        await until(lambda: len(receiver.taken) == 3)
    await receiver.stop()
    assert {len(bodies) for bodies in receiver.bodies.values()} == {1}


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not is_so():
            await asyncio.sleep(0.05)


def test_a_receiver_that_was_gone_gets_what_a_person_retries(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ours = settings(session_timeout_s=6, partitions=2)
    monkeypatch.setenv("LEADHEAT_BROKERS", ours.brokers)
    monkeypatch.setenv("LEADHEAT_PREFIX", ours.prefix)
    asyncio.run(gone_and_retried(ours, capsys))


async def clocks(settings: Settings) -> tuple[list[tuple[FollowUp, int]], Receiver, int]:
    """Let one lead wait and one be contacted, and kill delivery just before its time; returns what was written."""
    await create_topics(settings)
    receiver = Receiver(fault_share=0)
    route = {"name": "all", "to": ["hook"], "owners": ["ann", "bob"], "contact_within_h": WITHIN_S / 3600}
    path = write_file(
        settings.data_dir / "delivery.yaml", await receiver.start(), routes=[route], owners={"ann": {}, "bob": {}}
    )
    log = settings.data_dir / "delivery.log"
    async with Workers(settings, 1, log, command="streams.cli delivery", **environment(path)) as delivery:
        await send(settings, [entered("user:first", 0, now_ms())])
        await contact(settings, "user:first")
        await until(lambda: len(receiver.taken) == 1)
        crossed_ms = now_ms()
        await send(settings, [entered("user:late", 1, crossed_ms), entered("user:called", 2, crossed_ms)])
        await until(lambda: len(receiver.taken) == 3)
        await contact(settings, "user:called")
        await asyncio.sleep(max(0.0, crossed_ms / 1000 + WITHIN_S - KILLED_BEFORE_S - now_ms() / 1000))
        await delivery.kill_one(0)
        await until(lambda: len(receiver.taken) == 5)  # both owners in turn
    await receiver.stop()
    written: list[tuple[FollowUp, int]] = []
    async with open_topic(settings.brokers, FOLLOW_UPS.full_name(settings.prefix)) as reader:
        async for record in reader.read_to_end():
            written += [(decode_follow_up(record.value, record.timestamp), record.timestamp)]
    return written, receiver, crossed_ms


async def contact(settings: Settings, lead: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=settings.brokers)
    await producer.start()
    follow_up = FollowUp(id=f"c-{lead}", lead=lead, action="contacted", time=now_ms(), by="ann")
    value, topic = encode_follow_up(follow_up), FOLLOW_UPS.full_name(settings.prefix)
    await producer.send_and_wait(topic, value, key=lead.encode())
    await producer.stop()


@pytest.mark.faults
@pytest.mark.thorough
def test_a_lead_that_nobody_contacts_breaches_within_seconds_of_its_time_although_delivery_is_killed(
    settings: Callable[..., Settings],
) -> None:
    written, receiver, crossed_ms = asyncio.run(clocks(settings(session_timeout_s=6, partitions=2)))
    breaches = sorted((each for each in written if each[0].action == "breached"), key=lambda each: each[1])
    assert [each.lead for each, _ in breaches] == ["user:late"] * 2
    assert {each.by for each, _ in breaches} == {"ann", "bob"}
    (first, appended_ms), _ = breaches
    assert first.time == crossed_ms + WITHIN_S * 1000
    assert 0 <= appended_ms - crossed_ms - WITHIN_S * 1000 <= LATE_MAX_S * 1000
    assert receiver.taken[3:] == [each.id for each, _ in breaches]
