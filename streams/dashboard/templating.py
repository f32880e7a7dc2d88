"""Templates and static files: read once, escaped always, served with what keeps foreign code out of a page."""

from __future__ import annotations

import mimetypes
from hashlib import blake2b
from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.exceptions import HTTPException

from streams.dashboard import words

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; manifest-src 'self'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Scripts, styles and requests are ours alone: also what somebody smuggles into a page finds nobody to tell."""

_YEAR: Final = "public, max-age=31536000, immutable"


class Static:
    """The static files of this package, each with its hash in its address, so that browsers may keep them."""

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        root = files("streams.dashboard") / "static"
        for folder in (root, root / "vendor"):
            for file in folder.iterdir():
                if file.is_file() and file.name.endswith((".css", ".js", ".svg")):
                    self._files[file.name] = file.read_bytes()
        self._hashes = {name: blake2b(body, digest_size=8).hexdigest() for name, body in self._files.items()}

    def path(self, name: str) -> str:
        """Return a file's address."""
        return f"/static/{name}?v={self._hashes[name]}"

    def router(self) -> APIRouter:
        """Return the route that serves them."""
        router = APIRouter(include_in_schema=False)

        @router.get("/static/{name}")
        async def serve(name: str) -> Response:
            body = self._files.get(name)
            if body is None:
                raise HTTPException(404, "there is no such file")
            kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
            return Response(
                body, headers={"Cache-Control": _YEAR, "X-Content-Type-Options": "nosniff"}, media_type=kind
            )

        return router


class Templates:
    """Renders the package's templates; all that is filled in is escaped, and a name that is missing is an error."""

    def __init__(self, static: Static) -> None:
        self._environment = Environment(
            loader=PackageLoader("streams.dashboard"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        for make in (words.ago, words.iso, words.plain, words.signed, words.who_of, words.domain, words.heat):
            self._environment.globals[make.__name__] = make
        for make_ in (words.lead_path, words.account_path, words.safe_link):
            self._environment.globals[make_.__name__] = make_
        self._environment.globals["static"] = static.path
        self._environment.globals["action_words"] = words.ACTION_WORDS
        self._environment.globals["rejections"] = words.REJECTION_WORDS

    def answer(self, name: str, status: int = 200, **values: object) -> Response:
        """Answer with a page or a part of one."""
        body = self._environment.get_template(name).render(values)
        return Response(body, status, SECURITY_HEADERS, "text/html; charset=utf-8")
