"""Conducts the demo: a Kafka of its own, the stack around it, sixty days of history, then life until it is to end."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Coroutine
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

from scoring.events import Event
from scoring.model import ScoringModel, load_model
from streams.clock import now_ms
from streams.demo.board import Board
from streams.demo.send import BATCH_MAX, Sender
from streams.demo.show import Show
from streams.demo.status import Pacemaker, faults_of
from streams.demo.summary import summarise
from streams.demo.watch import watchers
from streams.demo.words import NextSteps
from streams.demo.world import World
from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.stack import Stack, running_stack
from streams.embedded.supervisor import ChildEvent
from streams.settings import Settings

INTERRUPTED: Final = 130
"""Exit code after a Ctrl-C before the live part began: there is no result to speak of."""

PARTITIONS: Final = 4
"""Fewer than a cluster's: they are created and assigned sooner."""

FRAME_S: Final = 0.25
SCORED_TIMEOUT_S: Final = 20.0
"""How long what was sent may take to be scored in the end; a worker that is killed is back within ten."""

READ_BACK_S: Final = 0.5
"""After the last event was scored: its alert comes by another connection."""

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def own_settings(settings: Settings, data_dir: Path) -> Settings:
    """Return ``settings`` with places of the demo's own, so that it is in the way of nothing that runs."""
    return settings.model_copy(
        update={
            "data_dir": data_dir,
            "partitions": PARTITIONS,
            "gateway_host": "127.0.0.1",
            "gateway_port": 0,
            "metrics_port": 0,
            "write_keys": "",
            "log_level": "warning",
        }
    )


def run_demo(settings: Settings, seconds: float | None, show: Show) -> int:
    """Play for so many seconds (None: until a signal) and return the exit code: 0, 1 or :data:`INTERRUPTED`.

    Only the model of ``settings`` matters. Everything that was started is ended and removed, whatever happens.
    """
    model = load_model(settings.model)
    for number in _SIGNALS:
        signal.signal(number, signal.default_int_handler)  # also while Kafka starts, which blocks
    try:
        with ExitStack() as at_end:
            try:
                directory = at_end.enter_context(
                    tempfile.TemporaryDirectory(prefix="leadheat-demo-", ignore_cleanup_errors=True)
                )
                kafka = EmbeddedKafka(Path(directory) / "kafka")
                at_end.callback(kafka.kill)  # what it holds is not needed any more
                at_end.callback(show.close)
                kafka.start(show.say)
                return asyncio.run(
                    _until_signal(Play(own_settings(settings, Path(directory)), model, seconds, show), kafka)
                )
            finally:
                for number in _SIGNALS:
                    signal.signal(number, signal.SIG_IGN)  # cleaning up takes a moment, and must not be cut short
    except (KeyboardInterrupt, asyncio.CancelledError):
        show.say("Stopped.")
        return INTERRUPTED


async def _until_signal(play: Play, kafka: EmbeddedKafka) -> int:
    """Run the play; a signal ends its live part, or all of it where that has not begun or was ended already."""
    task = asyncio.ensure_future(play.run(kafka))

    def stop() -> None:
        if play.is_live and not play.is_to_end.is_set():
            play.is_to_end.set()
        elif not task.cancelling():
            task.cancel()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return await task


class Play:
    """One demo; :meth:`run` once."""

    def __init__(self, settings: Settings, model: ScoringModel, seconds: float | None, show: Show) -> None:
        self.is_live = False
        self.is_to_end = asyncio.Event()
        self._settings = settings
        self._model = model
        self._seconds = seconds
        self._show = show
        self._board = Board(model)
        self._world = World()

    async def run(self, kafka: EmbeddedKafka) -> int:
        """Play with the Kafka that runs; returns the exit code."""
        self._show.say("starting a worker and the gateway")
        async with running_stack(self._settings, kafka=kafka, on_event=self._hear) as stack:
            self._show.say(f"the gateway takes events at {stack.gateway_url}")
            others = [stack.wait(), *watchers(stack.settings, self._board)]
            code = await _beside(self._script(stack), others)
            self._show.say("stopping")
        return code

    def _hear(self, event: ChildEvent) -> None:
        """Note the end of a child; the rest is the children's own affair."""
        if event.kind == "ended":
            self._board.notes.append(f"{event.child} {event.text}")

    async def _script(self, stack: Stack) -> int:
        steps = NextSteps(stack.gateway_url, self._settings.model, self._model)
        await self._load_history(stack.gateway_url)
        started_s = time.monotonic()
        self._show.begin(self._board, steps)
        self.is_live = True
        async with Sender(stack.gateway_url, self._board.lose) as sender:
            pacemaker = Pacemaker(self._board, started_s)
            showing = asyncio.create_task(self._keep_showing(pacemaker))
            await self._live(sender)
            live_s = time.monotonic() - started_s
            with suppress(TimeoutError):
                async with asyncio.timeout(SCORED_TIMEOUT_S):
                    await sender.flush()
                    await self._until_scored()
            await asyncio.sleep(READ_BACK_S)
            showing.cancel()
            self._show.tick(pacemaker.measure(time.monotonic()), now_ms())
        faults = faults_of(self._board, must_turn_hot=not self.is_to_end.is_set())
        self._show.end(summarise(self._board, steps, now_ms(), live_s, faults))
        return 1 if faults else 0

    async def _load_history(self, gateway_url: str) -> None:
        events = self._world.history(now_ms())
        self._show.say(f"loading 60 days of {len(self._world.people)} people's history: {len(events):,} events")
        began_s = time.monotonic()
        async with Sender(gateway_url, self._board.lose, BATCH_MAX) as sender:
            for event in events:
                self._send(sender, event)
            flushing = asyncio.create_task(sender.flush())
            with suppress(TimeoutError):
                async with asyncio.timeout(SCORED_TIMEOUT_S):
                    await self._until_scored()
                    await flushing
            flushing.cancel()
        bands = ", ".join(f"{number} {band}" for band, number in self._board.band_counts(now_ms()).items())
        self._show.say(f"scored in {time.monotonic() - began_s:.1f} s: {bands}; too old to alert anybody")

    def _send(self, sender: Sender, event: Event) -> None:
        self._board.hand(event.id, time.monotonic())
        sender.send(event)

    async def _until_scored(self) -> None:
        while self._board.under_way:
            if not self.is_live:
                self._show.load(self._board.scored, self._board.sent)
            await asyncio.sleep(0.05)
        if not self.is_live:
            self._show.load(self._board.scored, self._board.sent)

    async def _live(self, sender: Sender) -> None:
        """Send life as it happens, until it is to end."""
        started_s = time.monotonic()
        for at_s, event in self._world.life():
            if self._seconds is not None and at_s > self._seconds:
                await self._wait(started_s + self._seconds)
                return
            if await self._wait(started_s + at_s):
                return
            event.time = now_ms()
            self._send(sender, event)

    async def _wait(self, until_s: float) -> bool:
        """Wait until then; says whether all is to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(until_s - time.monotonic()):
                await self.is_to_end.wait()
        return self.is_to_end.is_set()

    async def _keep_showing(self, pacemaker: Pacemaker) -> None:
        while True:
            self._show.tick(pacemaker.measure(time.monotonic()), now_ms())
            await asyncio.sleep(FRAME_S)


async def _beside(main: Coroutine[Any, Any, int], others: list[Coroutine[Any, Any, None]]) -> int:
    """Return what ``main`` returns; the others run beside it for ever, and the first that fails fails all."""
    task = asyncio.ensure_future(main)
    beside = [asyncio.ensure_future(other) for other in others]
    try:
        done, _ = await asyncio.wait([task, *beside], return_when=asyncio.FIRST_COMPLETED)
        for failed in done - {task}:
            failed.result()
        return await task
    finally:
        for each in (task, *beside):
            each.cancel()
        await asyncio.wait([task, *beside])
