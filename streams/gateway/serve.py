"""Run the gateway: uvicorn on uvloop, until SIGTERM, SIGINT or cancellation, and then to a clean end."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from typing import Final

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from scoring.errors import StartError
from streams.garbage import collect_rarely
from streams.gateway.app import Part, create_gateway
from streams.gateway.head_limits import BoundedHeads
from streams.gateway.producer import EventProducer, KafkaEventProducer
from streams.settings import Settings

CONNECTIONS_MAX: Final = 4096
"""Each may hold a body of 500 KB, packed and unpacked: 4 GB at the very worst. Further ones are answered 503."""

KEEP_ALIVE_S: Final = 75
"""Longer than the 60 s for which load balancers keep an idle connection, so that they are the ones to close it."""

MakeParts = Callable[[EventProducer], Sequence[Part]]
"""What else is served, made with the way to Kafka that the gateway has."""

_log = structlog.get_logger(__name__)


async def serve_gateway(settings: Settings, make_parts: MakeParts = lambda _: ()) -> None:
    """Serve until a signal or cancellation; then stop accepting, answer what is under way, flush to Kafka.

    uvicorn raises the signal again once all is done, for whoever runs us. Raises :class:`StartError` where the
    port is taken.
    """
    listener = _listen(settings)
    producer = KafkaEventProducer(settings)
    app = create_gateway(settings, producer, parts=make_parts(producer))
    server = uvicorn.Server(server_config(app, settings))
    host, port, *_ = listener.getsockname()
    _log.info("gateway listens", host=host, port=port)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise
    finally:
        _log.info("gateway has stopped")


def run_gateway(settings: Settings, make_parts: MakeParts = lambda _: ()) -> None:
    """Serve in an event loop of our own, as all that this process does."""
    collect_rarely(50_000)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve_gateway(settings, make_parts))


def _listen(settings: Settings) -> socket.socket:
    host, port = settings.gateway_host, settings.gateway_port
    try:
        return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        raise StartError(
            f"the gateway cannot listen at {host} port {port} ({error.strerror}); "
            "set LEADHEAT_GATEWAY_HOST and LEADHEAT_GATEWAY_PORT"
        ) from error


def server_config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    """Return how a gateway is served: bounded in connections, heads and time, and without a word on who asked."""
    return uvicorn.Config(
        app,
        http=BoundedHeads,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=KEEP_ALIVE_S,
        # Whoever waits for Kafka is answered within the produce timeout; then there is time to say so.
        timeout_graceful_shutdown=int(settings.produce_timeout_s) + 5,
    )
