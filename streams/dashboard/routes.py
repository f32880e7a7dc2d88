"""How every route of the dashboard fails: in the form that the asker reads, with what to do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request, Response
from fastapi.routing import APIRoute
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException

from scoring.errors import EventError, LeadheatError
from streams.dashboard.queries import BadQuery

RETRY_AFTER_S: Final = "2"
encode_json = msgspec.json.Encoder().encode

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
T = TypeVar("T")


def found(what: str, name: str, record: T | None) -> T:
    """Return a record that was looked for; raises 404 where there is none of this ``name``.

    >>> found("lead", "user:7", 12.5)
    12.5
    """
    if record is None:
        raise HTTPException(404, f"there is no {what} {name[:200]!r}")
    return record


def json_answer(content: object, status: int = 200) -> Response:
    """Answer with ``content`` as JSON that nobody keeps."""
    return json_bytes(encode_json(content), status)


def json_bytes(body: bytes, status: int = 200) -> Response:
    """Answer with JSON that is encoded already."""
    return Response(body, status, {"Cache-Control": "no-store"}, "application/json")


class ApiRoute(APIRoute):
    """A route for programs: faults become the gateway's JSON errors."""

    def get_route_handler(self) -> Handler:
        """Return the handler."""
        handle = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            try:
                return await handle(request)
            except (RedisError, LeadheatError) as error:
                raise as_http(error) from error

        return guarded


def as_http(error: Exception) -> HTTPException:
    """Return what an error is to whoever asked."""
    if isinstance(error, BadQuery | EventError):
        return HTTPException(400, f"{error.field}: {error.message}")
    if isinstance(error, RedisError):
        return HTTPException(503, "Redis is away, which holds what the dashboard shows", {"Retry-After": RETRY_AFTER_S})
    return HTTPException(503, f"{error}; try again", {"Retry-After": RETRY_AFTER_S})
