"""A token serves for one body only, at all gateways that share a Redis, and at each while there is none."""

from __future__ import annotations

import asyncio
from pathlib import Path

from streams.gateway.webhooks import tokens as tokens_module
from streams.gateway.webhooks.tokens import LocalTokens, make_tokens
from streams.settings import Settings
from tests.redis_server import running_redis


def test_gateways_share_which_body_a_token_came_with(tmp_path: Path) -> None:
    async def ask(url: str) -> list[bool]:
        one, other = (make_tokens(Settings(redis_url=url), 60) for _ in range(2))
        steps = ((one, b"real"), (other, b"forged"), (other, b"real"), (one, b"forged"), (one, b"real"))
        answers = [await gateway.belongs("t", body) for gateway, body in steps]
        await one.close()
        await other.close()
        return answers

    with running_redis(tmp_path) as server:
        assert asyncio.run(ask(server.url)) == [True, False, True, False, True]


def test_while_redis_is_away_a_gateway_knows_what_it_has_seen_itself(tmp_path: Path) -> None:
    async def ask() -> list[bool]:
        with running_redis(tmp_path) as server:
            tokens = make_tokens(Settings(redis_url=server.url), 60)
            answers = [await tokens.belongs("before", b"real")]
            server.kill()
            steps = (("before", b"forged"), ("since", b"real"), ("since", b"forged"), ("before", b"real"))
            answers += [await tokens.belongs(token, body) for token, body in steps]
            await tokens.close()
        return answers

    assert asyncio.run(ask()) == [True, False, True, False, True]


def test_what_one_gateway_remembers_is_bounded(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(tokens_module, "TOKENS_KEPT", 3)

    async def ask() -> list[bool]:
        tokens = LocalTokens()
        for number in range(4):
            await tokens.belongs(str(number), b"one")
        return [await tokens.belongs(token, b"two") for token in ("0", "3")]

    assert asyncio.run(ask()) == [True, False]
