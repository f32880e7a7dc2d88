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


def test_no_person_and_no_key_stands_in_logs_or_metrics(nobody, tmp_path):
    """Whatever is sent, right or wrong, in body, address, query and headers: nobody's name is written down."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = {"BROKERS": nobody, "GATEWAY_PORT": str(port), "WRITE_KEYS": "site=abc123", "LOG_LEVEL": "debug"}
    ours |= {"RESEND_SECRET": "whsec_c2VjcmV0c2VjcmV0"}
    environment = {**os.environ, **{f"LEADHEAT_{name}": text for name, text in ours.items()}}
    who, address = "ann.secret@example.com", f"http://127.0.0.1:{port}"
    event = {"id": "e-1", "type": "page_viewed", "time": 1_767_268_800_000, "email": who}
    bodies = [event, {**event, "type": who}, {"userId": who, "event": who}, [who], {who: who}]
    with (tmp_path / "log").open("w+") as log:
        command = [sys.executable, "-m", "streams.cli", "gateway"]
        with subprocess.Popen(command, env=environment, stdout=log, stderr=log) as process:
            patiently_get(f"{address}/healthz")
            headers = {"Authorization": "Bearer abc123", "X-Email": who, "User-Agent": who}
            for path in ("/v1/events", "/v1/track", "/v1/batch", "/batch/", "/v1/webhooks/resend", f"/v1/{who}"):
                answers = [httpx.post(f"{address}{path}?email={who}", json=body, headers=headers) for body in bodies]
                assert {answer.status_code for answer in answers} <= {200, 400, 401, 404, 503}
            metrics = httpx.get(f"{address}/metrics").text
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        log.seek(0)
        said = log.read()
    assert "gateway listens" in said
    for text in (said, metrics):
        for secret in ("ann.secret", "abc123", "c2VjcmV0"):
            assert secret not in text


def patiently_get(url: str) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as http:
        return http.get(url)
