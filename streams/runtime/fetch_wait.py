"""How long a fetch waits at the broker for records: briefly while some flow, longer while none do.

aiokafka asks a broker for one fetch at a time, and only for partitions without records at hand. So right after records
came, a fetch must be brief: it holds up those that it did not ask for. One that asks for all partitions holds up
nobody, since the first record ends it; brief fetches are then only work, and were most of what an idle worker did.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from aiokafka import AIOKafkaConsumer

LONGEST_MS: Final = 250
"""A fetch waits for no longer: partitions that are assigned or resumed meanwhile wait for its end."""


def wait_longer_while_quiet(consumer: AIOKafkaConsumer, topics: Collection[str], wait_ms: int) -> None:
    """Let a started consumer's fetches wait ``wait_ms``, and twice as long after each that brought no records.

    Only ``topics`` count: of others, records may lie at hand that nobody takes. To do so again changes nothing.
    """
    fetcher = consumer._fetcher
    fetcher._fetch_max_wait_ms = wait_ms
    if "_proc_fetch_request" in vars(fetcher):
        return
    fetch = fetcher._proc_fetch_request

    async def fetch_and_adapt(*request: Any) -> bool:
        has_records: bool = await fetch(*request)
        is_quiet = not has_records and all(tp.topic not in topics for tp in fetcher._records)
        fetcher._fetch_max_wait_ms = next_wait_ms(fetcher._fetch_max_wait_ms, wait_ms, is_quiet=is_quiet)
        return has_records

    fetcher._proc_fetch_request = fetch_and_adapt


def next_wait_ms(waited_ms: int, wait_ms: int, *, is_quiet: bool) -> int:
    """Return how long the next fetch waits (ms), where ``wait_ms`` is the shortest.

    >>> next_wait_ms(20, 20, is_quiet=True), next_wait_ms(200, 20, is_quiet=True), next_wait_ms(250, 20, is_quiet=False)
    (40, 250, 20)
    """
    return max(wait_ms, min(2 * waited_ms, LONGEST_MS)) if is_quiet else wait_ms
