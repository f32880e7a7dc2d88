"""Child process: FastAPI endpoints that do the least: what HTTP, Kafka and Redis cost by themselves.

One reads JSON, writes each item under its user's key with acks=all, and answers when the broker has them all. One
answers any question with one value from Redis.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvicorn
import uvloop
from aiokafka import AIOKafkaProducer
from fastapi import FastAPI, Request, Response
from redis.asyncio import Redis

from streams.settings import load_settings
from streams.topics import WEB_EVENTS

BARE_KEY = "bench:answer"
"""Where in Redis the value is that the endpoint answers questions with."""


def main() -> None:
    """Serve on the port of the settings."""
    settings = load_settings()
    topic = WEB_EVENTS.full_name(settings.prefix)
    found: dict[str, AIOKafkaProducer] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        found["producer"] = AIOKafkaProducer(
            bootstrap_servers=settings.brokers, acks="all", enable_idempotence=True, max_batch_size=128 * 1024
        )
        await found["producer"].start()
        yield
        await found["producer"].stop()

    app = FastAPI(lifespan=lifespan)

    @app.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {}

    @app.post("/v1/batch")
    @app.post("/v1/track")
    async def produce(request: Request) -> dict[str, bool]:
        body = json.loads(await request.body())
        send = found["producer"].send
        items = body.get("batch", [body])
        acknowledged = [await send(topic, json.dumps(item).encode(), item["userId"].encode()) for item in items]
        await asyncio.gather(*acknowledged)
        return {"success": True}

    redis = Redis.from_url(settings.redis_url or "redis://127.0.0.1")

    @app.get("/api/{question:path}")
    async def answer(question: str) -> Response:
        return Response(await redis.get(BARE_KEY), media_type="application/json")

    config = uvicorn.Config(
        app, host="127.0.0.1", port=settings.gateway_port, http="httptools", access_log=False, log_config=None
    )
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


if __name__ == "__main__":
    main()
