"""Fixtures for tests on the real Kafka: one broker for the whole session, shared by the workers of pytest-xdist.

Also how many examples Hypothesis tries: the same ones at every run, but for a search.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from scoring.model import load_model
from streams.embedded.kafka import EmbeddedKafka
from streams.settings import Settings
from tests.redis_server import running_redis
from tests.share import PROFILE, share

hypothesis_settings.register_profile(
    PROFILE,
    deadline=None,
    max_examples=share(40),
    derandomize=PROFILE != "search",
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
hypothesis_settings.load_profile(PROFILE)

NODE = Path(__file__).parent / "node"

HEAP_MB = 1024
"""Two hundred tests each create all topics, with four partitions: at 16,000 of them half a gigabyte is full."""


@pytest.fixture(scope="session", autouse=True)
def java_starts_quickly() -> Iterator[None]:
    """Let Java compile less: a start takes 6 s of CPU, not 10, and no broker lives long enough to earn it back."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        yield


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
            broker = None if address.exists() else EmbeddedKafka(root / "data", heap_mb=HEAP_MB)
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
def kafka(tmp_path_factory: pytest.TempPathFactory, worker_id: str, java_starts_quickly: None) -> Iterator[Kafka]:
    """One real Kafka, started by the first process that needs it and stopped once no process uses it."""
    base = tmp_path_factory.getbasetemp()
    with _shared_kafka((base if worker_id == "master" else base.parent) / "kafka") as brokers:
        yield Kafka(brokers)


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a real Redis, one for all tests of this process."""
    with running_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server.url


@pytest.fixture(scope="session")
def models_are_read_once() -> Iterator[None]:
    """Read each model file once: hundreds of gateways are made, and each would read it anew, in 70 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("streams.gateway.app.load_model", cache(load_model))
        yield


@pytest.fixture(scope="session")
def node(node_packages: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program of tests/node, or another file, with the packages of tests/node: ``node("send.js", argument)``."""

    def run(program: str | Path, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["node", str(NODE / program), *arguments],
            env={**os.environ, "NODE_PATH": str(node_packages)},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def node_packages() -> Path:
    """Return the directory of the packages of tests/node, installed once, into the user's cache.

    Without Node, npm or a network the tests are skipped.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("Node and npm are not on the PATH: the clients for Node cannot be tested")
    manifests = [NODE / "package.json", NODE / "package-lock.json"]
    digest = hashlib.sha256(b"".join(manifest.read_bytes() for manifest in manifests)).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "leadheat" / f"node-{digest}"
    cache.parent.mkdir(parents=True, exist_ok=True)
    with _turn(cache.parent):
        if not (cache / "installed").exists():
            shutil.rmtree(cache, ignore_errors=True)
            cache.mkdir()
            for manifest in manifests:
                shutil.copy(manifest, cache)
            command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=cache, capture_output=True, text=True, timeout=180, check=False)
            if done.returncode:
                pytest.skip(f"npm cannot install the clients for Node: {done.stderr.strip()[-300:]}")
            (cache / "installed").touch()
    return cache / "node_modules"


@pytest.fixture
def settings(kafka: Kafka, tmp_path: Path) -> Callable[..., Settings]:
    """Make settings on the session's Kafka with names of this test's own; ``settings(partitions=2)`` overrides."""
    name = f"t{uuid.uuid4().hex[:12]}"

    def make(**overrides: object) -> Settings:
        ours = {"brokers": kafka.brokers, "prefix": name, "app_id": name, "partitions": 4, "data_dir": tmp_path}
        return Settings(**(ours | overrides))  # type: ignore[arg-type]

    return make
