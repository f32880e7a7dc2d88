"""Child processes that are kept running, heard, and stopped in order.

A child that ends by itself is started again after a moment; one that keeps ending stops the rest. All are
stopped in the reverse order of their start, each within a bound, and none outlives us.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Literal, Self

from scoring.errors import StartError
from streams.embedded.leash import Leash, how_it_ended

LINE_BYTES_MAX: Final = 65_536  # a longer line is shown in pieces
TAIL_LINES: Final = 15
BACKOFF_MAX_S: Final = 8.0


@dataclass(frozen=True)
class Child:
    """A process to keep running: ``env`` is added to our own environment.

    It may end and be started again ``restarts_max`` times within a minute (0: its first end is the last).
    ``stop_timeout_s`` after SIGTERM comes SIGKILL.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    restarts_max: int = 5
    stop_timeout_s: float = 15.0


@dataclass(frozen=True)
class ChildEvent:
    """What happened to ``child``; ``text`` is the line that it wrote, or a sentence of ours."""

    kind: Literal["started", "line", "ended", "stopped"]
    child: str
    text: str


class Supervisor:
    """Keeps ``children`` running from ``async with`` to its end.

    ``on_event`` is called, in the event loop, for each line of their output and each start and end.
    ``backoff_s`` is waited before the first restart and doubled for each later one within ``window_s``.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        on_event: Callable[[ChildEvent], None],
        backoff_s: float = 0.5,
        window_s: float = 60.0,
    ) -> None:
        self._keepers = [_Keeper(child, on_event, backoff_s, window_s) for child in children]

    async def __aenter__(self) -> Self:
        """Start all children in their order."""
        try:
            for keeper in self._keepers:
                await keeper.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all children."""
        await self.stop()

    async def wait(self) -> None:
        """Wait until one child has ended for good: raises :class:`StartError`, which says which and why.

        Never returns without children, or once they are being stopped: cancel it then.
        """
        tasks = [keeper.task for keeper in self._keepers if keeper.task is not None]
        if not tasks:
            await asyncio.Event().wait()
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        raise StartError(done.pop().result())

    async def stop(self) -> None:
        """Stop the children, the last started first, each within its own bound."""
        for keeper in reversed(self._keepers):
            await keeper.stop()

    def pid(self, name: str) -> int | None:
        """Return the process id of the child ``name``, None while it does not run."""
        return next(keeper.pid for keeper in self._keepers if keeper.child.name == name)


class _Keeper:
    """Keeps one child running."""

    def __init__(self, child: Child, on_event: Callable[[ChildEvent], None], backoff_s: float, window_s: float) -> None:
        self.child = child
        self.task: asyncio.Task[str] | None = None
        self._on_event = on_event
        self._backoff_s = backoff_s
        self._window_s = window_s
        self._process: asyncio.subprocess.Process | None = None
        self._tail: deque[str] = deque(maxlen=TAIL_LINES)

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        process = await self._spawn()
        self.task = asyncio.create_task(self._keep(process), name=f"keeps {self.child.name}")
        await asyncio.sleep(0)  # a task that is cancelled before it has begun would not end its process

    async def stop(self) -> None:
        """End the child: SIGTERM, after its bound SIGKILL to its whole group."""
        if self.task is None:
            return
        self.task.cancel()
        await asyncio.wait([self.task])
        self.task = None

    async def _keep(self, process: asyncio.subprocess.Process) -> str:
        """Follow one life after the other, until there were too many, and say why there is no other."""
        clock = asyncio.get_running_loop().time
        ends: deque[float] = deque(maxlen=self.child.restarts_max + 1)
        while True:
            how = await self._live(process)
            ends.append(clock())
            recent = sum(1 for end in ends if end > clock() - self._window_s)
            if recent > self.child.restarts_max:
                self._tell("ended", f"{how}; it is not started again")
                return self._why(how, recent)
            pause_s = min(self._backoff_s * 2 ** (recent - 1), BACKOFF_MAX_S)
            self._tell("ended", f"{how}; starts again in {pause_s:g} s")
            await asyncio.sleep(pause_s)
            process = await self._spawn()

    async def _spawn(self) -> asyncio.subprocess.Process:
        self._tail.clear()
        try:
            process = await asyncio.create_subprocess_exec(
                *self.child.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                env={**os.environ, **self.child.env},
                start_new_session=True,  # Ctrl-C in the terminal is ours: we stop them in order
            )
        except OSError as error:
            raise StartError(f"{self.child.name} cannot be started: {error}") from error
        self._process = process
        self._tell("started", f"process {process.pid}")
        return process

    async def _live(self, process: asyncio.subprocess.Process) -> str:
        """Follow one process to its end and say how it ended; if that fails or is cancelled, end it."""
        leash = Leash(process.pid)
        hearing = asyncio.create_task(self._hear(process))
        ended = asyncio.create_task(process.wait())
        try:
            await asyncio.wait([hearing, ended], return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                hearing.result()  # raises what on_event raised
            await asyncio.wait([ended])  # not `await ended`: our cancellation would cancel it as well
        finally:
            was_running = not ended.done()
            how = how_it_ended(await self._end(process, ended))
            leash.let_go()
            self._process = None
            # What it wrote last is still in the pipe; a grandchild may hold the pipe open for ever.
            await asyncio.wait([hearing], timeout=1)
            hearing.cancel()
            if was_running:
                self._tell("stopped", how)
        return how

    async def _end(self, process: asyncio.subprocess.Process, ended: asyncio.Task[int]) -> int:
        if not ended.done():
            with suppress(ProcessLookupError):
                process.terminate()
            await asyncio.wait([ended], timeout=self.child.stop_timeout_s)
        if not ended.done():
            self._tell("line", f"still runs {self.child.stop_timeout_s:g} s after SIGTERM: killed")
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        return await ended

    async def _hear(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None
        async for line in _lines(process.stdout):
            self._tail.append(line)
            self._tell("line", line)

    def _why(self, how: str, ends: int) -> str:
        times = "" if ends == 1 else f", for the {ends}. time within {self._window_s:g} s"
        heard = "\n".join(f"  {line}" for line in self._tail)
        return f"{self.child.name} {how}{times}. " + (f"Its last lines:\n{heard}" if heard else "It said nothing")

    def _tell(self, kind: Literal["started", "line", "ended", "stopped"], text: str) -> None:
        self._on_event(ChildEvent(kind, self.child.name, text))


async def _lines(stream: asyncio.StreamReader) -> AsyncIterator[str]:
    """Yield the lines of a stream as they come; one that is longer than the bound comes in pieces."""
    rest = b""
    while chunk := await stream.read(LINE_BYTES_MAX):
        *whole, rest = (rest + chunk).split(b"\n")
        if len(rest) >= LINE_BYTES_MAX:
            whole.append(rest)
            rest = b""
        for line in whole:
            yield line.decode(errors="replace").rstrip("\r")
    if rest:
        yield rest.decode(errors="replace")
