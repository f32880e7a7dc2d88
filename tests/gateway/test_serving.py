"""The gateway as a process: it needs no broker to start, and ends cleanly."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest

from scoring.errors import StartError
from streams.gateway.serve import serve_gateway
from streams.settings import Settings

RUN = """
from streams.gateway.serve import run_gateway
from streams.settings import load_settings
run_gateway(load_settings())
"""


@pytest.fixture
def nobody() -> Iterator[str]:
    """Return an address at which nobody answers and nobody else can begin to."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{reserved.getsockname()[1]}"


def test_cancelling_it_ends_it_cleanly(nobody):
    async def live() -> None:
        serving = asyncio.create_task(serve_gateway(Settings(brokers=nobody, gateway_port=0)))
        await asyncio.sleep(0.5)
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving

    asyncio.run(live())


def test_a_taken_port_is_named(nobody):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StartError, match=f"port {port} .*LEADHEAT_GATEWAY_PORT"):
            asyncio.run(serve_gateway(Settings(brokers=nobody, gateway_port=port)))


def test_without_a_broker_it_lives_is_not_ready_and_ends_at_sigterm(nobody):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "LEADHEAT_BROKERS": nobody, "LEADHEAT_GATEWAY_PORT": str(port)}
    with subprocess.Popen([sys.executable, "-c", RUN], env=environment) as process:
        answer = patiently_get(f"http://127.0.0.1:{port}/healthz")
        assert answer.status_code == 200
        assert "server" not in answer.headers
        answer = httpx.get(f"http://127.0.0.1:{port}/readyz")
        assert answer.status_code == 503
        assert nobody in answer.json()["error"]["message"]
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == -signal.SIGTERM  # raised again, once all was done


def patiently_get(url: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as http:
        return http.get(url)
