"""Fixtures for tests on the real Kafka: one broker for the whole session, shared by the workers of pytest-xdist."""

from __future__ import annotations

import fcntl
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

from streams.embedded.kafka import EmbeddedKafka
from streams.settings import Settings


@dataclass(frozen=True)
class Kafka:
    """The session's broker."""

    brokers: str


@contextmanager
def _shared_kafka(root: Path) -> Iterator[str]:
    """Yield the brokers of the one Kafka in ``root``; who finds none starts it and waits for the others at the end.

    Users hold a shared lock on ``users``, so a process that dies is not waited for. ``turn`` makes finding,
    starting and stopping one step each.
    """
    root.mkdir(exist_ok=True)
    address = root / "brokers"
    with (root / "users").open("a") as users:
        with _turn(root):
            broker = None if address.exists() else EmbeddedKafka(root / "data")
            if broker is not None:
                broker.start()
                address.write_text(broker.brokers)
            fcntl.flock(users, fcntl.LOCK_SH)
        yield address.read_text()
        if broker is None:
            return
        while not _stopped_unless_used(broker, address, users):
            time.sleep(0.1)


def _stopped_unless_used(broker: EmbeddedKafka, address: Path, users: IO[str]) -> bool:
    with _turn(address.parent):
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        address.unlink()
        broker.stop()
        shutil.rmtree(broker.data_dir, ignore_errors=True)
        return True


@contextmanager
def _turn(root: Path) -> Iterator[None]:
    with (root / "turn").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[Kafka]:
    """One real Kafka, started by the first process that needs it and stopped once no process uses it."""
    base = tmp_path_factory.getbasetemp()
    with _shared_kafka((base if worker_id == "master" else base.parent) / "kafka") as brokers:
        yield Kafka(brokers)


@pytest.fixture
def settings(kafka: Kafka, tmp_path: Path) -> Callable[..., Settings]:
    """Make settings on the session's Kafka with names of this test's own; ``settings(partitions=2)`` overrides."""
    name = f"t{uuid.uuid4().hex[:12]}"

    def make(**overrides: object) -> Settings:
        ours = {"brokers": kafka.brokers, "prefix": name, "app_id": name, "partitions": 4, "data_dir": tmp_path}
        return Settings(**(ours | overrides))  # type: ignore[arg-type]

    return make
