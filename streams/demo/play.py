"""Conducts the demo: a Kafka of its own, the stack around it, sixty days of history, then life until it is to end."""

from __future__ import annotations

import asyncio
import signal
import tempfile
import time
from collections.abc import Coroutine
from contextlib import AsyncExitStack, ExitStack, suppress
from functools import partial
from math import inf
from pathlib import Path
from typing import Any, Final, TypeVar

from scoring.account_updates import AccountUpdate
from scoring.events import Event
from scoring.model import ScoringModel, load_model
from streams.clock import now_ms
from streams.demo.board import Board
from streams.demo.companies import COMPANIES
from streams.demo.sales import Sales
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
Result = TypeVar("Result")

SCORED_TIMEOUT_S: Final = 20.0
"""How long what was sent may take to be scored in the end; a worker that is killed is back within ten."""

READ_BACK_S: Final = 0.5
"""After the last event was scored: its alert comes by another connection, and so does what shards tell each other."""

_LOOK_S: Final = 0.05
"""Between two looks whether all is scored: the board is pure, and wakes nobody."""

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
    """Run the play. A signal ends its live part; before that, or the second time, all of it; while it ends, nothing."""
    task = asyncio.ensure_future(play.run(kafka))

    def stop() -> None:
        if play.is_live and not play.is_to_end.is_set():
            play.is_to_end.set()
        elif not (play.is_ending or task.cancelling()):
            task.cancel()

    for number in _SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, stop)
    return await task


class Play:
    """One demo; :meth:`run` once."""

    def __init__(self, settings: Settings, model: ScoringModel, seconds: float | None, show: Show) -> None:
        self.is_live = False
        self.is_ending = False
        self.is_to_end = asyncio.Event()
        self._settings = settings
        self._model = model
        self._seconds = seconds
        self._show = show
        self._board = Board(model)
        self._sales = Sales(self._board)
        self._world = World()

    async def run(self, kafka: EmbeddedKafka) -> int:
        """Play with the Kafka that runs; returns the exit code."""
        self._show.say("starting a worker, the gateway and delivery")
        settings = await self._sales.open(self._settings.model_copy(update={"brokers": kafka.brokers}))
        async with AsyncExitStack() as at_end:
            at_end.push_async_callback(self._sales.close)
            stack = await at_end.enter_async_context(running_stack(settings, kafka=kafka, on_event=self._hear))
            self._show.say(f"the gateway takes events at {stack.gateway_url}")
            others = [stack.wait(), *watchers(stack.settings, self._board)]
            faults, summary = await _beside(self._script(stack), others)
            self.is_ending = True
            self._show.close()
            self._show.say("stopping")
        self._show.end(summary)
        return 1 if faults else 0

    def _hear(self, event: ChildEvent) -> None:
        """Note the end of a child; the rest is the children's own affair."""
        if event.kind == "ended":
            self._board.notes.append(f"{event.child} {event.text}")

    async def _script(self, stack: Stack) -> tuple[list[str], str]:
        """Play; returns what went wrong, and the summary."""
        pid = partial(stack.children.pid, "worker-1")
        steps = NextSteps(stack.gateway_url, pid, self._settings.model, self._model)
        await self._load_history(stack.gateway_url)
        started_s = time.monotonic()
        self._show.begin(self._board, steps)
        self.is_live = True
        pacemaker = Pacemaker(self._board, started_s)
        live_s = await _beside(self._live(stack.gateway_url), [self._keep_showing(pacemaker)])
        self._show.tick(pacemaker.measure(time.monotonic()), now_ms())
        faults = faults_of(self._board, must_turn_hot=not self.is_to_end.is_set())
        return faults, summarise(self._board, steps, now_ms(), live_s, faults, self._show.width)

    async def _load_history(self, gateway_url: str) -> None:
        world, at_ms = self._world, now_ms()
        async with Sender(gateway_url, self._board.lose, BATCH_MAX) as sender:
            for update in world.companies(at_ms):
                self._send(sender, update)
            await self._settle(sender)
            fits = ", ".join(f"{number} {level}" for level, number in self._board.fit_counts().items())
            self._show.say(f"told what is known of {len(COMPANIES)} companies; how well they fit so far: {fits}")
            events = world.history(at_ms)
            self._show.say(f"loading 60 days of {len(world.people)} people's history: {len(events):,} events")
            began_s = time.monotonic()
            for event in events:
                self._send(sender, event)
            await _beside(self._settle(sender), [self._keep_loading()])
        self._show.load(self._board.scored, self._board.sent)
        took_s = time.monotonic() - began_s - READ_BACK_S
        bands = ", ".join(f"{number} {band}" for band, number in self._board.band_counts().items())
        alerts, signals = self._board.history_alerts or "no", self._board.signal_count or "no"
        self._show.say(
            f"scored in {took_s:.1f} s: {bands}; {self._board.known_count} visitors turned out to be somebody"
        )
        self._show.say(f"{alerts} alerts and {signals} signals of it, since all of it is old")

    def _send(self, sender: Sender, event: Event | AccountUpdate) -> None:
        self._board.hand(event.id, time.monotonic())
        sender.send(event)

    async def _live(self, gateway_url: str) -> float:
        """Send life as it happens until it is to end, and wait until all is scored; returns how long it was (s)."""
        started_s, end_s = time.monotonic(), inf if self._seconds is None else self._seconds
        async with Sender(gateway_url, self._board.lose) as sender:
            for at_s, event in self._world.life():
                if await self._wait(started_s + min(at_s, end_s)) or at_s > end_s:
                    break
                event.time = now_ms()
                self._send(sender, event)
            live_s = time.monotonic() - started_s
            await self._settle(sender)
        return live_s

    async def _settle(self, sender: Sender) -> None:
        """Wait until all that was sent has been scored and read back; what has not in good time is found in the end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SCORED_TIMEOUT_S):
                await sender.flush()
                quiet_s = 0.0
                while quiet_s < READ_BACK_S:
                    await asyncio.sleep(_LOOK_S)
                    quiet_s = quiet_s + _LOOK_S if self._board.is_settled else 0.0

    async def _wait(self, until_s: float) -> bool:
        """Wait until then; says whether all is to end."""
        with suppress(TimeoutError):
            async with asyncio.timeout(until_s - time.monotonic()):
                await self.is_to_end.wait()
        return self.is_to_end.is_set()

    async def _keep_loading(self) -> None:
        while True:
            self._show.load(self._board.scored, self._board.sent)
            await asyncio.sleep(FRAME_S / 4)

    async def _keep_showing(self, pacemaker: Pacemaker) -> None:
        while True:
            self._show.tick(pacemaker.measure(time.monotonic()), now_ms())
            await asyncio.sleep(FRAME_S)


async def _beside(main: Coroutine[Any, Any, Result], others: list[Coroutine[Any, Any, None]]) -> Result:
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
