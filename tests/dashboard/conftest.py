"""The gateway with its dashboard in this process, over a real Redis that is filled as the projector fills it."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
import redis
from fastapi import FastAPI

from scoring.model import load_model
from streams.dashboard.app import Dashboard
from streams.gateway.app import create_gateway
from streams.model_news import ModelNews
from streams.projector.run import make_redis
from streams.projector.writing import Offsets, Writer
from streams.read_model.layout import Layout
from streams.settings import Settings
from streams.topics import ACCOUNT_SCORES, BUYING_SIGNALS, DEAD_LETTERS, FOLLOW_UPS, HOT_LEADS, LEAD_SCORES, Topic

NOW_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z

read_model = cache(load_model)


class Record(NamedTuple):
    """What a consumer is given."""

    key: bytes
    value: bytes | None
    timestamp: int
    offset: int = 0


class FakeBroker:
    """Keeps what is written, and refuses while ``why`` is set."""

    def __init__(self) -> None:
        self.follow_ups: list[Any] = []
        self.records: list[Any] = []
        self.updates: list[Any] = []

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        pass

    async def check(self) -> None:
        pass

    async def send(self, events: Any) -> None:
        raise AssertionError("nobody sends events here")

    send_dead_letters = send

    async def send_account_updates(self, updates: Any) -> None:
        self.updates += updates

    async def send_follow_ups(self, follow_ups: Any) -> None:
        self.follow_ups += follow_ups

    async def send_records(self, records: Any) -> None:
        self.records += records


class Site:
    """A gateway with a dashboard, and a way to fill what it shows."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.layout, self.broker = settings, Layout(settings.prefix), FakeBroker()
        self.now_ms = NOW_MS
        self.news = ModelNews()
        self._offsets: Offsets = {}
        self._runner = asyncio.Runner()
        self._app: FastAPI | None = None

    def app(self) -> FastAPI:
        """Return the gateway, made once."""
        if self._app is None:
            self._app = self.fresh_app()
            self._running = self._app.router.lifespan_context(self._app)
            self._runner.run(self._running.__aenter__())
        return self._app

    def fresh_app(self) -> FastAPI:
        """Return another one, for an event loop of its own."""
        part = Dashboard(
            self.settings, read_model(self.settings.model), self.broker, lambda: self.now_ms, self._read_news
        )
        return create_gateway(self.settings, self.broker, lambda: self.now_ms, parts=[part])

    async def _read_news(self) -> ModelNews:
        return self.news

    def close(self) -> None:
        if self._app is not None:
            self._runner.run(self._running.__aexit__(None, None, None))
        self._runner.close()

    def request(
        self, method: str, path: str, client: str = "127.0.0.1", host: str = "localhost", **how: Any
    ) -> httpx.Response:
        transport = httpx.ASGITransport(self.app(), client=(client, 1234))

        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as http:
                return await http.request(method, path, **how)

        return self._runner.run(ask())

    def get(self, path: str, **how: Any) -> httpx.Response:
        return self.request("GET", path, **how)

    def json(self, path: str, **how: Any) -> Any:
        answer = self.get(path, **how)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, headers: Mapping[str, str] | None = None, **how: Any) -> httpx.Response:
        ours = {"origin": "http://localhost", "sec-fetch-site": "same-origin"}
        return self.request("POST", path, headers=ours | dict(headers or {}), **how)

    def put(self, *records: Any, topic: Topic | None = None) -> None:
        """Put records into Redis as the projector would."""
        chunk: dict[Topic, list[Any]] = {}
        for record in records:
            chunk.setdefault(topic or topic_of(record), []).append(
                Record(key_of(record), msgspec.json.encode(record), self.now_ms)
            )

        async def write() -> None:
            client = make_redis(self.settings)
            try:
                writer = Writer(client, self.layout, lambda topic: pytest.fail(f"unreadable {topic.name}"))
                after = {("test", 0): self._offsets.get(("test", 0), 0) + 1}
                await writer.write(chunk, {("test", 0): self._offsets.get(("test", 0), 0)}, after, self.now_ms)
                self._offsets |= after
            finally:
                await client.aclose()

        self._runner.run(write())


def topic_of(record: Any) -> Topic:
    return {
        "LeadScore": LEAD_SCORES,
        "AccountScore": ACCOUNT_SCORES,
        "Alert": HOT_LEADS,
        "BuyingSignal": BUYING_SIGNALS,
        "FollowUp": FOLLOW_UPS,
        "DeadLetter": DEAD_LETTERS,
    }[type(record).__name__]


def key_of(record: Any) -> bytes:
    for name in ("lead", "account", "id"):
        if hasattr(record, name):
            return str(getattr(record, name)).encode()
    raise AssertionError(record)


@pytest.fixture
def make_site(redis_url: str, tmp_path: Path, models_are_read_once: None) -> Iterator[Callable[..., Site]]:
    """Make a site of this test's own; ``make_site(api_keys=…)`` overrides settings."""

    made: list[Site] = []

    def make(**overrides: Any) -> Site:
        ours = {"redis_url": redis_url, "prefix": f"t{uuid.uuid4().hex[:10]}", "data_dir": tmp_path}
        made.append(Site(Settings(**(ours | overrides))))
        return made[-1]

    yield make
    for site in made:
        site.close()
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()


@pytest.fixture
def site(make_site: Callable[..., Site]) -> Site:
    """Return a site to which this machine may come."""
    return make_site()
