"""The whole of leadheat on one machine: all its processes around a Kafka and a Redis, started and stopped in order."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import httpx
from pydantic import SecretStr

from scoring.errors import StartError
from streams.embedded.kafka import EmbeddedKafka
from streams.embedded.ports import check_port_is_free, free_ports
from streams.embedded.redis import INSTALL_HINT, EmbeddedRedis, find_redis
from streams.embedded.supervisor import Child, ChildEvent, Supervisor
from streams.settings import Settings
from streams.topics import create_topics

READY_TIMEOUT_S: Final = 60.0
KAFKA_CHECK_S: Final = 0.5


@dataclass(frozen=True)
class Stack:
    """What runs: ``settings`` has the real brokers, Redis and ports.

    ``metrics_urls`` has one address per worker, and the projector's.
    """

    settings: Settings
    children: Supervisor
    metrics_urls: tuple[str, ...]
    kafka: EmbeddedKafka | None
    on_event: Callable[[ChildEvent], None]

    @property
    def gateway_url(self) -> str:
        """Where events are sent to."""
        return f"http://{self.settings.gateway_host}:{self.settings.gateway_port}"

    @property
    def docs_url(self) -> str:
        """Where the gateway's routes can be read about and tried."""
        return f"{self.gateway_url}/docs"

    @property
    def dashboard_url(self) -> str | None:
        """Where the dashboard is; None where no Redis was found, without which there is none."""
        return f"{self.gateway_url}/" if self.settings.redis_url else None

    async def wait(self) -> None:
        """Stay until a part ends for good: raises :class:`StartError`, which says which and why."""
        await _first_of(self.children.wait(), self._watch_kafka())

    async def _watch_kafka(self) -> None:
        while True:
            await asyncio.sleep(KAFKA_CHECK_S)
            if self.kafka is not None and not self.kafka.is_alive():
                self.on_event(ChildEvent("ended", "kafka", "gone; all the rest is stopped"))
                raise StartError(self.kafka.last_words())


@asynccontextmanager
async def running_stack(
    settings: Settings,
    *,
    workers: int = 1,
    kafka: EmbeddedKafka | None = None,
    on_event: Callable[[ChildEvent], None],
) -> AsyncIterator[Stack]:
    """Create the topics, run workers, projector, gateway and delivery, and yield once the gateway takes events.

    Where the settings name no Redis, one of this machine is run; if there is none, ``on_event`` is told what to
    install, and there is no projector and no dashboard. Delivery runs where the settings name a delivery file.

    With ``kafka``, which has been started, its brokers are used and it is watched; without, those of the
    settings. Ports that are 0 are chosen. At the end all children are stopped; the broker is the caller's to
    stop, and after them: a worker whose broker is gone does not end by itself.
    """
    settings = _with_ports(settings, kafka)
    await create_topics(settings)
    names = [f"worker-{number}" for number in range(1, workers + 1)]
    ports = free_ports(settings.metrics_host, workers)
    if settings.metrics_port:
        ports = [settings.metrics_port + number for number in range(workers)]
    servers, settings = _with_redis(settings, on_event)
    children = [*servers, *(_worker(settings, name, port) for name, port in zip(names, ports, strict=True))]
    if settings.redis_url:
        ports.append(_next_port(settings, ports))
        children.append(_projector(settings, ports[-1]))
    children.append(_gateway(settings))
    if settings.delivery:
        ports.append(_next_port(settings, ports))
        children.append(_delivery(settings, ports[-1]))
    async with Supervisor(children, on_event=on_event) as supervisor:
        urls = tuple(f"http://{settings.metrics_host}:{port}/metrics" for port in ports)
        stack = Stack(settings, supervisor, urls, kafka, on_event)
        await _first_of(_until_ready(stack.gateway_url), stack.wait())
        yield stack


def run_until_signal(main: Coroutine[Any, Any, None]) -> None:
    """Run ``main`` in a new event loop to its end, or until SIGINT, SIGTERM or SIGHUP cancel it."""

    async def cancellable() -> None:
        task = asyncio.current_task()
        assert task is not None
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        await main

    with suppress(asyncio.CancelledError):
        asyncio.run(cancellable())


def environment(settings: Settings) -> dict[str, str]:
    """Return the environment variables from which a child reads the same settings.

    >>> environment(Settings(partitions=2))["LEADHEAT_PARTITIONS"]
    '2'
    """
    told = {name: value for name, value in settings.model_dump().items() if value is not None}
    return {
        f"LEADHEAT_{name.upper()}": value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in told.items()
    }


def _with_ports(settings: Settings, kafka: EmbeddedKafka | None) -> Settings:
    changes: dict[str, object] = {} if kafka is None else {"brokers": kafka.brokers}
    if settings.gateway_port == 0:
        changes["gateway_port"] = free_ports(settings.gateway_host, 1)[0]
    else:
        remedy = "stop what listens there, or set LEADHEAT_GATEWAY_PORT (0: any)"
        check_port_is_free(settings.gateway_host, settings.gateway_port, remedy)
    return settings.model_copy(update=changes)


def _next_port(settings: Settings, ports: list[int]) -> int:
    """Return a port for the metrics of one more process."""
    return settings.metrics_port + len(ports) if settings.metrics_port else free_ports(settings.metrics_host, 1)[0]


def _with_redis(settings: Settings, on_event: Callable[[ChildEvent], None]) -> tuple[list[Child], Settings]:
    """Return the Redis to be run, if any, and the settings that name it."""
    if settings.redis_url:
        return [], settings
    server = find_redis()
    if server is None:
        on_event(ChildEvent("line", "redis", INSTALL_HINT))
        return [], settings
    redis = EmbeddedRedis(server, settings.data_dir / "redis")
    return [redis.child], settings.model_copy(update={"redis_url": redis.url})


def _projector(settings: Settings, metrics_port: int) -> Child:
    own = {"metrics_port": metrics_port, "data_dir": settings.data_dir / "projector"}
    return Child("projector", _command("projector"), environment(settings.model_copy(update=own)))


def _worker(settings: Settings, name: str, metrics_port: int) -> Child:
    """Describe a worker: its instance name lets a restarted one have its partitions back at once."""
    own = {"instance": name, "metrics_port": metrics_port, "data_dir": settings.data_dir / name}
    return Child(name, _command("worker"), environment(settings.model_copy(update=own)))


def _gateway(settings: Settings) -> Child:
    own = {"data_dir": settings.data_dir / "gateway"}
    # It answers what is under way before it ends, which may take as long as a produce request may.
    bound_s = settings.produce_timeout_s + 10
    return Child("gateway", _command("gateway"), environment(settings.model_copy(update=own)), stop_timeout_s=bound_s)


def _delivery(settings: Settings, metrics_port: int) -> Child:
    """Describe delivery: its instance name lets it go on at once after it was killed."""
    own = {"instance": "delivery", "metrics_port": metrics_port, "data_dir": settings.data_dir / "delivery"}
    return Child("delivery", _command("delivery"), environment(settings.model_copy(update=own)))


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "streams.cli", name]


async def _until_ready(url: str) -> None:
    """Wait until the gateway says that it can take events."""
    with suppress(TimeoutError):
        async with asyncio.timeout(READY_TIMEOUT_S), httpx.AsyncClient(trust_env=False) as client:
            while True:
                with suppress(httpx.TransportError):
                    if (await client.get(f"{url}/readyz")).status_code == httpx.codes.OK:
                        return
                await asyncio.sleep(0.1)
    raise StartError(f"the gateway at {url} was not ready within {READY_TIMEOUT_S:.0f} s")


async def _first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Wait for the first to end, end the others, and raise what it raised."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()
