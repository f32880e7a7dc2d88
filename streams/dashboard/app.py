"""Where the dashboard is put together: what it reads, who may, its routes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import redis.asyncio as redis_client
from fastapi import APIRouter

from scoring.errors import StartError
from scoring.model import ScoringModel
from streams.clock import now_ms
from streams.dashboard import api_documentation
from streams.dashboard.access import Access
from streams.dashboard.actions import Broker
from streams.dashboard.api import api_router
from streams.dashboard.context import Context
from streams.dashboard.live import Hub
from streams.dashboard.pages import page_route, pages_router
from streams.dashboard.recent import Recent
from streams.dashboard.sign_in import sign_in_router
from streams.dashboard.store import Store
from streams.dashboard.templating import Static, Templates
from streams.model_news import ModelNews
from streams.read_model.layout import Layout
from streams.settings import Settings

CONNECTIONS_MAX = 64
NOWHERE = "redis://127.0.0.1:1/0"
"""What a dashboard without a Redis would ask; it never does."""


class Dashboard:
    """The query API and the pages, as a part of the gateway: its routes, and what is stopped with them."""

    security_schemes = api_documentation.SECURITY_SCHEMES
    schemas = api_documentation.SCHEMAS

    def __init__(
        self,
        settings: Settings,
        model: ScoringModel,
        broker: Broker,
        clock: Callable[[], int] = now_ms,
        news: Callable[[], Awaitable[ModelNews]] | None = None,
    ) -> None:
        layout, self._redis = Layout(settings.prefix), _connect(settings.redis_url or NOWHERE)
        self._hub = Hub(self._redis, layout)
        context = Context(
            store=Store(self._redis, layout),
            hub=self._hub,
            broker=broker,
            access=Access(settings),
            model=model,
            clock=clock,
            prefix=settings.prefix,
            contact_within_ms=settings.contact_within_h * 3_600_000,
            recent=Recent(),
            news=news or _no_news,
            is_there=bool(settings.redis_url),
        )
        static = Static()
        templates = Templates(static)
        pages = page_route(templates, context)
        self.routers: Sequence[APIRouter] = (
            api_router(context),
            pages_router(context, templates),
            sign_in_router(context, templates, settings, pages),
            static.router(),
        )

    async def start(self) -> None:
        """Do nothing yet: connections are made when somebody asks."""

    async def stop(self) -> None:
        """End what listens, and let go of Redis."""
        await self._hub.stop()
        await self._redis.aclose()


async def _no_news() -> ModelNews:
    return ModelNews()


def _connect(url: str) -> Any:
    """Return a client; nothing is connected yet. Raises :class:`StartError`."""
    try:
        pool = redis_client.BlockingConnectionPool.from_url(
            url, max_connections=CONNECTIONS_MAX, timeout=5, socket_connect_timeout=2, socket_timeout=10
        )
    except ValueError as error:
        raise StartError(f"LEADHEAT_REDIS_URL is no address of a Redis: {error}") from None
    return redis_client.Redis.from_pool(pool)
