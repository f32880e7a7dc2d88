"""Topics that are kept in another way than ours.

They are made so: a busy broker applies a change of a topic's settings seconds after it has confirmed it.
"""

from __future__ import annotations

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from streams.settings import Settings
from streams.topics import Topic


async def create_topic(settings: Settings, topic: Topic, **config: str) -> None:
    """Create a topic as it should be, but for ``config``; ``create_topics`` leaves it as it is."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.brokers)
    await admin.start()
    try:
        configs = {**topic.config(settings), **config}
        new = NewTopic(topic.full_name(settings.prefix), settings.partitions, 1, topic_configs=configs)
        response = await admin.create_topics([new])
        assert not any(code for _, code, *_ in response.topic_errors), response
    finally:
        await admin.close()
