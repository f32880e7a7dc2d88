"""All classes of faults, in the order of the table: how often each happens, in full and in CI."""

from __future__ import annotations

from typing import Final

from tests.faults import injections, shapes
from tests.faults.apart import DiskFull, ManyLeads
from tests.faults.mutants import Mutant
from tests.faults.rows import Fault
from tests.faults.traffic import DAY_MS

SHORT: Final = "a minute and more by itself, of the five that CI has for faults"

ON_THE_STAGE: Final = (
    Fault(name="no fault", count=1, in_ci=1, seconds=5),
    Fault(name="kill -9 of a worker, at random", count=30, in_ci=5, inject=injections.kill_workers, seconds=3.2),
    Fault(
        name="kill -9 after produce, before commit",
        count=4,
        in_ci=2,
        inject=injections.at_points("before-commit", "before-absorb-commit"),
        seconds=5,
    ),
    Fault(
        name="kill -9 after commit, before it is acknowledged",
        count=2,
        in_ci=1,
        inject=injections.at_points("after-commit"),
        seconds=5,
    ),
    Fault(name="kill -9 during restore", count=2, in_ci=1, inject=injections.at_points("during-restore"), seconds=6),
    Fault(
        name="kill -9 during a hand-over",
        count=2,
        in_ci=1,
        inject=injections.at_points("during-hand-over"),
        seconds=6,
    ),
    Fault(name="SIGTERM of a worker", count=20, in_ci=3, inject=injections.end_workers, seconds=4.3),
    Fault(
        name="SIGTERM during restore or hand-over",
        count=4,
        in_ci=2,
        inject=injections.at_points("during-restore", "during-hand-over", action="end"),
        seconds=6,
    ),
    Fault(
        name="SIGSTOP of a worker for 60 s",
        count=1,
        in_ci=0,
        inject=injections.stop_a_worker,
        seconds=65,
        why_not_in_ci=SHORT,
    ),
    Fault(
        name="one of two workers lost for good",
        count=1,
        in_ci=1,
        inject=injections.lose_one_for_good,
        seconds=32,
        stops_max_s=15.0,
    ),
    Fault(
        name="joins and leaves, rolling",
        count=20,
        in_ci=0,
        inject=injections.join_and_leave,
        seconds=6,
        why_not_in_ci=SHORT,
    ),
    Fault(name="a worker's local data deleted", count=2, in_ci=1, inject=injections.delete_local_data, seconds=5),
    Fault(
        name="kill -9 of gateway, projector and delivery",
        count=6,
        in_ci=3,
        inject=injections.kill_the_others,
        seconds=3,
        http_share=0.7,
    ),
    Fault(
        name="kill -9 of the broker",
        count=3,
        in_ci=0,
        inject=injections.kill_broker,
        seconds=12,
        why_not_in_ci="on a busy machine the broker takes minutes to come back",
    ),
    Fault(
        name="broker away for 60 s",
        count=1,
        in_ci=0,
        inject=injections.keep_broker_away,
        seconds=64,
        why_not_in_ci=SHORT,
    ),
    Fault(
        name="Redis away, then flushed",
        count=1,
        in_ci=1,
        inject=injections.lose_redis,
        check=injections.redis_is_whole,
        seconds=12,
        http_share=0.7,
    ),
    Fault(name="sinks failing", count=2, in_ci=1, inject=injections.fail_sinks, seconds=10),
    Fault(name="every event three times", count=1, in_ci=1, shape=shapes.three_times, seconds=5),
    Fault(name="late by a minute, a day, 40 days", count=1, in_ci=1, shape=shapes.late, seconds=5),
    Fault(name="full shuffle", count=1, in_ci=1, shape=shapes.shuffled, seconds=5),
    Fault(name="clocks that lie", count=1, in_ci=1, shape=shapes.wrong_clocks, seconds=5),
    Fault(name="poison, 1 MB, nulls, foreign headers", count=1, in_ci=1, shape=shapes.poison, seconds=5),
    Fault(name="burst of ten times the load", count=1, in_ci=1, seconds=4, per_second=2_500),
    Fault(name="hot key with 5 %", count=1, in_ci=1, shape=shapes.hot_key, seconds=8, per_second=500),
    Fault(name="silence past many half-lives", count=1, in_ci=1, seconds=4, ends_ms_ago=300 * DAY_MS),
    Fault(
        name="a worker that hangs",
        count=1,
        in_ci=0,
        inject=injections.hang_a_worker,
        seconds=45,
        why_not_in_ci="`make test-thorough` has it",
    ),
    Fault(name="model changed mid-stream", count=1, in_ci=1, inject=injections.change_model, seconds=14),
)


# Each safeguard is taken out in a run of its own, under the fault that it guards against: the suite has to notice.

MUTANTS: Final = (
    Mutant("contiguity", "no contiguity check", environment={"LOST_CHUNKS": "0.2"}, settings={"chunk_records": 20}),
    Mutant("fencing", "no fencing", points={"before-commit": "stop 12\n"}, seconds=30),
    Mutant("read_uncommitted", "read_uncommitted", points={"before-commit": "kill\n" * 4}, seconds=20),
    Mutant("persisted_offset", "stale persisted_offset", joins=2, seconds=24),
    Mutant("absorb", "absorb applied twice", seconds=8),
)

APART: Final = (DiskFull(), ManyLeads())
"""Faults that need a stage of their own."""
