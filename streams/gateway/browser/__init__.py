"""``/leadheat.js``: the few lines that tell from a page who looks at it, and for how long."""

from __future__ import annotations

import hashlib
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Request, Response

ROUTE: Final = "/leadheat.js"
CACHED_S: Final = 3600
"""A page loads it once an hour at most; then an unchanged one is answered with 304."""


def browser_router() -> APIRouter:
    """Make the route of the snippet, for pages of any site."""
    router = APIRouter(tags=["Browsers"])
    script = files(__name__).joinpath("leadheat.js").read_bytes()
    tag = f'"{hashlib.sha256(script).hexdigest()[:16]}"'
    headers = {
        "Cache-Control": f"public, max-age={CACHED_S}",
        "ETag": tag,
        "Cross-Origin-Resource-Policy": "cross-origin",
        "X-Content-Type-Options": "nosniff",
    }

    @router.get(ROUTE, summary="The snippet for your pages", response_class=Response)
    async def snippet(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(script, headers=headers, media_type="text/javascript")

    return router
