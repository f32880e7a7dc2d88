"""Print hot leads as they become so: ``python hot_leads.py BROKERS [PREFIX]`` (needs aiokafka).

A consumer group remembers how far this has come. Each alert has an id: whoever keeps ids acts on each once, also when
this program ends between printing and committing.
"""

import asyncio
import json
import sys

from aiokafka import AIOKafkaConsumer


async def main(brokers: str, prefix: str = "leadheat") -> None:
    consumer = AIOKafkaConsumer(
        f"{prefix}.hot-leads.v1",
        bootstrap_servers=brokers,
        group_id=f"{prefix}-hot-leads-example",
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        isolation_level="read_committed",  # nothing of a transaction that was given up
    )
    await consumer.start()
    seen: set[str] = set()
    try:
        async for record in consumer:
            alert = json.loads(record.value)
            if alert["id"] not in seen:
                seen.add(alert["id"])
                if alert["kind"] == "entered":
                    why = ", ".join(f"{line['rule']} {line['points']:+.0f}" for line in alert["ledger"])
                    print(f"{alert['lead']} is {alert['band']} with {alert['score']:.0f} points: {why}", flush=True)
                else:
                    print(f"{alert['lead']}: {alert['kind']}", flush=True)
            await consumer.commit()
    finally:
        await consumer.stop()


asyncio.run(main(*sys.argv[1:]))
