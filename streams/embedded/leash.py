"""A leash for child processes: they do not outlive a parent that is killed.

Linux alone could ask the kernel for it (PR_SET_PDEATHSIG), but that follows the *thread* that started the
child, and we start children from worker threads. A pipe works everywhere: its other end closes when we are
gone, whatever the reason, and a shell that waits for that ends the child's process group.
"""

from __future__ import annotations

import signal
import subprocess
from typing import Final

# Reads until we let go (a line) or vanish (end of file). A broker closes its files cleanly within the 5 s.
_WATCH: Final = """
read -r line && exit 0
kill -s TERM -- "-$1"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    sleep 0.5
    kill -s 0 -- "-$1" || exit 0
done
kill -s KILL -- "-$1"
"""


class Leash:
    """Ends the process group ``group`` (SIGTERM, after 5 s SIGKILL) when this process dies without letting go."""

    def __init__(self, group: int) -> None:
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, "leash", str(group)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a Ctrl-C in the terminal is not for it
        )

    def let_go(self) -> None:
        """End the watch; to be called before the child's pid can be given to another process."""
        if self._watcher.stdin is None or self._watcher.stdin.closed:
            return
        try:
            self._watcher.stdin.write(b"\n")
            self._watcher.stdin.close()
        except BrokenPipeError:
            pass  # someone ended the watcher: the watch is over all the same
        self._watcher.wait()


def how_it_ended(code: int) -> str:
    """Say a process's exit code in words; a negative one is a signal.

    >>> how_it_ended(1), how_it_ended(-9)
    ('ended with exit code 1', 'was ended by SIGKILL')
    """
    return f"ended with exit code {code}" if code >= 0 else f"was ended by {signal.Signals(-code).name}"
