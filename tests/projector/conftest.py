"""A real Redis for the tests of the projector, one for all of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_server import running_redis


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Return the address of a real Redis."""
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url
