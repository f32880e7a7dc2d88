"""Our real processes, for measures that watch them from outside: started, asked for their metrics, ended."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import psutil
from prometheus_client.parser import text_string_to_metric_families

from streams.embedded.ports import free_ports
from streams.embedded.stack import environment
from streams.settings import Settings

READY_TIMEOUT_S: Final = 180.0
POLL_S: Final = 0.05


@dataclass(frozen=True)
class Running:
    """A process of ours; ``metrics_url`` is where it tells its metrics, if it does."""

    process: psutil.Process
    metrics_url: str

    def cpu_s(self) -> float:
        """Return the CPU time that it has taken (s)."""
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def metric(self, name: str, **labels: str) -> float:
        """Return what a metric stands at, summed over the labels that are not given; 0 where it is not there."""
        try:
            text = httpx.get(self.metrics_url, trust_env=False, timeout=10).text
        except httpx.TransportError:
            return 0.0
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


@contextmanager
def workers(settings: Settings, count: int, cores: Sequence[int] | None = None) -> Iterator[list[Running]]:
    """Run workers until the block ends; they have all shards between them, and are ready, when it begins.

    Each is bound to one of the ``cores``, if these are given.
    """
    with ExitStack() as stack:
        ports = free_ports("127.0.0.1", count)
        running = []
        for number, port in enumerate(ports):
            name = f"worker{number}"
            own = {"metrics_port": port, "instance": name, "data_dir": settings.data_dir / name}
            process = stack.enter_context(_process("worker", settings.model_copy(update=own)))
            if cores is not None:
                process.cpu_affinity([cores[number]])
            running.append(Running(process, f"http://127.0.0.1:{port}/metrics"))
        _wait_until(lambda: _are_ready(running, settings.partitions))
        yield running


@contextmanager
def running(command: str, settings: Settings) -> Iterator[Running]:
    """Run another of our processes until the block ends."""
    with _process(command, settings) as process:
        yield Running(process, "")


@contextmanager
def _process(command: str, settings: Settings) -> Iterator[psutil.Process]:
    env = {**os.environ, **environment(settings)}
    with subprocess.Popen([sys.executable, "-m", "streams.cli", command], env=env) as child:
        try:
            yield psutil.Process(child.pid)
        finally:
            child.terminate()


def _are_ready(those: Sequence[Running], partitions: int) -> bool:
    ready = [each.metric("leadheat_shards", state="ready") for each in those]
    return sum(ready) == partitions and all(ready)


def _wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not is_so():
        if time.monotonic() > deadline:
            raise SystemExit(f"the workers were not ready within {READY_TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)
