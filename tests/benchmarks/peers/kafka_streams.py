"""Kafka Streams as a peer: a small Java program, compiled and run where there is a Java compiler."""

from __future__ import annotations

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from streams.embedded.java import KAFKA_VERSION, kafka_jars
from streams.settings import Settings
from streams.topics import HOT_LEADS
from tests.benchmarks.figures import run_command
from tests.benchmarks.traffic import HALF_LIFE_DAYS, HOT, POINTS

SOURCE: Final = Path(__file__).with_name("KafkaStreamsPeer.java")


@cache
def prepare(directory: Path) -> tuple[list[str], str]:
    """Return the command that runs the compiled peer, or none and the reason."""
    java, compiler = shutil.which("java"), shutil.which("javac")
    if java is None or compiler is None:
        return [], "there is no Java compiler (javac) on the PATH"
    import jgo  # takes 0.7 s

    try:
        found = jgo.build(endpoint=f"org.apache.kafka:kafka-streams:{KAFKA_VERSION}", cache_dir=directory / "jgo")
    except (OSError, RuntimeError, ValueError) as error:
        return [], f"Kafka Streams cannot be fetched: {error}"
    streams = [jar for jar in Path(found.path).rglob("*.jar") if jar.name.startswith(("kafka-streams", "rocksdbjni"))]
    classes = directory / "classes"
    classes.mkdir()
    path = os.pathsep.join([str(classes), *map(str, streams), f"{kafka_jars()}/*"])
    compiled = subprocess.run(
        [compiler, "-d", str(classes), "-cp", path, str(SOURCE)], capture_output=True, text=True, check=False
    )
    if compiled.returncode:
        return [], f"the peer cannot be compiled: {compiled.stderr[-500:]}"
    return [java, "-cp", path, "KafkaStreamsPeer"], ""


def run(command: list[str], settings: Settings, topic: str, count: int) -> dict[str, float]:
    """Run the peer over a topic; returns the CPU and wall seconds, and how many events they are of."""
    rules = [f"{kind}={points}" for kind, points in POINTS.items()]
    alerts = HOT_LEADS.full_name(settings.prefix)
    told = [settings.brokers, topic, alerts, f"streams-{settings.prefix}", str(settings.data_dir / "streams")]
    return run_command([*command, *told, str(count), str(HALF_LIFE_DAYS), str(HOT), *rules])
