"""Children are started again a bounded number of times, heard, and stopped in order and for certain."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from scoring.errors import StartError
from streams.embedded.supervisor import Child, ChildEvent, Supervisor

FOREVER = "import time; print('up', flush=True); time.sleep(600)"


class Log(list[ChildEvent]):
    """The events so far, and a way to wait for one."""

    async def wait_for(self, wanted: Callable[[ChildEvent], bool], count: int = 1) -> None:
        async with asyncio.timeout(20):
            while sum(map(wanted, self)) < count:
                await asyncio.sleep(0.01)

    def texts(self, kind: str, child: str | None = None) -> list[str]:
        return [event.text for event in self if event.kind == kind and child in (None, event.child)]


def python(name: str, script: str, *arguments: object, **options: object) -> Child:
    return Child(name, [sys.executable, "-c", script, *map(str, arguments)], **options)  # type: ignore[arg-type]


def supervisor(log: Log, *children: Child) -> Supervisor:
    return Supervisor(children, on_event=log.append, backoff_s=0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A process that nobody has reaped yet answers too.
    status = Path(f"/proc/{pid}/stat")
    return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"


def test_a_child_that_dies_once_is_started_again(tmp_path: Path) -> None:
    script = f"""
import pathlib, sys
mark = pathlib.Path(sys.argv[1])
if not mark.exists():
    mark.touch(); print('first life', flush=True); sys.exit(3)
{FOREVER}"""

    async def run() -> None:
        async with supervisor(log, python("worker", script, tmp_path / "mark")) as children:
            await log.wait_for(lambda event: event.text == "up")
            assert is_running(children.pid("worker") or 0)

    log = Log()
    asyncio.run(run())
    assert log.texts("line") == ["first life", "up"]
    assert log.texts("ended") == ["ended with exit code 3; starts again in 0.01 s"]
    assert log.texts("stopped") == ["was ended by SIGTERM"]
    assert [event.kind for event in log] == ["started", "line", "ended", "started", "line", "stopped"]


def test_a_child_that_dies_for_ever_stops_the_rest_and_is_named_with_its_last_lines() -> None:
    async def run() -> None:
        dying = python("worker", "print('no model'); raise SystemExit(1)", restarts_max=2)
        async with supervisor(log, python("gateway", FOREVER), dying) as children:
            await children.wait()

    log = Log()
    with pytest.raises(StartError) as error:
        asyncio.run(run())
    assert str(error.value) == (
        "worker ended with exit code 1, for the 3. time within 60 s. Its last lines:\n  no model"
    )
    assert log.texts("stopped") == ["was ended by SIGTERM"]
    assert len(log.texts("started", "worker")) == 3


def test_a_signal_that_ended_a_child_is_named() -> None:
    async def run() -> None:
        child = python("worker", "import os; os.kill(os.getpid(), 9)", restarts_max=0)
        async with supervisor(Log(), child) as children:
            await children.wait()

    with pytest.raises(StartError, match=r"^worker was ended by SIGKILL\. It said nothing$"):
        asyncio.run(run())


def test_children_stop_in_the_reverse_order_of_their_start() -> None:
    async def run() -> None:
        async with supervisor(log, *(python(name, FOREVER) for name in ("first", "second", "third"))):
            await log.wait_for(lambda event: event.text == "up", 3)

    log = Log()
    asyncio.run(run())
    assert [event.child for event in log if event.kind == "started"] == ["first", "second", "third"]
    assert [event.child for event in log if event.kind == "stopped"] == ["third", "second", "first"]


def test_a_child_that_ignores_sigterm_is_killed_after_its_bound() -> None:
    deaf = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {FOREVER}"

    async def run() -> None:
        async with supervisor(log, python("deaf", deaf, stop_timeout_s=0.3)):
            await log.wait_for(lambda event: event.text == "up")

    log = Log()
    asyncio.run(run())
    assert log.texts("stopped") == ["was ended by SIGKILL"]


def test_a_child_that_has_closed_its_output_is_still_kept_and_stopped() -> None:
    mute = "import os, time; os.write(1, b'bye'); os.close(1); os.close(2); time.sleep(600)"

    async def run() -> int:
        async with supervisor(log, python("mute", mute)) as children:
            await log.wait_for(lambda event: event.text == "bye")
            await asyncio.sleep(0.1)
            return children.pid("mute") or 0

    log = Log()
    assert not is_running(asyncio.run(run()))
    assert log.texts("stopped") == ["was ended by SIGTERM"]


def test_an_error_of_the_listener_is_not_swallowed_and_ends_the_child() -> None:
    class ListenerError(Exception):
        pass

    def listen(event: ChildEvent) -> None:
        if event.kind == "line":
            raise ListenerError
        log.append(event)

    async def run() -> None:
        async with Supervisor([python("talker", FOREVER)], on_event=listen) as children:
            await children.wait()

    log = Log()
    with pytest.raises(ListenerError):
        asyncio.run(run())
    assert log.texts("stopped") == ["was ended by SIGTERM"]


def test_a_child_that_waits_for_its_restart_stays_stopped() -> None:
    async def run() -> None:
        children = Supervisor([python("worker", "raise SystemExit(1)")], on_event=log.append, backoff_s=60)
        async with children:
            await log.wait_for(lambda event: event.kind == "ended")
            assert children.pid("worker") is None

    log = Log()
    asyncio.run(run())
    assert [event.kind for event in log] == ["started", "ended"]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    endless = "import sys; sys.stdout.write('x' * 1_000_000); print(); print('after')"

    async def run() -> None:
        async with supervisor(log, python("talker", endless, restarts_max=0)):
            await log.wait_for(lambda event: event.text == "after")

    log = Log()
    asyncio.run(run())
    *pieces, last = log.texts("line")
    assert last == "after"
    assert "".join(pieces) == "x" * 1_000_000
    assert max(map(len, pieces)) <= 2 * 65_536


def test_a_program_that_is_not_there_is_a_clear_error() -> None:
    async def run() -> None:
        async with supervisor(log, python("first", FOREVER), Child("second", ["/nowhere/leadheat"])):
            pass

    log = Log()
    with pytest.raises(StartError, match=r"second cannot be started: .*No such file"):
        asyncio.run(run())
    assert log.texts("stopped", "first") == ["was ended by SIGTERM"]


def test_children_die_with_a_parent_that_is_killed() -> None:
    script = f"""
import asyncio, sys
from streams.embedded.supervisor import Child, Supervisor
async def run():
    child = Child("child", [sys.executable, "-c", {FOREVER!r}])
    async with Supervisor([child], on_event=lambda event: None) as children:
        print(children.pid("child"), flush=True)
        await asyncio.sleep(600)
asyncio.run(run())"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        time.sleep(0.2)  # the leash takes a moment
        os.kill(parent.pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)
