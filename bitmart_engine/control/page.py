"""GET /: the live page, and the files that it consists of, under /page/.

The files are data of the package and hold nothing of the engine's, so that they need no token: the page asks its user
for it, and gets everything it shows from the API. A client that accepts JSON alone gets the JSON that it always got.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from attrs import frozen
from quart import Blueprint, Response, request
from werkzeug.exceptions import NotFound

from ..engine import Engine

__all__ = ["HEADERS", "endpoints", "is_page"]

KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
"""What is served, by the end of a file's name; licences and notes are not."""
KINDS_OF_FRONT = ("text/html", "application/json")
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


@frozen
class File:
    """A file of the page as it is served."""

    content: bytes
    kind: str
    tag: str


def is_page(method: str, path: str) -> bool:
    """Whether a request is for the page itself, which needs no token."""
    return method in ("GET", "HEAD") and (path == "/" or path.startswith("/page/"))


def endpoints(engine: Engine) -> Blueprint:
    """GET /, GET /page/{file}."""
    routes = Blueprint("page", __name__)

    @routes.get("/")
    async def front() -> Response:
        if request.accept_mimetypes.best_match(KINDS_OF_FRONT) == "application/json":
            raise NotFound
        return _sent("index.html")

    @routes.get("/page/<path:name>")
    async def file(name: str) -> Response:
        return _sent(name)

    return routes


def _sent(name: str) -> Response:
    found = _files().get(name)
    if found is None:
        raise NotFound
    headers = {**HEADERS, "ETag": found.tag}
    if found.tag in request.headers.get("If-None-Match", ""):
        return Response(b"", status=304, headers=headers)
    return Response(found.content, content_type=found.kind, headers=headers)


@cache
def _files() -> Mapping[str, File]:
    """Every file of the page, by its path under `/page/`. Nothing else can be asked for."""
    return dict(_found(files("bitmart_engine") / "page", ""))


def _found(folder: Traversable, prefix: str) -> Iterator[tuple[str, File]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _found(each, f"{prefix}{each.name}/")
        elif (kind := KINDS.get(f".{each.name.rpartition('.')[2]}")) is not None:
            content = each.read_bytes()
            yield f"{prefix}{each.name}", File(content, kind, f'"{_digest(content)}"')


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]
