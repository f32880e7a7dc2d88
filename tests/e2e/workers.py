"""Worker processes that are killed, stopped and started again."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

from streams.settings import Settings

STOPPED_S = 10.0


class Workers:
    """A fixed number of worker processes; whichever ends is started again, as a supervisor would.

    Use as an async context manager. ``log`` collects what they say; ``command`` is what follows ``python -m``.
    """

    def __init__(
        self, settings: Settings, count: int, log: Path, command: str = "tests.e2e.faulty_worker", **environment: str
    ) -> None:
        self.settings, self.count, self.log, self.command = settings, count, log, command
        self.environment = environment
        self.ended: list[int] = []
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Workers:
        for number in range(self.count):
            self._start(number)
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._watcher is not None
        self._watcher.cancel()
        for process in self._processes.values():
            process.send_signal(signal.SIGCONT)
            process.terminate()
        for process in self._processes.values():
            try:
                await asyncio.to_thread(process.wait, 10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    async def kill(self, number: int) -> None:
        """Kill a worker (-9); it is started again."""
        self._processes[number].kill()
        await asyncio.to_thread(self._processes[number].wait)

    async def fail_at_random(self, rng: random.Random, kills: int, stops: int, within_s: float) -> None:
        """Kill (-9) and stop (for 10 s) workers in random order at random moments."""
        faults = ["kill"] * kills + ["stop"] * stops
        rng.shuffle(faults)
        pause_s = max(1.0, (within_s - stops * STOPPED_S) / (len(faults) or 1))
        for fault in faults:
            await asyncio.sleep(pause_s * rng.uniform(0.6, 1.2))
            process = self._processes[rng.randrange(self.count)]
            if fault == "kill":
                process.kill()
                continue
            process.send_signal(signal.SIGSTOP)
            await asyncio.sleep(STOPPED_S)
            process.send_signal(signal.SIGCONT)

    async def _watch(self) -> None:
        while True:
            for number, process in self._processes.items():
                if process.poll() is not None:
                    self.ended.append(process.returncode)
                    self._start(number)
            await asyncio.sleep(0.2)

    def _start(self, number: int) -> None:
        settings = self.settings
        environment = {
            **os.environ,
            "LEADHEAT_BROKERS": settings.brokers,
            "LEADHEAT_PREFIX": settings.prefix,
            "LEADHEAT_APP_ID": settings.app_id,
            "LEADHEAT_PARTITIONS": str(settings.partitions),
            "LEADHEAT_MODEL": str(settings.model),
            "LEADHEAT_DATA_DIR": str(settings.data_dir),
            "LEADHEAT_SESSION_TIMEOUT_S": str(settings.session_timeout_s),
            "LEADHEAT_CHUNK_RECORDS": str(settings.chunk_records),
            "LEADHEAT_INSTANCE": f"w{number}",
            **self.environment,
        }
        with self.log.open("ab") as log:
            self._processes[number] = subprocess.Popen(
                [sys.executable, "-m", *self.command.split()], env=environment, stdout=log, stderr=log
            )
