"""A process's membership in its consumer group: the name that it is known by, and noticing that it has come to an end.

Kafka gives a static member that comes back in time what it had before, without asking what it reads now; and whoever
leads a group of Faust's deals out the topics that it reads itself. A member that is given a topic which it does not
read is done for, in aiokafka, and says so in its log only: its heartbeats go on, and it reads nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from aiokafka.protocol.group import LeaveGroupRequest

_LOOK_S: Final = 1.0

log = structlog.get_logger(__name__)


def member_name(instance: str, topics: Iterable[str]) -> str | None:
    """Return the name of the static member that ``instance`` is while it reads ``topics``; None: it is no static one.

    One that reads other topics, of rebuilt states or of another version, is another member: it would be given those of
    the old ones.

    >>> member_name("worker-1", ["leadheat.web-events.v1"])
    'worker-1-3876d70e'
    >>> member_name("", ["leadheat.web-events.v1"])
    """
    if not instance:
        return None
    return f"{instance}-{blake2b(' '.join(sorted(topics)).encode(), digest_size=4).hexdigest()}"


async def watch_membership(consumer: AIOKafkaConsumer, on_end: Callable[[BaseException], None]) -> None:
    """Call ``on_end`` with the reason once a consumer takes part in its group no more.

    Asking for records would raise it, and free the coordinator of what can be got over; Faust never asks in this way.
    """
    while True:
        await asyncio.sleep(_LOOK_S)
        try:
            consumer._coordinator.check_errors()
        except KafkaError as error:
            if not error.retriable:
                on_end(error)
                return
            log.warning("the group cannot be asked; trying again", error=repr(error))


async def leave_group(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, also as a static member: nobody will come back under this name, so nobody need wait for it."""
    coordinator = consumer._coordinator
    await coordinator._send_req(LeaveGroupRequest(coordinator.group_id, coordinator.member_id))
