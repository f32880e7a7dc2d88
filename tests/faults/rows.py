"""The table: one row for each class of fault, run on a stage and judged by itself."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from streams.clock import now_ms
from tests.faults.stage import Stage
from tests.faults.traffic import HTTP_SHARE, Event, Sending, make_events, to_sending

RECOVERY_TIMEOUT_S = 90

Inject = Callable[[Stage, random.Random, int], Awaitable[list[str]]]
"""Brings a fault about, as often as is said, and heals it; returns what is wrong besides what is audited."""

Shape = Callable[[Iterable[Event], Stage, random.Random], Iterator[Sending]]
"""Turns orderly events into the records that are sent."""

Check = Callable[[Stage], Awaitable[list[str]]]
"""Returns what is wrong once everything has healed."""


def as_they_are(events: Iterable[Event], stage: Stage, rng: random.Random) -> Iterator[Sending]:
    """Send events in order, each once."""
    return (to_sending(event, stage.settings) for event in events)


async def nothing(stage: Stage, rng: random.Random, count: int) -> list[str]:
    """Bring nothing about: the traffic itself is the fault."""
    return []


async def fine(stage: Stage) -> list[str]:
    """Check nothing more."""
    return []


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A class of faults: what happens, how often, and meanwhile how many events a second for how long.

    ``in_ci`` is how often it happens in CI's part; 0: not at all there, for the reason in ``why_not_in_ci``.
    """

    name: str
    count: int
    in_ci: int
    inject: Inject = nothing
    shape: Shape = as_they_are
    check: Check = fine
    seconds: float = 4.0
    """How long events come for one occurrence; 0: as long as the fault takes."""
    per_second: float = 250.0
    leads: int = 400
    http_share: float = HTTP_SHARE
    ends_ms_ago: int = 0
    recovers_within_s: float = RECOVERY_TIMEOUT_S
    stops_max_s: float | None = None
    why_not_in_ci: str = ""
    seen: str = ""
    """What one sees of it, and what to do, for docs/operations.md."""


@dataclass
class Row:
    """What came of a fault."""

    fault: str
    count: int
    events: int = 0
    lost: int = 0
    duplicated: int = 0
    wrong: int = 0
    missing_or_extra_alerts: int = 0
    recovered_s: float = 0.0
    stopped_s: float = 0.0
    seconds: float = 0.0
    judged_s: float = 0.0
    problems: list[str] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether everything held that was promised."""
        return not self.problems


async def run_row(stage: Stage, fault: Fault, number: int, count: int, scale: float) -> Row:
    """Run one class of faults on a stage: traffic, the faults in it, healing, and the audit."""
    began, rng = time.monotonic(), random.Random(f"{stage.options.seed}-{fault.name}")
    row, sender = Row(fault.name, count), stage.sender
    accepted_before, unusable_before = set(sender.accepted), sender.unusable
    events = int(fault.per_second * scale * fault.seconds * count)
    orderly = make_events(f"r{number}", events, fault.leads, now_ms() - fault.ends_ms_ago, rng)
    sending = asyncio.create_task(
        sender.send(fault.shape(orderly, stage, rng), fault.per_second * scale, fault.http_share)
    )
    row.problems += await fault.inject(stage, rng, count)
    await sending
    healed = time.monotonic()
    if not await stage.progress.wait(fault.recovers_within_s):
        row.problems.append(f"after {fault.recovers_within_s:.0f} s not everything was scored (see {stage.log})")
    row.recovered_s = time.monotonic() - healed
    began_to_judge = time.monotonic()
    findings, stops = await stage.judge(sender.accepted - accepted_before, sender.unusable - unusable_before)
    row.problems += findings.problems
    row.problems += await fault.check(stage)
    row.stopped_s = max(stops.values(), default=0.0)
    if fault.stops_max_s is not None and row.stopped_s > fault.stops_max_s:
        row.problems.append(
            f"a partition stood still for {row.stopped_s:.1f} s, at most {fault.stops_max_s:g} are fine"
        )
    row.events, row.lost, row.duplicated, row.wrong = (
        findings.events,
        findings.lost,
        findings.duplicated,
        findings.wrong,
    )
    row.missing_or_extra_alerts = findings.missing_alerts + findings.extra_alerts
    ended = time.monotonic()
    row.judged_s, row.seconds = ended - began_to_judge, ended - began
    return row
