"""Workers, or other processes of ours in numbers, that are killed, stopped and started again."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

from streams.settings import Settings
from tests.faults.processes import Processes, module

STOPPED_S = 10.0


class Workers(Processes):
    """A fixed number of worker processes; whichever ends is started again, as a supervisor would.

    Use as an async context manager. ``log`` collects what they say; ``command`` is what follows ``python -m``.
    """

    def __init__(
        self, settings: Settings, count: int, log: Path, command: str = "tests.faults.worker", **environment: str
    ) -> None:
        super().__init__(log)
        self.settings, self.count, self.command = settings, count, command
        self.environment = environment

    async def __aenter__(self) -> Workers:
        for number in range(self.count):
            self.start(f"w{number}", module(self.command), self._environment(number))
        await super().__aenter__()
        return self

    async def kill_one(self, number: int) -> None:
        """Kill a worker (-9), once it runs; it is started again."""
        while self[f"w{number}"].pid is None:
            await asyncio.sleep(0.1)
        await self.kill(f"w{number}")

    async def fail_at_random(self, rng: random.Random, kills: int, stops: int, within_s: float) -> None:
        """Kill (-9) and stop (for 10 s) workers in random order at random moments."""
        faults = ["kill"] * kills + ["stop"] * stops
        rng.shuffle(faults)
        pause_s = max(1.0, (within_s - stops * STOPPED_S) / (len(faults) or 1))
        for fault in faults:
            await asyncio.sleep(pause_s * rng.uniform(0.6, 1.2))
            name = f"w{rng.randrange(self.count)}"
            if fault == "kill":
                self.signal(name, signal.SIGKILL)
                continue
            self.signal(name, signal.SIGSTOP)
            await asyncio.sleep(STOPPED_S)
            self.signal(name, signal.SIGCONT)

    def _environment(self, number: int) -> dict[str, str]:
        settings = self.settings
        return {
            "LEADHEAT_BROKERS": settings.brokers,
            "LEADHEAT_PREFIX": settings.prefix,
            "LEADHEAT_APP_ID": settings.app_id,
            "LEADHEAT_PARTITIONS": str(settings.partitions),
            "LEADHEAT_MODEL": str(settings.model),
            "LEADHEAT_TRACK": settings.track,
            "LEADHEAT_DATA_DIR": str(settings.data_dir),
            "LEADHEAT_SESSION_TIMEOUT_S": str(settings.session_timeout_s),
            "LEADHEAT_CHUNK_RECORDS": str(settings.chunk_records),
            "LEADHEAT_INSTANCE": f"w{number}",
            **self.environment,
        }
