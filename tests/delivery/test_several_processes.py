"""Several delivery processes share the partitions, and nothing is lost when these change hands."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from streams.settings import Settings
from tests.delivery.test_certain import everything_arrives

pytestmark = [pytest.mark.kafka, pytest.mark.faults, pytest.mark.thorough]


@pytest.mark.timeout(600)
def test_all_arrives_in_order_although_three_processes_are_killed_and_stopped_for_longer_than_their_session(
    settings: Callable[..., Settings],
) -> None:
    chosen = settings(session_timeout_s=6)
    asyncio.run(everything_arrives(chosen, 600, kills=6, within_s=90, timeout_s=300, processes=3, stops=3))
