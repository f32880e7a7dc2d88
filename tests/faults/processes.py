"""Real processes that are killed, stopped and started again, as a supervisor would."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from streams.embedded.leash import Leash

PAUSE_S = 0.2
SHORT_LIFE_S = 5.0
BACKOFF_S = 2.0
"""What ends soon after its start, mostly because something that it needs is away, is not started again at once."""


def module(command: str) -> list[str]:
    """Return the command that runs a module: ``command`` is what follows ``python -m``."""
    return [sys.executable, "-m", *command.split()]


@dataclass
class Process:
    """One process to keep running: its command, and what is added to the environment."""

    name: str
    argv: Sequence[str]
    environment: Mapping[str, str]
    popen: subprocess.Popen[bytes] | None = None
    leash: Leash | None = None
    is_wanted: bool = True
    born_s: float = 0.0
    not_before_s: float = 0.0
    ended: list[int] = field(default_factory=list)
    """The exit codes of its earlier lives, but for those that were stopped for good."""

    @property
    def pid(self) -> int | None:
        """The process id; None while it does not run."""
        return None if self.popen is None or self.popen.poll() is not None else self.popen.pid


class Processes:
    """Processes that are started again whenever they end. Use as an async context manager; ``log`` is what they say."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._all: dict[str, Process] = {}
        self._watcher: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Processes:
        self._watcher = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._watcher is not None
        self._watcher.cancel()
        await asyncio.gather(self._watcher, return_exceptions=True)
        await asyncio.gather(*(self.stop(name) for name in list(self._all)))

    def __getitem__(self, name: str) -> Process:
        return self._all[name]

    @property
    def names(self) -> list[str]:
        """The names of all that are wanted."""
        return [name for name, process in self._all.items() if process.is_wanted]

    @property
    def ended(self) -> list[int]:
        """The exit codes of all lives that ended."""
        return [code for process in self._all.values() for code in process.ended]

    def start(self, name: str, argv: Sequence[str], environment: Mapping[str, str]) -> None:
        """Start a process, and from now on again whenever it ends."""
        known = self._all.get(name)
        ended = [] if known is None else known.ended
        self._all[name] = Process(name, argv, environment, ended=ended)
        self._spawn(self._all[name])

    def resume(self, name: str) -> None:
        """Start a process again that was stopped for good."""
        process = self._all[name]
        process.is_wanted = True
        self._spawn(process)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal to a process, if it runs."""
        process = self._all[name]
        if process.popen is not None and process.pid is not None:
            process.popen.send_signal(number)

    async def kill(self, name: str) -> None:
        """Kill a process (-9); it is started again."""
        self.signal(name, signal.SIGKILL)
        await self._wait_for_end(name, 10)

    async def terminate(self, name: str, timeout_s: float = 30) -> float:
        """End a process by SIGTERM; it is started again. Returns how long it took (s); infinity: it was killed."""
        began = time.monotonic()
        self.signal(name, signal.SIGTERM)
        if await self._wait_for_end(name, timeout_s):
            return time.monotonic() - began
        await self.kill(name)
        return float("inf")

    async def stop(self, name: str, timeout_s: float = 15) -> float:
        """End a process for good: SIGTERM, and after ``timeout_s`` SIGKILL. Returns how long it took (s)."""
        process = self._all[name]
        process.is_wanted = False
        if process.pid is None:
            return 0.0
        self.signal(name, signal.SIGCONT)
        took_s = await self.terminate(name, timeout_s)
        process.ended.pop()
        return took_s

    async def kill_for_good(self, name: str) -> None:
        """Kill a process (-9), and leave it so."""
        self._all[name].is_wanted = False
        await self.kill(name)

    async def _wait_for_end(self, name: str, timeout_s: float) -> bool:
        process = self._all[name]
        popen = process.popen
        if popen is None:
            return True
        try:
            await asyncio.to_thread(popen.wait, timeout_s)
        except subprocess.TimeoutExpired:
            return False
        if process.popen is popen:  # unless the watcher was quicker
            self._bury(process)
        return True

    async def _watch(self) -> None:
        while True:
            for process in self._all.values():
                if process.popen is not None and process.popen.poll() is not None:
                    self._bury(process)
                if process.popen is None and process.is_wanted and time.monotonic() >= process.not_before_s:
                    self._spawn(process)
            await asyncio.sleep(PAUSE_S)

    def _spawn(self, process: Process) -> None:
        with self.log.open("ab") as log:
            process.popen = subprocess.Popen(
                process.argv,
                env={**os.environ, **process.environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        process.leash = Leash(process.popen.pid)  # none of them outlives us
        process.born_s = time.monotonic()

    @staticmethod
    def _bury(process: Process) -> None:
        assert process.popen is not None
        assert process.leash is not None
        process.leash.let_go()
        process.ended.append(process.popen.returncode)
        now_s = time.monotonic()
        process.not_before_s = now_s + BACKOFF_S if now_s - process.born_s < SHORT_LIFE_S else now_s
        process.popen = process.leash = None
