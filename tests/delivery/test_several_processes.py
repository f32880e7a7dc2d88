"""Several delivery processes share the partitions: each has one sender, and nothing is lost when they change hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import psutil
import pytest

from streams.clock import now_ms
from streams.settings import Settings
from streams.topics import create_topics
from tests.delivery.builders import entered
from tests.delivery.receiver import Receiver
from tests.delivery.test_certain import environment, everything_arrives, send, wait_until_done, write_file
from tests.e2e.workers import Workers

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.thorough]

LEADS = 400
PROCESSES = 3


def speaking(workers: Workers, receiver: Receiver) -> set[int]:
    """Return which of the processes have a connection to the receiver; these are kept alive for some seconds."""
    found = set()
    for pid in workers.pids:
        ports = {connection.laddr.port for connection in psutil.Process(pid).net_connections(kind="tcp")}
        if ports & receiver.senders:
            found.add(pid)
    return found


async def wait_until_all_have_joined(settings: Settings, workers: Workers, receiver: Receiver) -> int:
    """Send alerts until each process has delivered some; return how many were sent."""
    heard: set[int] = set()
    sent = 0
    async with asyncio.timeout(300):
        while len(heard) < PROCESSES:
            await send(settings, [entered(f"user:join-{sent + number}", number, now_ms()) for number in range(16)])
            sent += 16
            for _ in range(20):
                await asyncio.sleep(0.1)
                heard |= speaking(workers, receiver)
    return sent


async def share(settings: Settings) -> int:
    """Deliver to a receiver that takes everything, and end one process while it is at it; return the quiet tries."""
    await create_topics(settings)
    receiver = Receiver(fault_share=0)
    path = write_file(settings.data_dir / "delivery.yaml", await receiver.start(), timeout_s=30)
    log = settings.data_dir / "delivery.log"
    try:
        async with Workers(settings, PROCESSES, log, command="streams.cli delivery", **environment(path)) as workers:
            sent = await wait_until_all_have_joined(settings, workers, receiver)
            await wait_until_done(settings, sent, 120)
            before = receiver.tries
            await send(settings, [entered(f"user:a-{number}", number, now_ms()) for number in range(LEADS)])
            await wait_until_done(settings, sent + LEADS, 120)
            quiet_tries = receiver.tries - before
            await send(settings, [entered(f"user:b-{number}", number, now_ms()) for number in range(LEADS)])
            await workers.end(1)
            found = await wait_until_done(settings, sent + 2 * LEADS, 120)
    finally:
        await receiver.stop()
    assert {each.state for each in found} == {"delivered"}
    assert len(receiver.taken) == sent + 2 * LEADS
    assert {len(bodies) for bodies in receiver.bodies.values()} == {1}
    return quiet_tries


@pytest.mark.timeout(700)
def test_three_processes_share_the_work_each_alert_has_one_sender_and_one_that_ends_loses_nothing(
    settings: Callable[..., Settings],
) -> None:
    tries = asyncio.run(share(settings(session_timeout_s=20)))
    assert tries == LEADS  # nobody else tried what one had


@pytest.mark.timeout(600)
def test_all_arrives_in_order_although_three_processes_are_killed_and_stopped_for_longer_than_their_session(
    settings: Callable[..., Settings],
) -> None:
    chosen = settings(session_timeout_s=6)
    asyncio.run(everything_arrives(chosen, 600, kills=6, within_s=90, timeout_s=300, processes=PROCESSES, stops=3))
