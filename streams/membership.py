"""A process's membership in its consumer group: the name that it is known by, and noticing that it has come to an end.

Kafka gives a static member that comes back in time what it had before, without asking what it reads now; and whoever
leads a group of Faust's deals out the topics that it reads itself. A member that is given a topic which it does not
read is done for, in aiokafka, and says so in its log only: the process lives on, and reads nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka.client import ConnectionGroup
from aiokafka.protocol.group import LeaveGroupRequest

_LOOK_S: Final = 1.0
_FAILURES_MAX: Final = 10
"""Looks in a row that find an error which the coordinator may get over."""

_LEAVE_S: Final = 0.5

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
    """Leave the group and call ``on_end`` with the reason once a consumer cannot take part in it any more.

    Asking for records would raise it, and have the coordinator try again what can be got over; Faust never asks so.
    """
    failures = 0
    while True:
        await asyncio.sleep(_LOOK_S)
        coordinator = consumer._coordinator
        try:
            coordinator.check_errors()
        except Exception as error:  # noqa: BLE001 - whatever it is, it would be said to nobody
            failures += 1
            if coordinator._coordination_task.done() or failures == _FAILURES_MAX:
                await leave_group(consumer)
                on_end(error)
                return
            log.warning("trouble with the consumer group; trying again", error=repr(error))
        else:
            failures = 0


async def leave_group(consumer: AIOKafkaConsumer) -> None:
    """Leave the group, also as a static member, if that can be done in a moment.

    The others need not wait until a session has timed out; and who comes back under the same name is a new member, and
    is not given what it had. Not by the coordinator's connection: on that an answer to a join may be awaited.
    """
    coordinator = consumer._coordinator
    request = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
    with suppress(Exception):
        sent = consumer._client.send(coordinator.coordinator_id, request, group=ConnectionGroup.DEFAULT)
        await asyncio.wait_for(sent, _LEAVE_S)
