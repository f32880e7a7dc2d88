"""A gateway in this process, with a producer that keeps what it is given, or refuses."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import httpx
import pytest
import uvicorn
import uvloop

from scoring.account_updates import AccountUpdate, decode_account_update, encode_account_update
from scoring.events import Event, decode_event, encode_event
from scoring.follow_ups import FollowUp, decode_follow_up, encode_follow_up
from streams.dead_letters import DeadLetter, decode_dead_letter, encode_dead_letter
from streams.gateway.app import create_gateway
from streams.gateway.crm.hubspot import Contact
from streams.gateway.producer import BrokerUnavailable
from streams.gateway.serve import server_config
from streams.settings import Settings

NOW_MS = 1_767_268_800_000  # 2026-01-01T12:00:00Z


class FakeProducer:
    """Keeps what the broker would have, after the trip through its bytes; refuses while ``why`` is set."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.updates: list[AccountUpdate] = []
        self.follow_ups: list[FollowUp] = []
        self.letters: list[DeadLetter] = []
        self.why: str | None = None
        self.running = False

    async def start(self) -> None:
        self.running = True

    async def stop(self) -> None:
        self.running = False

    async def check(self) -> None:
        if self.why is not None:
            raise BrokerUnavailable(self.why)

    async def send(self, events: Sequence[Event]) -> None:
        await self.check()
        self.events += [decode_event(encode_event(event), NOW_MS * 10) for event in events]

    async def send_account_updates(self, updates: Sequence[AccountUpdate]) -> None:
        await self.check()
        self.updates += [decode_account_update(encode_account_update(update), NOW_MS * 10) for update in updates]

    async def send_follow_ups(self, follow_ups: Sequence[FollowUp]) -> None:
        await self.check()
        self.follow_ups += [decode_follow_up(encode_follow_up(each), NOW_MS * 10) for each in follow_ups]

    async def send_dead_letters(self, letters: Sequence[DeadLetter]) -> None:
        await self.check()
        self.letters += [decode_dead_letter(encode_dead_letter(letter)) for letter in letters]


class Gateway:
    """A gateway and its sender: posts a body (an object becomes JSON) and shows what reached the broker."""

    def __init__(self, settings: Settings, client: str = "127.0.0.1") -> None:
        self.producer = FakeProducer()
        self.now_ms = NOW_MS
        self.pages: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.contacts: dict[str, Contact] = {}
        self.hubspot_is_away = False
        self.app = create_gateway(
            settings, self.producer, clock=lambda: self.now_ms, fetch=self._fetch, contacts=self._contacts
        )
        self._client = client

    async def _fetch(self, address: str) -> bytes:
        """Stand in for SNS: what lies at an address is in ``pages``."""
        self.fetched.append(address)
        if address not in self.pages:
            raise OSError("no answer")
        return self.pages[address]

    async def _contacts(self, numbers: Sequence[str]) -> Mapping[str, Contact]:
        """Stand in for HubSpot: who its contacts are is in ``contacts``."""
        if self.hubspot_is_away:
            raise OSError("answered 502")
        return {number: self.contacts[number] for number in numbers if number in self.contacts}

    def request(
        self, method: str, path: str, content: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(self._client, 1234))
            async with httpx.AsyncClient(transport=transport, base_url="http://gateway") as http:
                return await http.request(method, path, content=content, headers=headers)

        return asyncio.run(ask())

    def get(self, path: str) -> httpx.Response:
        return self.request("GET", path)

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.request("POST", path, content, {name.replace("_", "-"): text for name, text in headers.items()})

    @property
    def events(self) -> list[Event]:
        return self.producer.events

    @property
    def updates(self) -> list[AccountUpdate]:
        return self.producer.updates

    @property
    def follow_ups(self) -> list[FollowUp]:
        return self.producer.follow_ups

    @property
    def letters(self) -> list[DeadLetter]:
        return self.producer.letters


@pytest.fixture
def make_gateway(models_are_read_once: None) -> Callable[..., Gateway]:
    """Return what makes a gateway from settings and the address that its clients have."""

    def make(client: str = "127.0.0.1", **settings: object) -> Gateway:
        return Gateway(Settings(**settings), client)  # type: ignore[arg-type]

    return make


@pytest.fixture
def gateway(make_gateway: Callable[..., Gateway]) -> Gateway:
    """Return a gateway without write keys, to which this machine may send."""
    return make_gateway()


@pytest.fixture
def serve() -> Iterator[Callable[[Gateway], str]]:
    """Return what serves a gateway on a free port, in a thread, and returns its address."""
    running: list[tuple[uvicorn.Server, threading.Thread]] = []

    def start(gateway: Gateway) -> str:
        server = uvicorn.Server(server_config(gateway.app, Settings()))
        listener = socket.create_server(("127.0.0.1", 0))

        def run() -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(server.serve(sockets=[listener]))

        thread = threading.Thread(target=run)
        thread.start()
        running.append((server, thread))
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        host, port = listener.getsockname()
        return f"http://{host}:{port}"

    yield start
    for server, thread in running:
        server.should_exit = True
        thread.join()
