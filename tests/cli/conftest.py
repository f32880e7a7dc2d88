"""The command line in this process or its own, and records on the real Kafka for it to read."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest
from aiokafka import AIOKafkaProducer

from streams.cli import main
from streams.settings import Settings
from streams.topics import Topic, create_topics

Run = Callable[..., "Ran"]
Records = Iterable[tuple[bytes | None, bytes | None]]


@dataclass(frozen=True)
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


def environment(settings: Settings | None) -> dict[str, str]:
    """The variables by which a command finds a test's topics; wide enough for no line to be folded."""
    found = {"COLUMNS": "240", "TERM": "dumb"}
    if settings is not None:
        names = ("brokers", "prefix", "partitions")
        found |= {f"LEADHEAT_{name.upper()}": str(getattr(settings, name)) for name in names}
    return found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command line in this process: ``run("tail", "hot-leads", settings=…, stdin=b"…")``."""
    for name in [name for name in os.environ if name.startswith("LEADHEAT_")]:
        monkeypatch.delenv(name)

    def run(*arguments: object, settings: Settings | None = None, stdin: bytes = b"", **variables: str) -> Ran:
        for name, text in (environment(settings) | variables).items():
            monkeypatch.setenv(name, text)
        monkeypatch.setattr(sys, "argv", ["leadheat", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin))))
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


def _heed_ctrl_c() -> None:
    """Take SIGINT as from a terminal: what a shell starts in the background is told to ignore it, with its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start() -> Iterable[Callable[..., subprocess.Popen[bytes]]]:
    """Start a command line as a process of its own, which is ended with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(*arguments: object, settings: Settings | None = None) -> subprocess.Popen[bytes]:
        bare = {name: text for name, text in os.environ.items() if not name.startswith("LEADHEAT_")}
        process = subprocess.Popen(
            [sys.executable, "-m", "streams.cli", *map(str, arguments)],
            env=bare | environment(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=_heed_ctrl_c,  # noqa: PLW1509 - it takes no lock
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def topics(settings: Callable[..., Settings]) -> Settings:
    """Create the topics of a test, with 4 partitions, and return the settings that name them."""
    made = settings()
    asyncio.run(create_topics(made))
    return made


@pytest.fixture
def produce() -> Callable[..., None]:
    """Write records: ``produce(settings, topic, records, outcome="abort", partition=…, timestamp_ms=…)``.

    Without ``outcome`` they are no transaction; otherwise it is ``commit``, ``abort`` or ``leave`` (open).
    """

    async def write(
        settings: Settings, topic: Topic, records: Records, outcome: str | None, at: dict[str, int]
    ) -> None:
        transactional_id = None if outcome is None else f"{settings.prefix}-{outcome}"
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.brokers, transactional_id=transactional_id, enable_idempotence=True
        )
        async with AsyncExitStack() as at_end:
            await producer.start()
            at_end.push_async_callback(producer.stop)  # which leaves an open transaction open
            if outcome is not None:
                await producer.begin_transaction()
            sent = [await producer.send(topic.full_name(settings.prefix), value, key, **at) for key, value in records]
            await asyncio.gather(*sent)
            if outcome == "commit":
                await producer.commit_transaction()
            elif outcome == "abort":
                await producer.abort_transaction()

    def produce(settings: Settings, topic: Topic, records: Records, outcome: str | None = None, **at: int) -> None:
        asyncio.run(write(settings, topic, records, outcome, at))

    return produce
